"""Joules by integrating watts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_S
from imaxproxy.power.watts import Watts

S = NS_PER_S


def _watts(reads: list[tuple[float, float]], lag_s: float = 0.0) -> Watts:
    channel = Watts(round(lag_s * S))
    for at_s, power_w in reads:
        channel.add(round(at_s * S), power_w)
    return channel


def test_it_integrates_by_trapezoids_also_within_one() -> None:
    channel = _watts([(0, 100), (1, 300), (3, 300)])
    assert channel.between_j(0, 3 * S) == pytest.approx(200 + 600)
    assert channel.between_j(S // 2, S) == pytest.approx(125)
    assert channel.between_j(2 * S, 3 * S) == pytest.approx(300)


def test_a_lag_moves_all_of_it() -> None:
    assert _watts([(0.5, 100), (1.5, 300)], 0.5).between_j(0, S) == pytest.approx(200)


@pytest.mark.parametrize(("begin_s", "end_s"), [(-1, 1), (1, 4), (5, 6)])
def test_what_is_not_bracketed_is_not_known(begin_s: int, end_s: int) -> None:
    assert _watts([(0, 100), (3, 300)]).between_j(begin_s * S, end_s * S) is None


def test_no_reads_say_nothing() -> None:
    assert _watts([]).between_j(0, S) is None
    assert list(_watts([(0, 5), (1, 6)]).within(S // 2, 2 * S)) == [6]


@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.floats(0, 1000)), min_size=2, max_size=30),
    st.floats(0, 1),
    st.floats(0.1, 10),
)
def test_it_adds_up_and_scales(gaps: list[tuple[int, float]], share: float, factor: float) -> None:
    one, many, at_ns = Watts(), Watts(), 0
    for gap_ns, power_w in gaps:
        at_ns += gap_ns
        one.add(at_ns, power_w)
        many.add(at_ns, power_w * factor)
    begin_ns, end_ns = gaps[0][0], at_ns
    middle_ns = round(begin_ns + share * (end_ns - begin_ns))
    whole = one.between_j(begin_ns, end_ns)
    left, right = one.between_j(begin_ns, middle_ns), one.between_j(middle_ns, end_ns)
    assert left is not None
    assert right is not None
    assert whole == pytest.approx(left + right, abs=1e-6)
    assert many.between_j(begin_ns, end_ns) == pytest.approx((whole or 0) * factor, rel=1e-6, abs=1e-9)
