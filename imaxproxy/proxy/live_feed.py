"""`/imax/live`: the live snapshot, as server-sent events or once."""

import asyncio
import ipaddress

from aiohttp import web

from imaxproxy.errors import WireError
from imaxproxy.proxy.page import json_page
from imaxproxy.proxy.views import View, Views

_SLOW_S = 30.0
"""A viewer that takes nothing for so long is let go."""
_ONCE_S = 25.0
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_RETRY = b"retry: 1000\n\n"


async def live_feed(request: web.BaseRequest, views: Views) -> web.StreamResponse:
    """A snapshot a second until the viewer leaves; with `?once=1` one of them, as JSON.

    A viewer that reads slowly misses snapshots; it holds up nobody and no memory but its own socket's.
    """
    try:
        view = views.open()
    except WireError as error:
        return json_page(503, {"detail": str(error)})
    try:
        return await (_once(view) if "once" in request.query else _feed(request, view))
    finally:
        view.close()


def may_watch(request: web.BaseRequest) -> bool:
    """It came to an address of this machine's own. Who comes over a network must show a key."""
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    if not isinstance(name, tuple):
        return False
    return ipaddress.ip_address(name[0]).is_loopback


def not_for_networks() -> web.Response:
    detail = "the live view is for this machine only while nobody is asked for a key: start imaxproxy with --keys FILE"
    return json_page(403, {"detail": detail})


async def _once(view: View) -> web.Response:
    """The second snapshot since the looking began: the first knows no rate."""
    try:
        async with asyncio.timeout(_ONCE_S):
            snapshot = await view.next(2)
    except TimeoutError:
        snapshot = None
    if snapshot is None:
        return json_page(503, {"detail": "there is no live view to be had now"})
    return web.Response(body=snapshot, content_type="application/json", headers={"Cache-Control": "no-store"})


async def _feed(request: web.BaseRequest, view: View) -> web.StreamResponse:
    response = web.StreamResponse(headers=_HEADERS | {"Server": "imaxproxy"})
    await response.prepare(request)
    await response.write(_RETRY)
    while (snapshot := await view.next()) is not None:
        try:
            async with asyncio.timeout(_SLOW_S):
                await response.write(b"data: " + snapshot + b"\n\n")
        except TimeoutError:
            break
    await response.write_eof()
    return response
