"""The live deployment: engines that share the load, or prefill workers that hand on to decode workers."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from imaxproxy.sim.engine import Engine
from imaxproxy.sim.scheduler import Stream

OnAdmitted = Callable[[int], None]


class Cluster:
    """Routes streams. A request goes where the fewest streams are; its KV travels if it was read elsewhere."""

    def __init__(
        self, engines: list[Engine], prefill_engines: list[Engine] | None = None, transfer_ns_per_token: float = 0.0
    ) -> None:
        self.engines = engines
        self.prefill_engines = prefill_engines or []
        self._transfer_ns_per_token = transfer_ns_per_token
        self._places: dict[Stream, tuple[Engine, Stream]] = {}

    def __repr__(self) -> str:
        return f"<Cluster of {len(self.prefill_engines)} + {len(self.engines)} engines, {len(self._places)} streams>"

    @property
    def all_engines(self) -> list[Engine]:
        """Prefill and decode."""
        return [*self.prefill_engines, *self.engines]

    @property
    def is_idle(self) -> bool:
        """No engine has work."""
        return all(engine.is_idle for engine in self.all_engines)

    def submit(self, stream: Stream, read_ns: int, on_admitted: OnAdmitted = lambda _time_ns: None) -> None:
        """Take a request that was read at `read_ns`; `forget` it when it has ended."""
        engine = min(self.prefill_engines or self.engines, key=attrgetter("load"))
        reading = self._reading(stream) if self.prefill_engines else stream
        self._places[stream] = engine, reading
        engine.submit(reading, read_ns, on_admitted)

    def cancel(self, stream: Stream) -> None:
        """Its reader left, or it has ended: free what it holds. No harm if it is gone."""
        engine, part = self._places.pop(stream, (None, stream))
        if engine is not None:
            engine.cancel(part)
        if part is not stream:
            stream.on_tokens = lambda _time_ns, _tokens: None

    def cancel_all(self) -> None:
        """All readers are gone."""
        for stream in list(self._places):
            self.cancel(stream)

    def state(self) -> dict[str, Any]:
        """Sums over the engines, for `/imax/engine`."""
        states = [engine.state() for engine in self.all_engines]
        return {name: sum(state[name] for state in states) for name in states[0]}

    def _reading(self, stream: Stream) -> Stream:
        """The part of a prefill worker: it ends with the first token, which the decode worker says."""
        return Stream(
            stream.prompt_tokens,
            1,
            block_names=stream.block_names,
            on_scheduled=lambda start_ns: stream.on_scheduled(start_ns),
            on_tokens=lambda planned_ns, _tokens: self._hand_on(stream, planned_ns),
        )

    def _hand_on(self, stream: Stream, read_ns: int) -> None:
        """The prompt is read: its KV, but for what the other side has cached, is on its way."""
        _, reading = self._places[stream]
        stream.cached_tokens = reading.cached_tokens
        if stream.output_tokens == 1:
            stream.emitted_tokens = 1
            stream.on_tokens(read_ns, 1)
            return
        stream.is_transferred = True
        stream.emitted_tokens = 1
        stream.on_scheduled = lambda _start_ns: None
        moved_ns = round(self._transfer_ns_per_token * (stream.prompt_tokens - stream.cached_tokens))
        engine = min(self.engines, key=attrgetter("load"))
        self._places[stream] = engine, stream
        engine.submit(stream, read_ns + moved_ns)
