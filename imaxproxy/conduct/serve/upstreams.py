"""`serve`'s upstreams: which there are, how calls are spread over them, and how long they may take."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.conduct.flags.seconds import seconds
from imaxproxy.conduct.output import say
from imaxproxy.errors import UsageError
from imaxproxy.wire import BaseUrl

if TYPE_CHECKING:
    from imaxproxy.proxy import Fleet, ModelMap

_ROUTES = ("round-robin", "least-outstanding", "session", "prefix")
_NAMED = re.compile(r"([A-Za-z0-9._-]+)=(.*)")
_HEADER = re.compile(r"[A-Za-z0-9-]+")


def fleet_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """The flags that `FleetChoice` takes."""
    route = click.Choice(_ROUTES)
    options = [
        click.option("--route", type=route, default=_ROUTES[0], show_default=True, help="How calls find an upstream."),
        click.option(
            "--session-header",
            default="X-Session-ID",
            show_default=True,
            metavar="NAME",
            help="For --route session; else the body's session_id, prompt_cache_key or user.",
        ),
        click.option(
            "--model-map",
            multiple=True,
            metavar="PUBLIC=MODEL",
            help="Ask for MODEL where clients say PUBLIC; PUBLIC=NAME:MODEL: at upstream NAME only. Repeatable.",
        ),
        click.option(
            "--health-path",
            default="/health",
            show_default=True,
            metavar="PATH",
            help="Asked of each of several upstreams.",
        ),
        _seconds("--health-interval", 5.0, "Between two health checks; 0: none, and no ejection.", zero=True),
        click.option("--health-fall", default=3, show_default=True, type=click.IntRange(1), help="Failures to eject."),
        click.option("--health-rise", default=2, show_default=True, type=click.IntRange(1), help="Checks to return."),
        _seconds("--connect-timeout", 5.0, "To connect to an upstream, TLS included."),
        _seconds("--first-byte-timeout", 600.0, "Until an answer begins; 0: no limit.", zero=True),
        _seconds("--idle-timeout", 300.0, "Between two reads of an answer; 0: no limit.", zero=True),
        _seconds("--request-timeout", 0.0, "For a request in all, its own body included; 0: no limit.", zero=True),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _seconds(flag: str, default: float, text: str, *, zero: bool = False) -> Callable[..., Any]:
    kind = _seconds_or_none if zero else seconds
    return click.option(flag, type=kind, default=default, show_default=True, metavar="S", help=text)


def _seconds_or_none(value: float | str) -> float:
    return 0.0 if str(value).strip() in ("0", "0.0") else seconds(value)


@dataclass(frozen=True, slots=True)
class FleetChoice:
    """What the flags say; checked."""

    urls: tuple[BaseUrl, ...]
    names: tuple[str, ...]
    flags: dict[str, Any]

    @classmethod
    def of(cls, texts: tuple[str, ...], flags: dict[str, Any]) -> "FleetChoice":
        """`texts` are URLs or `name=URL`; `flags` are all of `serve`'s. Raises UsageError."""
        named = [_NAMED.fullmatch(text) for text in texts]
        parts = [(match[1], match[2]) if match else ("", text) for match, text in zip(named, texts, strict=True)]
        urls = _parsed([url for _, url in parts], flags["upstream_ca"])
        names = tuple(name or str(url) for (name, _), url in zip(parts, urls, strict=True))
        if len(set(names)) < len(names):
            raise UsageError("two --upstream have the same name: give each its own, name=URL")
        if len(set(urls)) < len(urls):
            raise UsageError("two --upstream are the same engine")
        if not _HEADER.fullmatch(flags["session_header"]):
            raise UsageError(f"--session-header {flags['session_header']!r} is no header's name")
        if not flags["health_path"].startswith("/"):
            raise UsageError(f"--health-path must begin with /, not {flags['health_path']!r}")
        choice = cls(urls, names, flags)
        choice.model_map()
        return choice

    def described(self) -> dict[str, Any]:
        """For the manifest."""
        return {"upstreams": dict(zip(self.names, map(str, self.urls), strict=True))}

    def fleet(self) -> "Fleet":
        """The engines, to be used on a running loop."""
        from imaxproxy.proxy import Fleet, FleetRules, HealthRules, Routing, Timeouts

        flags = self.flags
        interval_s = flags["health_interval"]
        health = HealthRules(interval_s, flags["health_path"], flags["health_fall"], flags["health_rise"])
        rules = FleetRules(
            Routing(flags["route"]),
            flags["session_header"],
            self.model_map(),
            health if interval_s else None,
            Timeouts(
                flags["connect_timeout"],
                flags["first_byte_timeout"] or None,
                flags["idle_timeout"] or None,
                flags["request_timeout"] or None,
            ),
            self.names,
        )
        return Fleet(self.urls, rules=rules, tell=say)

    def model_map(self) -> "ModelMap":
        from imaxproxy.proxy import ModelMap

        return ModelMap.parse(self.flags["model_map"], self.names)


def _parsed(texts: Sequence[str], ca_file: Path | None) -> tuple[BaseUrl, ...]:
    """The authorities are for the https upstreams; where there is none, `BaseUrl` says so."""
    none_secure = not any(text.startswith("https:") for text in texts)
    return tuple(
        BaseUrl.parse(text, "--upstream", ca_file if none_secure or text.startswith("https:") else None)
        for text in texts
    )
