"""An engine's address as users give it."""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from imaxproxy.errors import UsageError
from imaxproxy.wire.key import shown


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Scheme, host, port and the path before `/v1`; with or without `/v1` it is the same engine."""

    host: str
    port: int
    prefix: str = ""
    tls: bool = False
    ca_file: Path | None = None
    """Authorities that may vouch for the host, PEM; None: the system's."""

    @classmethod
    def parse(cls, text: str, flag: str, ca_file: Path | None = None) -> "BaseUrl":
        """Raises UsageError, naming the flag, for what is not an http(s) URL, or a file that holds no authorities."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{flag} {shown(text)!r} is not a URL") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{flag} must be like http://127.0.0.1:8000/v1, not {shown(text)!r}")
        if not _is_host(parts.hostname):
            raise UsageError(f"{flag} {shown(text)!r} names no host that can be looked up")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise UsageError(f"{flag} {shown(text)!r} may hold a scheme, host, port and path only")
        tls = parts.scheme == "https"
        prefix = parts.path.rstrip("/").removesuffix("/v1")
        url = cls(parts.hostname, port if port is not None else 443 if tls else 80, prefix, tls, ca_file)
        if ca_file is not None:
            _check_authorities(url)
        return url

    @property
    def authority(self) -> str:
        """For the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca_file) if self.tls else None

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"


def _check_authorities(url: BaseUrl) -> None:
    if not url.tls:
        raise UsageError(f"--upstream-ca is for https upstreams, and {url} is none")
    try:
        _ = url.ssl_context
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(f"--upstream-ca {url.ca_file} holds no certificates in PEM: {error}") from error


def _is_host(name: str) -> bool:
    try:
        return re.fullmatch(rb"[\w.:%-]+", name.encode("idna")) is not None
    except UnicodeError:  # two dots in a row, a label over 63 bytes
        return False
