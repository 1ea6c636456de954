"""The proxy's `/v1/models` before several engines, or with a model map. Before one engine without one it is relayed."""

import asyncio
from typing import Any

from aiohttp import web

from imaxproxy.errors import WireError
from imaxproxy.proxy.admission import Admission
from imaxproxy.proxy.fetch import fetch_answer
from imaxproxy.proxy.fleet import Fleet
from imaxproxy.proxy.marks import Marks
from imaxproxy.proxy.models import merged, models_in
from imaxproxy.proxy.page import error_page, json_page
from imaxproxy.proxy.request_head import request_bytes
from imaxproxy.proxy.upstream import Upstream

_Page = tuple[list[dict[str, Any]], list[tuple[str, str]]]


class ModelsPage:
    """Asks the engines that are up, with the client's own headers and the proxy's keys, and merges what they say."""

    def __init__(self, fleet: Fleet, admission: Admission) -> None:
        self._fleet, self._admission = fleet, admission

    async def page(self, request: web.BaseRequest) -> web.Response:
        """What any of them serves; an engine's refusal, or a 502, when none gives a list."""
        upstreams = [each for each in self._fleet.upstreams if each.standing.up] or self._fleet.upstreams
        answers = await asyncio.gather(*(self._ask(each, request) for each in upstreams), return_exceptions=True)
        pages: list[_Page] = []
        refusal: web.Response | None = None
        for upstream, answer in zip(upstreams, answers, strict=True):
            if isinstance(answer, WireError):
                refusal = refusal or error_page(answer)
            elif isinstance(answer, BaseException):
                raise answer
            elif answer[0] == 200:
                pages.append((models_in(answer[1]), self._fleet.rules.models.public_names(upstream.name)))
            else:
                refusal = web.Response(status=answer[0], body=answer[1], content_type="application/json")
        if refusal is not None and not pages:
            return refusal
        return json_page(200, merged(pages))

    async def _ask(self, upstream: Upstream, request: web.BaseRequest) -> tuple[int, bytes]:
        url = upstream.url
        data = request_bytes(request, b"", url, Marks.of(request.headers), self._admission.credential_for(url))
        return await fetch_answer(upstream.pool, data)
