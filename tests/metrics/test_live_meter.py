"""What a look finds: on a clock that moves when told, over requests that are what the test says."""

from array import array
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_MS, NS_PER_S, VirtualClock
from imaxproxy.metrics import (
    ANSWER,
    Ask,
    CountedBy,
    Exchange,
    Flow,
    LiveMeter,
    LivePart,
    Outcome,
    Timeline,
    Usage,
    Who,
    mark,
    pause_ns,
)
from imaxproxy.metrics.live_meter import AT_ONCE
from imaxproxy.metrics.live_part import MOST_STREAMS

START_NS = 100 * NS_PER_S


class Request:
    """A request in flight whose events the test writes."""

    def __init__(self, name: str, started_ns: int, *, told: bool = False, tags: dict[str, str] | None = None) -> None:
        self.name, self.started_ns, self.tags = name, started_ns, tags
        self.times_ns = array("q")
        self.tokens: array[int] | None = array("i") if told else None
        self.has_head = True

    def event(self, at_ns: int, tokens: int = 1) -> None:
        self.times_ns.append(at_ns)
        if self.tokens is not None:
            self.tokens.append(tokens)

    def who(self) -> Who:
        return Who(self.name, self.started_ns, "engine", "alice", self.tags)

    def flow(self) -> Flow | None:
        return Flow(self.started_ns, self.times_ns, self.tokens, "m") if self.has_head else None

    def exchange(self, ended_ns: int, tokens: int | None = None, outcome: Outcome = Outcome.COMPLETED) -> Exchange:
        told = self.tokens
        marks = [mark(ANSWER, count) for count in (told if told is not None else [1] * len(self.times_ns))]
        return Exchange(
            Ask(self.name, "/v1/chat/completions", self.started_ns, sent_ns=self.started_ns, dialect="chat"),
            outcome,
            ended_ns,
            error=None if outcome is Outcome.COMPLETED else "reset",
            streamed=bool(len(self.times_ns)),
            model="m",
            usage=Usage(7, tokens),
            counted_by=CountedBy.USAGE if told is None else CountedBy.CONTINUOUS_USAGE,
            timeline=Timeline(self.times_ns, marks),
        )


