"""The client's body, read whole before an engine is asked: what is refused never costs the engine anything."""

import asyncio

from aiohttp import web

from imaxproxy.proxy.limits import Limits
from imaxproxy.proxy.refused import Refused


async def whole_body(request: web.BaseRequest, transport: asyncio.Transport, limits: Limits) -> bytes:
    """Raises Refused for a body that cannot be passed on."""
    if (request.content_length or 0) > limits.body_bytes:
        raise _too_large(limits)
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= (1, 1):
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    content = request.content
    if content.is_eof():  # most come in one read with their head
        return content.read_nowait()
    loop = asyncio.get_running_loop()
    pieces: list[bytes] = []
    started_s, size_bytes = loop.time(), 0
    while True:
        left_s = started_s + limits.body_idle_s + size_bytes / limits.body_rate_bytes_per_s - loop.time()
        piece = await _next_piece(request, min(left_s, limits.body_idle_s))
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size_bytes += len(piece)
        if size_bytes > limits.body_bytes:
            raise _too_large(limits)


async def _next_piece(request: web.BaseRequest, patience_s: float) -> bytes:
    try:
        async with asyncio.timeout(patience_s):
            return await request.content.readany()
    except TimeoutError as error:
        what = "the rest of the request's body did not come, or too slowly"
        raise Refused("body_timeout", what, close=True) from error
    except web.RequestPayloadError as error:
        raise Refused("bad_body", f"the request's body is not what its head says: {error}", close=True) from error


def _too_large(limits: Limits) -> Refused:
    return Refused("body_too_large", f"the request's body is over {_size(limits.body_bytes)}")


def _size(size_bytes: int) -> str:
    return f"{size_bytes >> 20} MiB" if size_bytes >= 1 << 20 else f"{size_bytes} bytes"
