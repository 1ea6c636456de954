import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs.made_run import EXCHANGES, ZERO_NS, answered, make_run, refused, steady_power

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Window
from imaxproxy.report.content.timeline import Overlaps, TimelineBuilder, power_of, step_s
from imaxproxy.runs import RunDirectory

TWO_S = Window(ZERO_NS, ZERO_NS + 2 * NS_PER_S)


@pytest.mark.parametrize(
    ("duration_s", "wanted"), [(0, 0.01), (2.4, 0.01), (2.5, 0.02), (240, 1), (241, 2), (1200, 5), (2400, 10)]
)
def test_a_step_is_round_and_there_are_few_enough(duration_s: float, wanted: float) -> None:
    assert step_s(duration_s, 240) == pytest.approx(wanted)


def test_requests_and_tokens_stand_where_they_came() -> None:
    builder = TimelineBuilder(Window(ZERO_NS, ZERO_NS + 4 * NS_PER_S), most_steps=4)  # steps of 1 s
    builder.add(answered(0.5, [700, 700]))  # tokens at 0.6, 1.3 and 2.0 s
    builder.add(refused(3.0))
    found = builder.close()
    assert found.step_s == 1
    assert found.arrivals_per_s == [1, 0, 0, 1]
    assert found.failures_per_s == [0, 0, 0, 1]
    assert found.output_tokens_per_s == [1, 1, 1, 0]
    assert found.in_flight == pytest.approx([0.5, 1, 0.001, 0.005])
    assert found.waiting == pytest.approx([0.1, 0, 0, 0.005])
    assert found.tokens_known


@given(st.lists(st.tuples(st.floats(0, 1.9), st.lists(st.floats(0, 300), max_size=8)), min_size=1, max_size=8))
def test_nothing_is_lost_between_the_steps(made: list[tuple[float, list[float]]]) -> None:
    exchanges = [answered(at, gaps, ttft_ms=1) for at, gaps in made]
    end_ns = max(each.ended_ns for each in exchanges) + 1
    builder = TimelineBuilder(Window(ZERO_NS, max(end_ns, TWO_S.end_ns)), most_steps=7)
    for exchange in exchanges:
        builder.add(exchange)
    found = builder.close()
    edges_ns = builder.edges_ns
    lengths_s = [(b - a) / NS_PER_S for a, b in itertools.pairwise(edges_ns)]
    tokens = sum(rate * length for rate, length in zip(found.output_tokens_per_s, lengths_s, strict=True))
    assert tokens == pytest.approx(sum(len(gaps) + 1 for _, gaps in made))
    busy_s = sum(each.ended_ns - (each.ask.sent_ns or 0) for each in exchanges) / NS_PER_S
    in_flight_s = sum(mean * length for mean, length in zip(found.in_flight, lengths_s, strict=True))
    assert in_flight_s == pytest.approx(busy_s)


def test_overlaps_are_cut_at_the_ends() -> None:
    overlaps = Overlaps([0, 10, 20, 25])
    overlaps.add(-5, 5)
    overlaps.add(10, 100)
    overlaps.add(30, 40)
    assert overlaps.means() == [0.5, 1, 1]


def test_watts_are_those_of_the_samples(tmp_path: Path) -> None:
    record = make_run(tmp_path / "a", EXCHANGES, power=steady_power((400.0, 600.0), every_s=0.1))
    edges_ns = [ZERO_NS + round(at * NS_PER_S) for at in (0, 0.5, 1, 1.5)]
    watts, why = power_of(record.directory, edges_ns)
    assert why is None
    assert watts == pytest.approx([1000, 1000, 1000], rel=1e-3)
    nothing, why = power_of(make_run(tmp_path / "b").directory, edges_ns)
    assert (nothing, why) == (None, "power was not measured")
    record.directory.power.write_text("{}\n{}\n")
    nothing, why = power_of(RunDirectory(tmp_path / "a"), edges_ns)
    assert nothing is None
    assert "power.jsonl" in (why or "")
