"""The client's body, read whole before an engine is asked: what is refused never costs the engine anything."""

import asyncio

from aiohttp import web

from imaxproxy.errors import WireError
from imaxproxy.proxy.front import BODY_LIMIT_BYTES

BODY_IDLE_S = 30.0
"""A body of which nothing comes for so long is given up. So are chunks that are none: aiohttp drops them unsaid."""
REFUSED = {"bad_body": 400, "body_timeout": 408, "body_too_large": 413}
"""The client's own mistakes, and the status that says so."""


async def whole_body(request: web.BaseRequest, transport: asyncio.Transport, idle_s: float = BODY_IDLE_S) -> bytes:
    """Raises WireError, one of `REFUSED`, for a body that cannot be passed on."""
    if (request.content_length or 0) > BODY_LIMIT_BYTES:
        raise _too_large()
    if request.headers.get("expect", "").lower() == "100-continue" and request.version >= (1, 1):
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    while piece := await _next_piece(request, idle_s):
        body += piece
        if len(body) > BODY_LIMIT_BYTES:
            raise _too_large()
    return bytes(body)


async def _next_piece(request: web.BaseRequest, idle_s: float) -> bytes:
    try:
        async with asyncio.timeout(idle_s):
            return await request.content.readany()
    except TimeoutError as error:
        raise WireError("body_timeout", f"nothing more of the request's body came within {idle_s:g} s") from error
    except web.RequestPayloadError as error:
        raise WireError("bad_body", f"the request's body is not what its head says: {error}") from error


def _too_large() -> WireError:
    return WireError("body_too_large", f"the request's body is over {BODY_LIMIT_BYTES >> 20} MiB")
