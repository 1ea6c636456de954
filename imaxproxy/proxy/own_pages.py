"""The proxy's own pages: everything that is not relayed."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from imaxproxy.clock import NS_PER_S, Clock
from imaxproxy.errors import WireError
from imaxproxy.proxy.admission import Admission
from imaxproxy.proxy.board import Board
from imaxproxy.proxy.fleet import Fleet
from imaxproxy.proxy.live_feed import live_feed, may_watch, not_for_networks
from imaxproxy.proxy.metrics_form import metrics_form
from imaxproxy.proxy.page import json_page
from imaxproxy.proxy.site import Asset, Site, asset_page

_READY_FOR_NS = NS_PER_S
_LIVE_PAGE = "/imax/"
LIVE_PAGE_SHORT = "/imax"
"""What people type."""
Page = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class OwnPages:
    """`/health`, `/metrics` and what lies under `/imax/`."""

    def __init__(
        self,
        fleet: Fleet,
        board: Board,
        engine: dict[str, Any] | None,
        clock_ns: Clock,
        admission: Admission | None = None,
        site: Site | None = None,
    ) -> None:
        """admission: says whether who comes here has shown a key.  site: files for browsers."""
        self._fleet, self._board, self._engine, self._clock_ns = fleet, board, engine, clock_ns
        self._admission = admission if admission is not None else Admission()
        self._ready_until_ns = 0
        self._pages: dict[str, Page] = {
            "/health": self._health,
            "/metrics": self._metrics,
            LIVE_PAGE_SHORT: self._to_live_page,
            "/imax/stats": self._stats,
            "/imax/engine": self._describe,
            "/imax/live": self._live,
            **{path: partial(self._asset, asset) for path, asset in (site or {}).items()},
        }

    def get(self, path: str) -> Page | None:
        """None for a path that belongs to the engine: none under `/imax/` does."""
        return self._pages.get(path) or (self._unknown if path.startswith(_LIVE_PAGE) else None)

    async def _to_live_page(self, request: web.BaseRequest) -> web.Response:
        query = f"?{request.query_string}" if request.query_string else ""
        # Relative, as the page's own links are: whatever path the proxy is published under, it leads there.
        return web.Response(status=308, headers={"Server": "imaxproxy", "Location": f"imax/{query}"})

    async def _unknown(self, _request: web.BaseRequest) -> web.Response:
        known = ", ".join(path for path in self._pages if path.startswith(_LIVE_PAGE))
        return json_page(404, {"detail": f"no such page; under {_LIVE_PAGE} there are {known}"})

    async def _health(self, _request: web.BaseRequest) -> web.Response:
        """200 when an engine takes connections; asked at most once a second."""
        if self._clock_ns() < self._ready_until_ns:
            return json_page(200, {"status": "ready"})
        try:
            await self._fleet.reach()
        except WireError as error:
            return json_page(503, {"status": "no engine", "detail": str(error)})
        self._ready_until_ns = self._clock_ns() + _READY_FOR_NS
        return json_page(200, {"status": "ready"})

    async def _stats(self, _request: web.BaseRequest) -> web.Response:
        """What was measured since the start, by all workers; in-flight streams join when they end."""
        return await self._of_board("stats", {"Content-Type": "application/json"})

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        """The same for Prometheus."""
        form = metrics_form(",".join(request.headers.getall("Accept", ())))
        return await self._of_board(form.page, {"Content-Type": form.content_type, "Vary": "Accept"})

    async def _of_board(self, name: str, headers: dict[str, str]) -> web.Response:
        try:
            return web.Response(body=await self._board.page(name), headers=headers)
        except WireError as error:
            return json_page(503, {"detail": str(error)})

    async def _live(self, request: web.BaseRequest) -> web.StreamResponse:
        """What is so now, in flight and not only finished (docs/live.md)."""
        if not self._may_watch(request):
            return not_for_networks()
        return await live_feed(request, self._board.views)

    async def _asset(self, asset: Asset, request: web.BaseRequest) -> web.StreamResponse:
        """A file of the live page; where its figures are for nobody, so is the page."""
        return asset_page(asset) if self._may_watch(request) else not_for_networks()

    def _may_watch(self, request: web.BaseRequest) -> bool:
        admission = self._admission
        return admission.asks_for_keys or admission.is_own_screen(request) or may_watch(request)

    async def _describe(self, _request: web.BaseRequest) -> web.Response:
        """What is known of the engine behind; 404 when nothing is."""
        return json_page(200, self._engine) if self._engine else json_page(404, {"detail": "no recipe was given"})
