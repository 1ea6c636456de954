"""The request as the engine gets it: the client's own bytes, less what was meant for this hop."""

from aiohttp import web

from imaxproxy.proxy.marks import Marks
from imaxproxy.wire import BaseUrl, dropped_headers

_OURS = frozenset({b"host", b"content-length", b"accept-encoding", b"expect", b"x-imax-tag"})
_KEYS = frozenset({b"authorization", b"x-api-key", b"api-key"})


def request_bytes(
    request: web.BaseRequest, body: bytes, url: BaseUrl, marks: Marks, credential: bytes | None = None
) -> bytes:
    """Head and body for the engine. Names, order and values of the headers stay as the client sent them.

    Identity encoding is asked for: compressed events come in bursts and cannot be told apart.

    credential: the header line with a key that stands in for the client's; empty for none; None: the client's passes.
    """
    headers = request.raw_headers
    dropped = dropped_headers(headers) | _OURS | marks.dropped
    if credential is not None:
        dropped |= _KEYS
    lines = [
        f"{request.method} {_target(request, url)} HTTP/1.1".encode(),
        b"Host: " + url.authority.encode(),
        *[name + b": " + value for name, value in headers if name.lower() not in dropped],
        b"Accept-Encoding: identity",
        *marks.added,
    ]
    if credential:
        lines.append(credential)
    if body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _target(request: web.BaseRequest, url: BaseUrl) -> str:
    """Path and query as the client sent them, also where it sent them behind a scheme and a host."""
    target = request.raw_path
    if target.startswith("/"):
        return url.prefix + target
    if target == "*":  # OPTIONS, of the server as a whole
        return target
    _, slash, path = target.partition("://")[2].partition("/")
    return url.prefix + (slash + path or "/")
