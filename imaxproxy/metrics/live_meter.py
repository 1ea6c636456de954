"""Looks at what is in flight, when somebody asks: tokens, gaps and first tokens since the last look.

Nothing is counted while nobody asks. What ends between two looks is told by whoever ends it (`ended`), and only while
somebody is looking.
"""

from array import array
from collections.abc import Iterator, Sequence, Set
from heapq import nsmallest
from operator import sub
from typing import Any

from imaxproxy.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns
from imaxproxy.metrics import formulas
from imaxproxy.metrics.ending import Outcome
from imaxproxy.metrics.exchange import WARMUP, CountedBy, Exchange
from imaxproxy.metrics.flow import Underway, Who
from imaxproxy.metrics.live_part import MOST_STREAMS, LivePart, slowness

AT_ONCE = 64
"""Streams looked at between two turns of the loop: 0.3 ms."""
MOST_A_LOOK = 1_000
"""Of more, every look takes the next so many: a look costs less than 1 % of a second, and each stream's turn comes."""
_MILLI = 1000


class _State:
    """What was seen of one request so far."""

    __slots__ = (
        "base",
        "dimensions",
        "events",
        "first_ns",
        "is_old",
        "last_ns",
        "model",
        "sent_ns",
        "tokens",
        "told",
        "who",
    )

    def __init__(self, who: Who) -> None:
        self.who = who
        self.model = who.model
        self.sent_ns: int | None = None
        self.events = 0
        self.tokens = 0
        """Told ones, or as many as events."""
        self.told = False
        self.base = 0
        """Tokens of the first event."""
        self.first_ns = self.last_ns = 0
        self.dimensions: list[tuple[str, str]] | None = None
        self.is_old = False
        """It was there before the looking began, and nothing of it was counted so far."""

    def places(self) -> list[tuple[str, str]]:
        """Dimension and value, of each that is known."""
        if self.dimensions is None:
            who = self.who
            named = (("upstream", who.upstream), ("model", self.model), ("client", who.client))
            self.dimensions = [(name, value) for name, value in named if value is not None]
            self.dimensions += [("tag", f"{name}={value}") for name, value in (who.tags or {}).items()]
        return self.dimensions

    @property
    def tps(self) -> float | None:
        """Tokens/s since the first event."""
        passed_ns = self.last_ns - self.first_ns
        return (self.tokens - self.base) * NS_PER_S / passed_ns if passed_ns > 0 else None

    def idle_ns(self, now_ns: int) -> int:
        """Since the newest token event, or, without any, since it was sent."""
        return max(now_ns - (self.last_ns or self.sent_ns or self.who.started_ns), 0)


