"""The engines behind the proxy, and which of them answers a call."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import orjson

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.errors import UsageError, WireError
from imaxproxy.proxy.call import Call
from imaxproxy.proxy.json_edit import find_member, replaced
from imaxproxy.proxy.model_map import ModelMap
from imaxproxy.proxy.routing import ROUTES, Asked, Route, Routing
from imaxproxy.proxy.timeouts import Timeouts
from imaxproxy.proxy.upstream import Attempt, Upstream
from imaxproxy.proxy.upstream_health import HealthRules, Standing, Tell, check
from imaxproxy.wire import Answered, BaseUrl, Pool

SESSION_HEADER = "X-Session-ID"
CredentialFor = Callable[[BaseUrl], bytes | None]
"""The header line with the key for this engine, if the proxy has one (`Admission.credential_for`)."""


@dataclass(frozen=True, slots=True)
class FleetRules:
    """How calls are spread over the engines."""

    route: Routing = Routing.ROUND_ROBIN
    session_header: str = SESSION_HEADER
    models: ModelMap = field(default_factory=ModelMap)
    health: HealthRules | None = field(default_factory=HealthRules)
    """None: no engine is asked, and none is ejected."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    names: tuple[str, ...] = ()
    """Of the upstreams, in their order; none: their URLs."""


class Fleet:
    """All engines; at least one. A client can choose among them by its model or session, and nothing else."""

    def __init__(
        self,
        urls: Sequence[BaseUrl],
        clock_ns: Clock = monotonic_ns,
        rules: FleetRules | None = None,
        tell: Tell = lambda line: None,
    ) -> None:
        self.rules = rules or FleetRules()
        names = self.rules.names or [str(url) for url in urls]
        if len(set(names)) < len(urls):
            raise UsageError("two upstreams have the same name or URL: give each its own, --upstream name=URL")
        health, connect_s = self.rules.health or HealthRules(), self.rules.timeouts.connect_s
        self.upstreams = [
            Upstream(name, Pool(url, clock_ns, connect_s), Standing(name, health, tell))
            for url, name in zip(urls, names, strict=True)
        ]
        self._route: Route = ROUTES[self.rules.route]()
        self._checks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Fleet {self.upstreams}>"

    @property
    def single(self) -> bool:
        """One engine: nothing to choose, and nobody is asked whether it is up."""
        return len(self.upstreams) == 1

    def start(self, credential_for: CredentialFor = lambda url: None) -> None:
        """Begin to ask the engines whether they are up, each with the key that the proxy has for it."""
        health = self.rules.health
        if health is not None and not self.single:
            self._checks = [
                asyncio.ensure_future(_check_for_ever(each, health, credential_for)) for each in self.upstreams
            ]

    def choose(self, call: Call, tried: Sequence[Upstream] = ()) -> Upstream | None:
        """The engine for this call, none of those tried; None when all were.

        Of those that serve its model the ones that are up; when none of these is left, the ejected ones: a call that
        would fail may as well find out whether they are back.
        """
        if self.single:
            return None if tried else self.upstreams[0]
        serving = [each for each in self._serving(call) if each not in tried]
        backends = [each for each in serving if each.standing.up] or serving
        if not backends:
            return None
        return self._route.choose(backends, Asked(call.request.headers.get(self.rules.session_header), call.body))

    async def connect(self, call: Call) -> Attempt:
        """A connection to the engine for this call. Raises WireError when none can be had.

        After a failed connect the next engine is tried: no byte of the request has left.
        """
        tried: list[Upstream] = []
        failed: WireError | None = None
        while (upstream := self.choose(call, tried)) is not None:
            if failed is not None:
                call.ask = replace(call.ask, retried=failed.kind)
            try:
                engine, connect_ns = await upstream.take()
            except WireError as error:
                self._count_failed(upstream, error)
                tried.append(upstream)
                failed = error
            else:
                return Attempt(upstream, engine, connect_ns, call.ask.retried)
        assert failed is not None
        raise failed

    def finish(self, attempt: Attempt, answered: Answered) -> None:
        """The call has ended: its connection may serve another, and the engine is judged by how it went."""
        attempt.upstream.give_back(attempt.engine)
        if attempt.retried is not None:
            attempt.upstream.counts[f"retried_{attempt.retried}"] += 1
        if answered.reception is not None:
            attempt.upstream.standing.answered()
        elif answered.silent and answered.broken is not None:
            self._count_failed(attempt.upstream, answered.broken)

    def body_for(self, upstream: Upstream, body: bytes) -> bytes:
        """The body as this engine gets it: the model by its own name, all else as it came."""
        models = self.rules.models
        span = find_member(body, "model") if models else None
        if span is None:
            return body
        public = _text(body[slice(*span)])
        model = None if public is None else models.model_at(upstream.name, public)
        return body if model is None or model == public else replaced(body, span, model)

    async def reach(self) -> None:
        """Open a connection to any engine, those that are up first. Raises WireError when none takes one."""
        failed: WireError | None = None
        for upstream in sorted(self.upstreams, key=lambda each: not each.standing.up):
            try:
                engine, _ = await upstream.pool.take()
            except WireError as error:
                failed = failed or error
            else:
                upstream.pool.give_back(engine)
                return
        assert failed is not None
        raise failed

    def close(self) -> None:
        """Close every connection, busy ones too."""
        for task in self._checks:
            task.cancel()
        for upstream in self.upstreams:
            upstream.pool.close()

    def _serving(self, call: Call) -> list[Upstream]:
        """The engines that have the call's model, by the map or by their own word; all when that says nothing."""
        if not self.rules.models and all(each.models is None for each in self.upstreams):
            return self.upstreams
        span = find_member(call.body, "model")
        public = None if span is None else _text(call.body[slice(*span)])
        if public is None:
            return self.upstreams
        named = [(each, self.rules.models.model_at(each.name, public)) for each in self.upstreams]
        mapped = [(each, model) for each, model in named if model is not None]
        listing = [each for each, model in mapped if each.models is None or model in each.models]
        return listing or [each for each, _ in mapped]

    def _count_failed(self, upstream: Upstream, error: WireError) -> None:
        upstream.counts[error.kind] += 1
        if self.rules.health is not None and not self.single:
            upstream.standing.failed(str(error))


async def _check_for_ever(upstream: Upstream, rules: HealthRules, credential_for: CredentialFor) -> None:
    while True:
        credential = credential_for(upstream.url)  # anew each time: a reload may have changed it
        try:
            upstream.models = await check(upstream.pool, rules.path, (credential,) if credential else ())
        except WireError as error:
            upstream.standing.failed(str(error))
        else:
            upstream.standing.passed()
        await asyncio.sleep(rules.interval_s)


def _text(value: bytes) -> str | None:
    """A JSON value that is a text; None for another."""
    try:
        text = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return text if isinstance(text, str) else None
