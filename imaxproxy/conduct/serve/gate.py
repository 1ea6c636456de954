"""The options of `serve` that say who may come in: keys, limits, TLS."""

import os
import re
import resource
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.errors import UsageError
from imaxproxy.wire import BaseUrl

if TYPE_CHECKING:
    import ssl

    from imaxproxy.proxy import Admission, Allowance, Certificate, KeyRing, Limits, Standing

KEYS_VARIABLE = "IMAXPROXY_KEYS"
_A_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = [
    click.option("--keys", type=_A_FILE, help=f"Clients' keys, one `name:key` a line.  [env: {KEYS_VARIABLE}]"),
    click.option("--max-in-flight", type=click.IntRange(min=1), metavar="N", help="Requests under way of each client."),
    click.option("--max-rate", metavar="RATE", help="Of each client: 10/s, 600/min, 1000/h."),
    click.option(
        "--max-body",
        type=click.IntRange(min=1),
        default=64,
        show_default=True,
        metavar="MIB",
        help="Longest request body.",
    ),
    click.option(
        "--max-connections",
        type=click.IntRange(min=1),
        metavar="N",
        help="Clients at once, divided among workers.  [default: by `ulimit -n`, for each]",
    ),
    click.option(
        "--upstream-key-env",
        multiple=True,
        metavar="NAME",
        help="Variable with the engines' key, which then replaces clients' keys. Repeatable: one for each upstream.",
    ),
    click.option("--upstream-key-file", multiple=True, type=_A_FILE, help="File with the engines' key. Repeatable."),
    click.option("--upstream-ca", type=_A_FILE, help="Authorities (PEM) for https engines.  [default: the system's]"),
    click.option("--tls-cert", type=_A_FILE, help="Listen with TLS: certificate chain (PEM)."),
    click.option("--tls-key", type=_A_FILE, help="Its private key.  [default: in the same file]"),
]


@dataclass(frozen=True, slots=True)
class Gate:
    """What the options say. Plain values: any process can open it."""

    limits: "Limits"
    allowance: "Allowance"
    keys: Path | None
    upstream_key_env: tuple[str, ...]
    upstream_key_files: tuple[Path, ...]
    certificate: "Certificate | None"
    screen_key: str | None = field(default=None, repr=False)
    """What the command's own screen shows."""
    connections_said: bool = False
    """The limit of connections is the user's, of the whole proxy; else it is what one process has descriptors for."""

    @classmethod
    def of(cls, flags: dict[str, Any]) -> "Gate":
        """Of `serve`'s options. Raises UsageError for those that do not go together."""
        from imaxproxy.proxy import Allowance, Certificate, Limits, Rate

        if flags["upstream_key_env"] and flags["upstream_key_file"]:
            raise UsageError("give the engines' keys by --upstream-key-env or by --upstream-key-file, not by both")
        if flags["keys"] is not None and KEYS_VARIABLE in os.environ:
            raise UsageError(f"--keys and {KEYS_VARIABLE} both name keys; unset one of them")
        if flags["tls_key"] is not None and flags["tls_cert"] is None:
            raise UsageError("--tls-key goes with --tls-cert")
        rate = Rate.parse(flags["max_rate"], "--max-rate") if flags["max_rate"] else None
        chain = flags["tls_cert"]
        return cls(
            Limits(body_bytes=flags["max_body"] << 20, connections=flags["max_connections"] or _that_fit()),
            Allowance(flags["max_in_flight"], rate),
            flags["keys"],
            flags["upstream_key_env"],
            flags["upstream_key_file"],
            None if chain is None else Certificate(chain, flags["tls_key"]),
            screen_key=secrets.token_urlsafe(24),
            connections_said=flags["max_connections"] is not None,
        )

    @property
    def asks_for_keys(self) -> bool:
        return self.keys is not None or KEYS_VARIABLE in os.environ

    def among(self, workers: int) -> "Gate":
        """One worker's part of the limits that nobody keeps a common account of."""
        if not self.connections_said or self.limits.connections is None:
            return self
        return replace(self, limits=replace(self.limits, connections=-(-self.limits.connections // workers)))

    def admission(
        self, urls: Sequence[BaseUrl], standing_of: "Callable[[str | None], Standing] | None" = None
    ) -> "Admission":
        """Reads all keys. Raises UsageError when one cannot be had.

        standing_of: for a client with limits that several processes share.
        """
        from imaxproxy.proxy import Admission, Credentials, key_in_environment, key_in_file

        sources = [
            *[key_in_environment(os.environ, name, f"--upstream-key-env {name}") for name in self.upstream_key_env],
            *[key_in_file(path, f"--upstream-key-file {path}") for path in self.upstream_key_files],
        ]
        read_keys = self._read_keys if self.asks_for_keys else None
        return Admission(
            self.limits, read_keys, self.allowance, Credentials(sources, urls), standing_of, self.screen_key
        )

    def check(self, urls: Sequence[BaseUrl]) -> None:
        """Raises UsageError now for what would go wrong later."""
        self.admission(urls)
        self.tls()

    def tls(self) -> "ssl.SSLContext | None":
        """What a listener needs. Raises UsageError when the certificate is none."""
        return None if self.certificate is None else self.certificate.context()

    def _read_keys(self) -> "KeyRing":
        from imaxproxy.proxy import KeyRing, read_keys

        if self.keys is not None:
            return read_keys(self.keys, f"--keys {self.keys}", self.allowance)
        return KeyRing(re.split("[\n,]", os.environ[KEYS_VARIABLE]), KEYS_VARIABLE, self.allowance)


def gate_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """The flags that `Gate.of` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _that_fit() -> int:
    """As many clients as this process may have descriptors for: all that the system grants it, asked for here."""
    from imaxproxy.proxy import connections_that_fit

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return connections_that_fit(hard)