class LiveMeter:
    """One process's view of its requests in flight."""

    def __init__(self, underway: Set[Underway], clock_ns: Clock = monotonic_ns) -> None:
        """underway: those in flight; whoever owns it changes it."""
        self._underway, self._clock_ns = underway, clock_ns
        self._states: dict[Underway, _State] = {}
        self._round: list[Underway] = []
        self._since_ns: int | None = None
        self._taken_ns: int | None = None
        self._gaps_ns: list[int] = []
        """Of events whose tokens are not told."""
        self._part = LivePart()

    def __repr__(self) -> str:
        return f"<LiveMeter of {len(self._underway)} in flight | {'looking' if self.is_on else 'off'}>"

    @property
    def is_on(self) -> bool:
        """Somebody is looking."""
        return self._since_ns is not None

    def stop(self) -> None:
        """Nobody looks any more."""
        self._since_ns = None
        self._states.clear()
        self._taken_ns = None
        self._round, self._part = [], LivePart()
        self._gaps_ns.clear()

    def steps(self) -> Iterator[None]:
        """Look at all that is in flight, or the next MOST_A_LOOK of it; yields where others should have their turn.

        The first look finds only where everything stands: what came before it belongs to no window.
        """
        if self._since_ns is None:
            self._since_ns = self._clock_ns()
        if not self._round:
            self._round = list(self._underway)
        part, self._round = self._round[:MOST_A_LOOK], self._round[MOST_A_LOOK:]
        for place, each in enumerate(part):
            if each in self._underway:
                self._look_at(each)
            if place % AT_ONCE == AT_ONCE - 1:
                yield

    def take(self) -> LivePart:
        """What the looks and the ends since the last time have found."""
        part, self._part = self._part, LivePart()
        part.gap_ns.add_all(self._gaps_ns)
        self._gaps_ns.clear()
        now_ns = self._clock_ns()
        part.since_ns = now_ns if self._taken_ns is None else self._taken_ns
        self._taken_ns = part.at_ns = now_ns
        for gone in [each for each in self._states if each not in self._underway]:
            del self._states[gone]
        rows: list[tuple[tuple[float, float], int, _State]] = []
        for state in self._states.values():
            tps = state.tps
            if tps is not None:
                part.tps_now_milli.add(round(tps * _MILLI))
            part.waiting += not state.events
            if state.told:
                part.open_tokens += state.tokens
            else:
                part.open_events += state.tokens
            for dimension, value in state.places():
                part.traffic(dimension, value).in_flight += 1
            rows.append((slowness(state.idle_ns(now_ns) / NS_PER_S, tps), len(rows), state))
        part.in_flight = len(self._states)
        part.streams = [_row(state, now_ns) for _, _, state in nsmallest(MOST_STREAMS, rows)]
        return part

    def ended(self, underway: Underway, exchange: Exchange) -> None:
        """It has, and is not under way any more. To be called while `is_on`."""
        part, known = self._part, self._states.pop(underway, None)
        if exchange.ask.dialect is None or exchange.ask.kind == WARMUP:
            return
        state = known or self._met(underway.who())
        if exchange.model is not None and exchange.model != state.model:
            state.model, state.dimensions = exchange.model, None
        part.ended += 1
        part.failed += exchange.outcome is not Outcome.COMPLETED
        if exchange.error is not None:
            part.errors[exchange.error] += 1
        part.input_tokens += exchange.usage.input_tokens or 0
        timeline, state.sent_ns = exchange.timeline, exchange.ask.sent_ns
        told = exchange.counted_by in (CountedBy.TOKEN_IDS, CountedBy.CONTINUOUS_USAGE)
        self._count(state, timeline.times_ns, timeline.tokens if told else None)
        if not len(timeline) and exchange.output_tokens:  # an answer that was not streamed
            self._add(state, 0, exchange.output_tokens)
        if (e2e_ns := formulas.e2e_ns(exchange)) is not None:
            part.e2e_ns.add(e2e_ns)
        if (tps := formulas.tps_per_user(exchange)) is not None:
            part.tps_milli.add(round(tps * _MILLI))

    def _look_at(self, each: Underway) -> None:
        state = self._states.get(each)
        if state is None:
            who = each.who()
            if not who.is_measured:
                return
            state = self._states[each] = self._met(who)
        flow = each.flow()
        if flow is None:
            return
        state.sent_ns = flow.sent_ns
        if flow.model is not None and flow.model != state.model:
            state.model, state.dimensions = flow.model, None
        self._count(state, flow.times_ns, flow.tokens)

    def _met(self, who: Who) -> _State:
        state = _State(who)
        state.is_old = self._since_ns is None or who.started_ns < self._since_ns
        self._part.started += not state.is_old
        return state

    def _count(self, state: _State, times_ns: "array[int]", tokens: Sequence[int] | None) -> None:
        """Take in the events since the last look; `tokens`: of each event from the first on."""
        seen, events = state.events, len(times_ns)
        if events == seen:
            state.is_old = False
            return
        fresh_ns = times_ns[max(seen - 1, 0) : events]
        if not seen:
            state.first_ns, state.base = fresh_ns[0], tokens[0] if tokens is not None else 1
        state.events, state.last_ns, state.told = events, fresh_ns[-1], tokens is not None
        state.tokens += events - seen if tokens is None else sum(tokens[seen:events])
        if state.is_old:  # where it stood when the looking began
            state.is_old = False
            return
        if not seen and state.sent_ns is not None:
            self._part.ttft_ns.add(fresh_ns[0] - state.sent_ns)
        gaps_ns = list(map(sub, fresh_ns[1:], fresh_ns))
        if tokens is None:
            self._gaps_ns += gaps_ns
            self._add(state, events - seen, 0)
        else:
            self._part.told_events += events - seen
            self._add_itl(gaps_ns, tokens[max(seen, 1) : events])
            self._add(state, 0, sum(tokens[seen:events]))

    def _add_itl(self, gaps_ns: list[int], tokens: Sequence[int]) -> None:
        """As `formulas.itl_us`: k tokens after a gap g are k times g/k; an event without tokens lends its gap on."""
        if tokens.count(1) == len(tokens):
            self._part.itl_ns.add_all(gaps_ns)
            return
        lent_ns = 0
        for gap_ns, count in zip(gaps_ns, tokens, strict=True):
            if count:
                self._part.itl_ns.add((gap_ns + lent_ns) // count, count)
            lent_ns = 0 if count else lent_ns + gap_ns

    def _add(self, state: _State, events: int, tokens: int) -> None:
        part = self._part
        part.events += events
        part.tokens += tokens
        for dimension, value in state.places():
            traffic = part.traffic(dimension, value)
            traffic.events += events
            traffic.tokens += tokens


def _row(state: _State, now_ns: int) -> dict[str, Any]:
    """A line of the view's list of streams; tokens are events where `told` is false."""
    who, sent_ns = state.who, state.sent_ns
    return {
        "id": who.request_id,
        "model": state.model,
        "upstream": who.upstream,
        "client": who.client,
        "tag": ", ".join(f"{name}={value}" for name, value in (who.tags or {}).items()) or None,
        "age_s": (now_ns - who.started_ns) / NS_PER_S,
        "ttft_ms": (state.first_ns - sent_ns) / NS_PER_MS if state.events and sent_ns is not None else None,
        "tokens": state.tokens,
        "told": state.told,
        "tps": state.tps,
        "idle_s": state.idle_ns(now_ns) / NS_PER_S,
        "state": "streaming" if state.events else "waiting",
    }
