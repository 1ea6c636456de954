"""The simulated engine's pages besides completions: models, health, metrics, tokenize, power, faults, what it is."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.errors import UsageError
from imaxproxy.power import Device, PowerLine, PowerSample
from imaxproxy.sim.cluster import Cluster
from imaxproxy.sim.faults import KINDS, FaultPlan
from imaxproxy.sim.request import BadRequest, Limits, prompt_words
from imaxproxy.sim.serving_stats import ServingStats


def simulated_headers() -> dict[str, str]:
    """What every answer says."""
    return {"x-imaxproxy-simulated": "1", "Server": "imaxproxy-sim"}


def json_answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON body, marked."""
    return web.Response(
        status=status, body=body, content_type="application/json", headers={**simulated_headers(), **(headers or {})}
    )


class Pages:
    """Routes by path and method. `ready_ns`: before that the engine is still starting."""

    def __init__(
        self,
        cluster: Cluster,
        limits: Limits,
        described: dict[str, Any],
        faults: FaultPlan,
        ready_ns: int = 0,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self.stats = ServingStats(limits.model)
        self._cluster, self._limits, self._described, self._faults = cluster, limits, described, faults
        self._ready_ns, self._clock_ns = ready_ns, clock_ns
        self._started = int(time.time())
        self._routes: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
            ("GET", "/v1/models"): self._models,
            ("GET", "/health"): self._health,
            ("GET", "/ready"): self._health,
            ("GET", "/ping"): self._health,
            ("GET", "/metrics"): self._metrics,
            ("POST", "/tokenize"): self._tokenize,
            ("GET", "/imax/engine"): self._engine,
            ("GET", "/imax/power"): self._power,
            ("GET", "/imax/faults"): self._faults_page,
            ("POST", "/imax/faults"): self._arm,
            ("DELETE", "/imax/faults"): self._disarm,
        }

    async def answer(self, http: web.BaseRequest) -> web.StreamResponse:
        """A page, 404 or 405."""
        page = self._routes.get((http.method, http.path))
        if page is not None:
            return await page(http)
        allowed = [method for method, path in self._routes if path == http.path]
        if not allowed:
            return json_answer(404, b'{"detail":"Not Found"}')
        return json_answer(405, b'{"detail":"Method Not Allowed"}', {"Allow": ", ".join(allowed)})

    def check_ready(self) -> None:
        """Raises BadRequest while the engine starts."""
        wait_s = (self._ready_ns - self._clock_ns()) / NS_PER_S
        if wait_s > 0:
            says = f"the engine is starting: ready in {wait_s:.1f} s"
            headers = {"Retry-After": f"{wait_s:.0f}"}
            raise BadRequest(says, status=503, kind="ServiceUnavailableError", headers=headers)

    def samples(self) -> list[PowerSample]:
        """Each board now: with the last step that ended, or idle since then."""
        taken = []
        for engine in self._cluster.all_engines:
            if engine.energy is not None:
                if engine.is_idle:
                    engine.energy.idle_until(self._clock_ns())
                taken += engine.energy.reading()
        return taken

    def devices(self) -> list[Device]:
        """All boards."""
        counters = [engine.energy for engine in self._cluster.all_engines if engine.energy is not None]
        return [device for counter in counters for device in counter.boards.devices(self._clock_ns())]

    async def _health(self, _http: web.BaseRequest) -> web.StreamResponse:
        self.check_ready()
        return web.Response(headers=simulated_headers())

    async def _models(self, _http: web.BaseRequest) -> web.StreamResponse:
        self.check_ready()
        model = {
            "id": self._limits.model,
            "object": "model",
            "created": self._started,
            "owned_by": "imaxproxy-sim",
            "root": self._limits.model,
            "parent": None,
            "max_model_len": self._limits.context_tokens,
        }
        return json_answer(200, orjson.dumps({"object": "list", "data": [model]}))

    async def _metrics(self, _http: web.BaseRequest) -> web.StreamResponse:
        text = self.stats.text(self._cluster.state(), self.samples())
        return web.Response(text=text, headers={**simulated_headers(), "Content-Type": "text/plain; version=0.0.4"})

    async def _tokenize(self, http: web.BaseRequest) -> web.StreamResponse:
        words = prompt_words(await http.read(), self._limits)
        tokens = [word if isinstance(word, int) else hash(word) & 0xFFFF for word in words]
        body = {"count": len(tokens), "max_model_len": self._limits.context_tokens, "tokens": tokens}
        return json_answer(200, orjson.dumps({**body, "token_strs": None}))

    async def _engine(self, _http: web.BaseRequest) -> web.StreamResponse:
        return json_answer(200, orjson.dumps({**self._described, "state": self._cluster.state()}))

    async def _power(self, _http: web.BaseRequest) -> web.StreamResponse:
        """As lines of `power.jsonl`: the boards, then each one's sample of now."""
        lines: list[PowerLine] = [*self.devices(), *self.samples()]
        return json_answer(200, orjson.dumps({"simulated": True, "lines": [line.as_row() for line in lines]}))

    async def _faults_page(self, _http: web.BaseRequest) -> web.StreamResponse:
        known = {name: {"says": kind.says, "value": kind.value, "keys": kind.keys} for name, kind in KINDS.items()}
        return json_answer(200, orjson.dumps({**self._faults.describe(), "known": known}))

    async def _arm(self, http: web.BaseRequest) -> web.StreamResponse:
        """Replaces what is armed: {"faults": ["disconnect=4,p=0.1"], "seed": 1}."""
        try:
            body = orjson.loads(await http.read())
            specs, seed = body["faults"], body.get("seed", 0)
            if not isinstance(specs, list) or not isinstance(seed, int) or not all(isinstance(s, str) for s in specs):
                raise TypeError
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            raise BadRequest('the body must be {"faults": ["disconnect=4,p=0.1", ...], "seed": 0}') from None
        try:
            self._faults.arm(specs, seed, self._clock_ns())
        except UsageError as error:
            raise BadRequest(str(error), param="faults") from None
        return json_answer(200, orjson.dumps(self._faults.describe()))

    async def _disarm(self, _http: web.BaseRequest) -> web.StreamResponse:
        self._faults.arm((), 0, self._clock_ns())
        return json_answer(200, orjson.dumps(self._faults.describe()))
