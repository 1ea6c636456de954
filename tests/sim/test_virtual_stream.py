from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.sim import Cutter, Patience, VirtualStream
from imaxproxy.sim.scheduler import Step
from imaxproxy.sim.virtual_stream import Run


@st.composite
def runs(draw: st.DrawFn) -> Run:
    return Run(
        Step(),
        draw(st.integers(0, 10**12)),
        draw(st.floats(1e5, 1e8)),
        draw(st.floats(0, 1e4)),
        draw(st.integers(1, 400)),
    )


@given(runs())
def test_each_step_is_longer_than_the_one_before(run: Run) -> None:
    times_ns = [run.start_ns, *run.times_ns()]
    assert len(times_ns) == run.steps + 1
    assert times_ns[-1] == run.end_ns
    gaps = [after - before for before, after in pairwise(times_ns)]
    assert all(after >= before - 1 for before, after in pairwise(gaps))  # 1 ns of rounding
    assert gaps[0] == pytest.approx(run.first_ns, abs=1)


@given(runs(), st.floats(0, 1.2))
def test_a_run_is_cut_where_the_step_under_way_ends(run: Run, share: float) -> None:
    at_ns = run.start_ns + round(share * (run.end_ns - run.start_ns))
    steps, times_ns = run.steps_until(at_ns), run.times_ns()
    near_ns = 2 + run.step_ns_at(at_ns) / 1e6  # a millionth of a step late is still in it
    assert steps == run.steps or times_ns[steps - 1] >= at_ns - near_ns
    assert steps == 1 or times_ns[steps - 2] < at_ns + 2
    seen = run.until(at_ns)
    ended = sum(time_ns <= at_ns for time_ns in times_ns)
    assert abs((seen.steps if seen else 0) - ended) <= (times_ns.count(at_ns) > 0)
    assert run.step_ns_at(at_ns) == pytest.approx(run.first_ns + run.slope_ns * (steps - 1))


def test_a_stream_knows_its_tokens_by_runs_or_by_steps() -> None:
    stream = VirtualStream("key", 0, 10, 5)
    stream.runs += [Run(Step(), 0, 10.0, 0.0, 1), Run(Step(), 10, 5.0, 0.0, 2)]
    assert stream.token_times_ns() == ([10, 15, 20], [1, 1, 1])
    stream.steps += [(30, 2), (40, 1)]
    assert stream.token_times_ns() == ([30, 40], [2, 1])


@given(
    events=st.integers(1, 30),
    output_tokens=st.integers(1, 60),
    reasoning_tokens=st.integers(0, 20),
    interval=st.integers(1, 7),
)
def test_patience_ends_with_the_event_whoever_counts(
    events: int, output_tokens: int, reasoning_tokens: int, interval: int
) -> None:
    cutter = Cutter(output_tokens, min(reasoning_tokens, output_tokens - 1), interval)
    ahead, seen, last = cutter.copy(), 0, output_tokens
    for emitted in range(1, output_tokens + 1):
        if emitted >= ahead.due_tokens and not ahead.is_over:
            ahead.cut(emitted)
            seen += 1
            if seen == events:
                last = emitted
                break
    patience = Patience(events, cutter)
    assert patience.last_token == last
    if seen == events:
        counting = Patience(events, cutter.copy())
        ends = [token for token in range(1, last + 1) if counting.has_ended(token, one_by_one=False)]
        assert ends == [last]
