"""The request as the engine gets it: the client's own bytes, less what was meant for this hop."""

from aiohttp import web

from imaxproxy.wire import BaseUrl, dropped_headers

_OURS = frozenset({b"host", b"content-length", b"accept-encoding", b"expect", b"x-imax-tag"})


def request_bytes(request: web.BaseRequest, body: bytes, url: BaseUrl) -> bytes:
    """Head and body for the engine. Names, order and values of the headers stay as the client sent them.

    Identity encoding is asked for: compressed events come in bursts and cannot be told apart.
    """
    headers = list(request.raw_headers)
    dropped = dropped_headers(headers) | _OURS
    lines = [
        f"{request.method} {url.prefix}{_target(request)} HTTP/1.1".encode(errors="surrogateescape"),
        b"Host: " + url.authority.encode(),
        *[name + b": " + value for name, value in headers if name.lower() not in dropped],
        b"Accept-Encoding: identity",
    ]
    if body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _target(request: web.BaseRequest) -> str:
    """Path and query as the client sent them, also where it sent them behind a scheme and a host."""
    target = request.raw_path
    if target.startswith("/") or "://" not in target:
        return target
    _, slash, path = target.partition("://")[2].partition("/")
    return slash + path or "/"
