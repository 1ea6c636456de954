"""Live and virtual time are one model: the live engines on a clock of the test's plan what virtual time says."""

import heapq
from collections.abc import Callable
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_MS, VirtualClock
from imaxproxy.sim import Engine, Stream, VirtualCluster, VirtualStream, assemble, parse_args
from imaxproxy.sim.assembly import Assembly
from imaxproxy.sim.cluster import Cluster

B200 = ("--gpu", "b200", "--no-prefix-caching")
LAYOUTS = [
    (),
    ("--max-num-seqs", "4"),
    ("--replicas", "2"),
    ("--prefill-workers", "1", "--decode-workers", "2"),
    ("--acceptance", "0.8,0.5"),
]
Asked = tuple[int, int, int]
"""(arrival ns, prompt tokens, output tokens)."""


class Bell:
    """A timer of the engine's, on the test's heap."""

    def __init__(self, bells: "Bells", ring: Callable[[], None]) -> None:
        self.due_ns: int | None = None
        self.ring = ring
        self._bells = bells

    def set(self, due_ns: int) -> None:
        self.due_ns = due_ns
        self._bells.add(due_ns, self._at(due_ns))

    def clear(self) -> None:
        self.due_ns = None

    def _at(self, due_ns: int) -> Callable[[], None]:
        return lambda: self.ring() if self.due_ns == due_ns else None


class Bells:
    """What happens when; the clock jumps there."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock, self._heap, self._count = clock, list[tuple[int, int, Callable[[], None]]](), 0

    def add(self, at_ns: int, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (at_ns, self._count, act))

    def run(self) -> None:
        while self._heap:
            at_ns, _, act = heapq.heappop(self._heap)
            self._clock.advance(max(0, at_ns - self._clock()))
            act()


def live(parts: Assembly, asked: list[Asked]) -> list[list[int]]:
    """Planned times of each request's tokens, by the live engine."""
    clock = VirtualClock()
    bells = Bells(clock)

    def engine(worker: object) -> Engine:
        made = Engine(worker.scheduler, worker.pace, clock)  # type: ignore[attr-defined]
        made.timer = Bell(bells, made.ring)
        return made

    cluster = Cluster(
        [engine(worker) for worker in parts.workers],
        [engine(worker) for worker in parts.prefill_workers],
        parts.transfer_ns_per_token,
    )
    times: list[list[int]] = [[] for _ in asked]

    def submit(number: int) -> Callable[[], None]:
        at_ns, prompt, output = asked[number]

        def on_tokens(planned_ns: int, tokens: int) -> None:
            times[number] += [planned_ns] * tokens
            if len(times[number]) >= output:
                bells.add(planned_ns, lambda: cluster.cancel(stream))

        stream = Stream(prompt, output, on_tokens=on_tokens)
        return lambda: cluster.submit(stream, at_ns)

    for number, (at_ns, _, _) in enumerate(asked):
        bells.add(at_ns, submit(number))
    bells.run()
    return times


def virtual(parts: Assembly, asked: list[Asked]) -> list[list[int]]:
    """The same, in virtual time."""
    times: dict[object, list[int]] = {}

    def on_done(stream: VirtualStream, _now_ns: int) -> None:
        at_ns, counts = stream.token_times_ns()
        times[stream.key] = [time_ns for time_ns, tokens in zip(at_ns, counts, strict=True) for _ in range(tokens)]

    cluster = VirtualCluster(parts, on_done)
    for number, (at_ns, prompt, output) in enumerate(asked):
        while cluster.next_ns is not None and cluster.next_ns < at_ns:
            cluster.advance()
        cluster.submit(VirtualStream(number, at_ns, prompt, output), at_ns)
    while cluster.next_ns is not None:
        cluster.advance()
    return [times[number] for number in range(len(asked))]


def figures(asked: list[Asked], times: list[list[int]]) -> tuple[float, float, float]:
    """Mean TTFT, mean TPOT, output tokens/s."""
    ttfts = [found[0] - at_ns for (at_ns, _, _), found in zip(asked, times, strict=True)]
    tpots = [(found[-1] - found[0]) / (len(found) - 1) for found in times if len(found) > 1]
    span_ns = max(found[-1] for found in times) - asked[0][0]
    return fmean(ttfts), fmean(tpots) if tpots else 0.0, sum(map(len, times)) / span_ns


@pytest.mark.parametrize("layout", LAYOUTS)
@given(
    requests=st.lists(st.tuples(st.floats(0, 40), st.integers(1, 12_000), st.integers(1, 300)), min_size=1, max_size=25)
)
@settings(max_examples=12, deadline=None)
def test_live_and_virtual_time_agree(layout: tuple[str, ...], requests: list[tuple[float, int, int]]) -> None:
    asked, at_ms = list[Asked](), 0.0
    for gap_ms, prompt, output in requests:
        at_ms += gap_ms
        asked.append((round(at_ms * NS_PER_MS), prompt, output))
    args = parse_args([*B200, *layout])
    planned, simulated = live(assemble(args), asked), virtual(assemble(args), asked)
    assert [len(times) for times in planned] == [output for _, _, output in asked] == [len(one) for one in simulated]
    for ours, theirs in zip(figures(asked, planned), figures(asked, simulated), strict=True):
        assert theirs == pytest.approx(ours, rel=0.03)
    if not layout:  # one engine: every token, but for the line between a run's first step and its last
        for one, other in zip(planned, simulated, strict=True):
            assert other == pytest.approx(one, rel=0.002, abs=NS_PER_MS // 10)
