"""Looks at what is in flight, when somebody asks: tokens, gaps and first tokens since the last look.

Nothing is counted while nobody asks. What ends between two looks is told by whoever ends it (`ended`), and only while
somebody is looking.
"""

import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from heapq import nsmallest
from operator import sub

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.metrics import formulas
from imaxproxy.metrics.ending import Outcome
from imaxproxy.metrics.exchange import WARMUP, CountedBy, Exchange
from imaxproxy.metrics.flow import Underway, Who
from imaxproxy.metrics.gaps import CountGaps, Gaps
from imaxproxy.metrics.live_part import MOST_STREAMS, LivePart, slowness
from imaxproxy.metrics.live_state import LiveState, Places

AT_ONCE = 64
"""Streams looked at between two turns of the loop: 0.3 ms."""
_MICRO = 1_000_000


class LiveMeter:
    """One process's view of its requests in flight."""

    def __init__(
        self,
        underway: Set[Underway],
        clock_ns: Clock = monotonic_ns,
        cpu_ns: Clock = time.thread_time_ns,
        count_gaps: CountGaps | None = None,
    ) -> None:
        """underway: those in flight; whoever owns it changes it.  count_gaps: C's, where there is such."""
        self._underway, self._clock_ns, self._cpu_ns = underway, clock_ns, cpu_ns
        self._states: dict[Underway, LiveState] = {}
        self._since_ns: int | None = None
        self._taken_ns: int | None = None
        self._gaps = Gaps(count_gaps)
        """Of events whose tokens are not told."""
        self._token_gaps = Gaps(count_gaps)
        """Of events that are told to hold one token each."""
        self._moved: dict[Places, list[int]] = {}
        """Events and tokens since the last look."""
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
        self._part = LivePart()
        self._gaps.forget()
        self._token_gaps.forget()
        self._moved.clear()

    def steps(self) -> Iterator[None]:
        """Look at all that is in flight; yields where others should have their turn.

        The first look finds only where everything stands: what came before it belongs to no window.
        """
        if self._since_ns is None:
            self._since_ns = self._clock_ns()
        flight = list(self._underway)
        for first in range(0, len(flight), AT_ONCE):
            since_ns = self._cpu_ns()
            for each in flight[first : first + AT_ONCE]:
                if each in self._underway:
                    self._look_at(each)
            self.spent(self._cpu_ns() - since_ns)
            yield

    def take(self) -> LivePart:
        """What the looks and the ends since the last time have found."""
        since_ns, part, self._part = self._cpu_ns(), self._part, LivePart()
        self._gaps.take_into(part.gap_ns)
        self._token_gaps.take_into(part.itl_ns)
        now_ns = self._clock_ns()
        part.since_ns = now_ns if self._taken_ns is None else self._taken_ns
        self._taken_ns = part.at_ns = now_ns
        for gone in [each for each in self._states if each not in self._underway]:
            del self._states[gone]
        self._survey(part, now_ns)
        for places, (events, tokens) in self._moved.items():
            for dimension, value in places:
                traffic = part.traffic(dimension, value)
                traffic.events += events
                traffic.tokens += tokens
        self._moved.clear()
        part.cpu_ns += self._cpu_ns() - since_ns
        part.dearest_ns = part.cpu_ns
        return part

    def _survey(self, part: LivePart, now_ns: int) -> None:
        """What is so now."""
        rates: list[int] = []
        rows: list[tuple[tuple[int, float], int, LiveState]] = []
        for number, state in enumerate(self._states.values()):
            tps = state.tps
            if tps is not None:
                rates.append(round(tps * _MICRO))
            if state.told:
                part.open_tokens += state.tokens
            elif state.events:
                part.open_events += state.tokens
            else:
                part.waiting += 1
            rows.append((slowness(state.idle_ns(now_ns) / NS_PER_S, tps), number, state))
        part.tps_now_micro.add_all(rates)
        for places, requests in Counter([state.places() for state in self._states.values()]).items():
            for dimension, value in places:
                part.traffic(dimension, value).in_flight += requests
        part.in_flight, part.processes = len(self._states), 1
        part.streams = [state.row(now_ns) for _, _, state in nsmallest(MOST_STREAMS, rows)]

    def spent(self, cpu_ns: int) -> None:
        """Being watched has cost this process so much."""
        self._part.cpu_ns += cpu_ns

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
            part.tps_micro.add(round(tps * _MICRO))

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

    def _met(self, who: Who) -> LiveState:
        state = LiveState(who)
        state.is_old = self._since_ns is None or who.started_ns < self._since_ns
        self._part.started += not state.is_old
        return state

    def _count(self, state: LiveState, times_ns: "array[int]", tokens: Sequence[int] | None) -> None:
        """Take in the events since the last look; `tokens`: of each event from the first on."""
        seen, events = state.events, len(times_ns)
        if events == seen:
            state.is_old = False
            return
        if not seen:
            state.first_ns, state.base = times_ns[0], tokens[0] if tokens is not None else 1
        state.events, state.last_ns, state.told = events, times_ns[events - 1], tokens is not None
        state.tokens += events - seen if tokens is None else sum(tokens[seen:events])
        if state.is_old:  # where it stood when the looking began
            state.is_old = False
            return
        if not seen and state.sent_ns is not None:
            self._part.ttft_ns.add(times_ns[0] - state.sent_ns)
        if tokens is None:
            self._gaps.add(times_ns, max(seen, 1), events)
            self._add(state, events - seen, 0)
        else:
            self._part.told_events += events - seen
            self._add_itl(times_ns, tokens[max(seen, 1) : events], events)
            self._add(state, 0, sum(tokens[seen:events]))

    def _add_itl(self, times_ns: "array[int]", tokens: Sequence[int], last: int) -> None:
        """As `formulas.itl_us`: k tokens after a gap g are k times g/k; an event without tokens lends its gap on.

        tokens: of the events before `last`, one each.
        """
        first = last - len(tokens)
        if tokens.count(1) == len(tokens):
            self._token_gaps.add(times_ns, first, last)
            return
        lent_ns = 0
        for gap_ns, count in zip(map(sub, times_ns[first:last], times_ns[first - 1 : last - 1]), tokens, strict=True):
            if count:
                self._part.itl_ns.add((gap_ns + lent_ns) // count, count)
            lent_ns = 0 if count else lent_ns + gap_ns

    def _add(self, state: LiveState, events: int, tokens: int) -> None:
        self._part.events += events
        self._part.tokens += tokens
        moved = self._moved.setdefault(state.places(), [0, 0])
        moved[0] += events
        moved[1] += tokens
