"""`--ask-usage`: ask the engine for the usage that the client did not ask for. `UsageStrip` takes it out again."""

import re
from dataclasses import dataclass
from enum import StrEnum

import orjson

from imaxproxy.proxy.json_members import Member, members, named

_ASKS = re.compile(rb'"include_usage"\s*:\s*true')
_PATHS = frozenset({"/v1/chat/completions", "/v1/completions"})
"""Elsewhere usage comes unasked."""


class AskUsage(StrEnum):
    """What a stream shall say of its tokens."""

    FINAL = "final"
    """The total, once, at the end."""
    CONTINUOUS = "continuous"
    """And with each event the total so far (vLLM, SGLang, TensorRT-LLM, Dynamo)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's body as the engine gets it, and what must be kept from the client in return."""

    body: bytes
    usage: bool | None = None
    """The engine is asked for usage; None where that is no question."""
    adds_final: bool = False
    adds_continuous: bool = False

    @property
    def mutated(self) -> list[str] | None:
        """What was changed, for the Exchange."""
        changed = {"stream_options.include_usage": self.adds_final}
        changed["stream_options.continuous_usage_stats"] = self.adds_continuous
        return [name for name, is_changed in changed.items() if is_changed] or None


def ask_usage(path: str, body: bytes, wanted: AskUsage | None) -> Asked:
    """The body with `stream_options` that ask for usage, where a stream was asked for and they did not.

    Every byte that need not change stays: order, spacing, big numbers, names that occur twice. What is no JSON object,
    or has options of a kind that we do not know, is left to the engine.
    """
    if path not in _PATHS:
        return Asked(body)
    if wanted is None:
        return Asked(body, usage=_ASKS.search(body) is not None)
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Asked(body)
    if not isinstance(request, dict) or request.get("stream") is not True:
        return Asked(body)
    options = request.get("stream_options")
    if not isinstance(options, dict | None):
        return Asked(body)
    adds_final = not (options or {}).get("include_usage")
    adds_continuous = wanted is AskUsage.CONTINUOUS and not (options or {}).get("continuous_usage_stats")
    names = ["include_usage"] * adds_final + ["continuous_usage_stats"] * adds_continuous
    return Asked(_with_options(body, names), True, adds_final, adds_continuous) if names else Asked(body, True)


def _with_options(body: bytes, names: list[str]) -> bytes:
    """The body with these options true."""
    member = named(body, "stream_options")
    added = ",".join(f'"{name}":true' for name in names).encode()
    if member is None:
        at = body.index(b"{") + 1
        return body[:at] + b'"stream_options":{' + added + b"}," + body[at:]
    if body.startswith(b"null", member.value_start):
        return body[: member.value_start] + b"{" + added + b"}" + body[member.end :]
    return _with_members(body, member, names)


def _with_members(body: bytes, options: Member, names: list[str]) -> bytes:
    """Make these members of an object true: in their place where they have one, else before all others."""
    there = {member.name: member for member in members(body, options.value_start)}  # of twins the last, as parsers do
    at = options.value_start + 1
    missing = b"".join(b'"%b":true,' % name.encode() for name in names if name not in there)
    edits = [(there[name].value_start, there[name].end, b"true") for name in names if name in there]
    edits.append((at, at, missing if there else missing[:-1]))
    for start, end, value in sorted(edits, reverse=True):
        body = body[:start] + value + body[end:]
    return body