class Scene:
    """A meter, its clock, and what is in flight."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START_NS)
        self.flight: set[Any] = set()
        self.meter = LiveMeter(self.flight, self.clock, cpu_ns=lambda: 0)

    def sent(self, name: str, **how: Any) -> Request:  # noqa: ANN401
        request = Request(name, self.clock(), **how)
        self.flight.add(request)
        return request

    def look(self) -> LivePart:
        list(self.meter.steps())
        return self.meter.take()

    def end(self, request: Request, tokens: int | None = None, outcome: Outcome = Outcome.COMPLETED) -> None:
        self.flight.discard(request)
        self.meter.ended(request, request.exchange(self.clock(), tokens, outcome))


def test_tokens_of_streams_in_flight_count_from_look_to_look() -> None:
    scene = Scene()
    old = Request("old", START_NS - 10)
    old.event(START_NS - 5)
    scene.flight.add(old)
    first = scene.look()
    assert (first.events, first.in_flight, first.since_ns) == (0, 1, START_NS)  # what came before belongs to no window
    scene.clock.advance(NS_PER_S)
    new = scene.sent("new", tags={"team": "a"})
    new.event(scene.clock() + 30 * NS_PER_MS)
    new.event(scene.clock() + 50 * NS_PER_MS)
    old.event(scene.clock() + 5 * NS_PER_MS)
    scene.clock.advance(NS_PER_S)
    part = scene.look()
    assert (part.events, part.started, part.in_flight, part.waiting) == (3, 1, 2, 0)
    assert (part.gap_ns.total, part.gap_ns.sum) == (2, (20 + 1005) * NS_PER_MS + 5)
    assert (part.ttft_ns.total, part.ttft_ns.sum) == (1, 30 * NS_PER_MS)  # that of `old` came before anybody looked
    assert (part.by["model"]["m"].events, part.by["upstream"]["engine"].in_flight) == (3, 2)
    assert part.by["tag"]["team=a"].events == 2
    assert (part.since_ns, part.at_ns) == (START_NS, START_NS + 2 * NS_PER_S)
    again = scene.look()
    assert (again.events, again.ttft_ns.total, again.in_flight) == (0, 0, 2)


def test_an_end_between_two_looks_adds_what_was_not_seen() -> None:
    scene = Scene()
    scene.look()
    request = scene.sent("r")
    request.event(scene.clock() + 10)
    scene.look()
    request.event(scene.clock() + 20)
    request.event(scene.clock() + 40)
    scene.clock.advance(100)
    scene.end(request, tokens=6)
    part = scene.look()
    assert (part.events, part.ended, part.failed, part.in_flight, part.input_tokens) == (2, 1, 0, 0, 7)
    assert part.gap_ns.sum == 30
    assert (part.e2e_ns.total, part.e2e_ns.sum) == (1, 40)
    assert part.tps_micro.total == 1


def test_one_that_begins_and_ends_between_two_looks_is_seen_whole() -> None:
    scene = Scene()
    scene.look()
    request = scene.sent("r")
    for at_ns in (10, 20, 30):
        request.event(scene.clock() + at_ns)
    scene.end(request)
    part = scene.look()
    assert (part.events, part.ttft_ns.sum, part.gap_ns.sum, part.started, part.ended) == (3, 10, 20, 1, 1)


def test_tokens_that_are_told_count_as_told() -> None:
    scene = Scene()
    scene.look()
    request = scene.sent("r", told=True)
    for at_ns, tokens in ((100, 2), (400, 3), (500, 0), (600, 2)):
        request.event(scene.clock() + at_ns, tokens)
    part = scene.look()
    assert (part.events, part.told_events, part.tokens) == (0, 4, 7)
    assert sorted((part.itl_ns.total, part.itl_ns.sum)) == [
        5,
        3 * 100 + 2 * 100,
    ]  # the event without tokens lends its gap
    (row,) = part.streams
    assert (row["tokens"], row["told"], row["state"]) == (7, True, "streaming")


def test_an_answer_that_is_not_streamed_counts_when_it_ends() -> None:
    scene = Scene()
    scene.look()
    request = scene.sent("r")
    request.has_head = False
    scene.clock.advance(NS_PER_S)
    waiting = scene.look()
    assert (waiting.waiting, waiting.streams[0]["state"], waiting.streams[0]["idle_s"]) == (1, "waiting", 1.0)
    scene.end(request, tokens=12)
    part = scene.look()
    assert (part.tokens, part.events, part.ended) == (12, 0, 1)


def test_failures_are_counted_by_name_and_no_e2e_comes_of_them() -> None:
    scene = Scene()
    scene.look()
    request = scene.sent("r")
    request.event(scene.clock() + 5)
    scene.end(request, outcome=Outcome.TRUNCATED)
    part = scene.look()
    assert (part.failed, dict(part.errors), part.e2e_ns.total, part.events) == (1, {"reset": 1}, 0, 1)


def test_what_is_not_measured_is_no_request() -> None:
    scene = Scene()
    scene.look()
    request = Request("r", scene.clock())
    ask = Ask("r", "/v1/models", 0)
    scene.meter.ended(request, Exchange(ask, Outcome.COMPLETED, scene.clock()))
    assert scene.look().ended == 0


def test_the_slowest_streams_are_told_one_by_one() -> None:
    scene = Scene()
    scene.look()
    for number in range(MOST_STREAMS + 20):
        request = scene.sent(f"{number}")
        request.event(scene.clock())
        request.event(scene.clock() + 1_200_000 * (number + 1))
    scene.clock.advance(100 * NS_PER_MS)
    waiting = scene.sent("waits")
    waiting.has_head = False
    scene.clock.advance(5 * NS_PER_S)
    part = scene.look()
    assert (part.in_flight, part.waiting, len(part.streams)) == (MOST_STREAMS + 21, 1, MOST_STREAMS)
    ids = [row["id"] for row in part.streams]
    # Those without a token for 5.1 s, the one of fewest tokens/s first; then those for 5.0 s, of which one has none.
    assert ids[:41] == [str(number) for number in range(40, -1, -1)]
    assert ids[41:] == ["waits", *(str(number) for number in range(69, 61, -1))]


def test_others_have_their_turn_while_many_streams_are_looked_at() -> None:
    scene = Scene()
    scene.look()
    for number in range(5 * AT_ONCE - 1):
        scene.sent(f"{number}").event(scene.clock())
    assert len(list(scene.meter.steps())) == 5
    assert scene.meter.take().events == 5 * AT_ONCE - 1


def test_looks_that_cost_much_come_seldom() -> None:
    assert [pause_ns(cpu_ns) / NS_PER_S for cpu_ns in (0, 8_000_000, 16_000_000, 10**9)] == [1, 1, 2, 10]


def test_what_it_costs_to_be_watched_is_told() -> None:
    ticks = iter(range(0, 10**9, 5))
    meter = LiveMeter(set(), VirtualClock(START_NS), cpu_ns=lambda: next(ticks))
    list(meter.steps())
    meter.spent(100)  # on the page that was made of the last look
    part = meter.take()
    assert (part.cpu_ns, part.processes) == (105, 1)


def test_nothing_is_kept_when_nobody_looks() -> None:
    scene = Scene()
    request = scene.sent("r")
    assert not scene.meter.is_on
    scene.look()
    assert scene.meter.is_on
    scene.meter.stop()
    assert not scene.meter.is_on
    request.event(scene.clock() + 5)
    scene.clock.advance(NS_PER_S)
    part = scene.look()
    assert (part.events, part.since_ns) == (0, scene.clock())


@given(st.lists(st.lists(st.integers(1, 10**9), max_size=30), max_size=6), st.data())
def test_no_event_is_counted_twice_or_lost(streams: list[list[int]], data: st.DataObject) -> None:
    """Whenever the looks come, their events and gaps add up to those of the whole."""
    scene = Scene()
    scene.look()
    whole = LivePart()
    requests = [scene.sent(f"{number}") for number in range(len(streams))]
    left = [list(gaps) for gaps in streams]
    while any(left):
        number = data.draw(st.sampled_from([n for n, gaps in enumerate(left) if gaps]))
        scene.clock.advance(left[number].pop(0))
        requests[number].event(scene.clock())
        if data.draw(st.booleans()):
            whole.merge_counts(scene.look())
    for request in requests:
        scene.end(request)
    whole.merge_counts(scene.look())
    assert whole.events == sum(map(len, streams))
    assert whole.gap_ns.total == sum(max(len(gaps) - 1, 0) for gaps in streams)
    assert whole.gap_ns.sum == sum(r.times_ns[-1] - r.times_ns[0] for r in requests if r.times_ns)
    assert whole.ttft_ns.total == sum(1 for gaps in streams if gaps)


def parts(count: int) -> Sequence[LivePart]:
    found = []
    for number in range(count):
        scene = Scene()
        scene.look()
        request = scene.sent(f"{number}", told=bool(number % 2), tags={"n": str(number)})
        request.event(scene.clock() + 10)
        request.event(scene.clock() + 30 + number)
        scene.clock.advance(100)
        found.append(scene.look())
    return found


def test_parts_of_processes_add_up_and_go_through_json() -> None:
    one, other = parts(2)
    assert LivePart.from_row(one.as_row()) == one
    one.merge(other)
    assert (one.in_flight, one.events, one.told_events, len(one.streams)) == (2, 2, 2, 2)
    assert one.by["client"]["alice"].in_flight == 2
    assert (one.since_ns, one.at_ns) == (START_NS, START_NS + 100)
