"""The client's body, read whole before an engine is asked: what is refused never costs the engine anything."""

import asyncio

from aiohttp import web

from imaxproxy.errors import WireError
from imaxproxy.proxy.front import BODY_LIMIT_BYTES

REFUSED = {"body_too_large": 413, "bad_body": 400}
"""The client's own mistakes, and the status that says so."""


async def whole_body(request: web.BaseRequest, transport: asyncio.Transport) -> bytes:
    """Raises WireError, one of `REFUSED`, for a body that cannot be passed on."""
    if (request.content_length or 0) > BODY_LIMIT_BYTES:
        raise _too_large()
    if request.headers.get("expect", "").lower() == "100-continue" and request.version >= (1, 1):
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large() from error
    except web.RequestPayloadError as error:
        raise WireError("bad_body", f"the request's body is not what its head says: {error}") from error


def _too_large() -> WireError:
    return WireError("body_too_large", f"the request's body is over {BODY_LIMIT_BYTES >> 20} MiB")
