"""InferenceX's iso-interactivity tables from the points that it published beside them; the rules of a frontier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.economics import Axis, Frontier, Spot, iso_table, load_price, usd_per_million_tokens
from imaxproxy.metrics import Interval, t_interval

SPEED = Axis("interactivity", "tokens/s/user")
RATE = Axis("throughput", "tokens/s/GPU")
COST = Axis("cost", "USD/M", higher_is_better=False, is_inverse=True)
LATENCY = Axis("TTFT", "ms", higher_is_better=False)

# DeepSeek R1 FP4 1k/1k, Dynamo TRT-LLM with MTP, disaggregated; InferenceX-app, post of 2026-05-23:
# tokens/s/user, tokens/s/GPU
GB200 = [
    (286.40, 60.7), (272.64, 111.8), (257.11, 165.2), (222.28, 274.8), (207.30, 363.3), (164.37, 1_149.1),
    (90.99, 7_698.0), (43.29, 12_659.7), (17.82, 14_659.4),
]  # fmt: skip
B200 = [
    (309.17, 49.3), (277.39, 118.7), (261.09, 168.9), (224.59, 242.4), (191.18, 369.9), (150.56, 577.3),
    (126.42, 897.9), (101.79, 2_832.9), (74.04, 7_111.4), (56.35, 9_660.7), (21.34, 12_515.7),
]  # fmt: skip
ISO = [
    (25, 14_125, 12_292), (45, 12_508, 10_853), (60, 11_017, 9_185), (75, 9_379, 6_968), (90, 7_796, 4_512),
    (100, 6_781, 3_047), (125, 4_130, 941), (150, 1_922, 583), (175, 826, 429), (200, 432, 332), (225, 262, 241),
    (250, 186, 193), (275, 103, 126), (300, None, 67),
]  # fmt: skip
# DeepSeek V4 Pro FP4 8k/1k, Dynamo vLLM, post of 2026-05-26; one point of each is beaten by another
GB200_V4 = [
    (74.13, 32.8), (32.69, 1_613.8), (28.31, 2_004.5), (24.42, 3_148.0), (21.26, 5_336.2), (21.60, 6_036.2),
    (18.51, 8_153.1), (15.26, 8_933.0),
]  # fmt: skip
GB300_V4 = [
    (73.43, 138.8), (36.78, 1_920.0), (25.91, 6_812.0), (17.58, 10_214.0), (14.74, 10_853.1), (13.12, 11_055.6),
]  # fmt: skip
# In print the row of 27.25 is called 27: both of its figures stand at 27.25, and neither at 27.
ISO_V4 = [
    (16, 8_835, 10_608), (18, 8_366, 10_094), (20, 7_283, 9_401), (22, 5_650, 8_562), (25, 2_846, 7_208),
    (27.25, 2_189, 6_182), (28, 2_058, 5_789), (32, 1_661, 3_570), (36, 1_376, 2_036), (50, 649, 941),
]  # fmt: skip


def exact(value: float) -> Interval:
    return t_interval([value])


def frontier(points: list[tuple[float, float]], y_axis: Axis = RATE, x_axis: Axis = SPEED) -> Frontier:
    return Frontier(x_axis, y_axis, [Spot(exact(x), exact(y)) for x, y in points])


@pytest.mark.parametrize(
    ("points", "iso", "column"),
    [(GB200, ISO, 1), (B200, ISO, 2), (GB200_V4, ISO_V4, 1), (GB300_V4, ISO_V4, 2)],
)
def test_throughput_at_the_same_interactivity_is_the_published_one(
    points: list[tuple[float, float]], iso: list[tuple[float | None, ...]], column: int
) -> None:
    """To a token/s, but for what the two digits of the printed interactivity move."""
    curve = frontier(points)
    for row in iso:
        x, published = row[0], row[column]
        assert x is not None
        found = curve.at(x)
        if published is None:
            assert found is None
        else:
            assert found is not None
            assert abs(found.y - published) <= max(1.0, published * 1e-3), (x, found.y, published)


@pytest.mark.parametrize(
    ("x", "gb200_usd", "b200_usd", "ratio"),
    [
        (25, 0.0435, 0.0441, 1.01), (45, 0.0491, 0.0499, 1.02), (60, 0.0557, 0.0590, 1.06), (75, 0.0655, 0.0777, 1.19),
        (100, 0.0905, 0.1778, 1.96), (125, 0.1486, 0.5755, 3.87), (150, 0.3194, 0.9292, 2.91),
        (175, 0.7430, 1.2638, 1.70), (200, 1.4215, 1.6314, 1.15), (225, 2.3450, 2.2454, 0.96),
        (250, 3.2962, 2.8067, 0.85),
    ],
)  # fmt: skip
def test_cost_and_advantage_at_the_same_interactivity(
    x: float, gb200_usd: float, b200_usd: float, ratio: float
) -> None:
    """Cost through the inverse is cost of splined throughput. The post's ratio is how much cheaper GB200 is."""
    cost = {
        name: frontier([(speed, usd(name, rate)) for speed, rate in points], COST)
        for name, points in (("b200", B200), ("gb200", GB200))
    }
    (row,) = iso_table(cost, [x])
    gb200, b200, advantage = row.at["gb200"], row.at["b200"], row.advantage["gb200"]
    assert gb200 is not None
    assert b200 is not None
    assert advantage is not None
    assert gb200.y == pytest.approx(gb200_usd, rel=2e-3)
    assert b200.y == pytest.approx(b200_usd, rel=2e-3)
    assert advantage.y == pytest.approx(ratio, abs=0.01)


def usd(gpu: str, rate: float) -> float:
    found = usd_per_million_tokens(load_price(gpu, "hyperscaler", "A").usd_per_gpu_hour, rate)
    assert found is not None
    return found


def test_what_is_beaten_is_not_on_it() -> None:
    found = frontier(GB200_V4)
    assert [(spot.x.mean, spot.y.mean) for spot in found.dominated] == [(21.26, 5_336.2)]
    assert [spot.x.mean for spot in found.spots] == sorted(x for x, _ in GB200_V4 if x != 21.26)


@pytest.mark.parametrize(
    ("x_axis", "y_axis", "kept"),
    [
        (SPEED, RATE, {(1, 9), (2, 5), (3, 4)}),  # both high
        (LATENCY, RATE, {(1, 9)}),  # low x, high y: one beats all
        (SPEED, COST, {(3, 4)}),
        (LATENCY, COST, {(1, 9), (2, 5), (3, 4)}),
    ],
)
def test_any_two_metrics_whichever_way_they_run(x_axis: Axis, y_axis: Axis, kept: set[tuple[float, float]]) -> None:
    points = [(1.0, 9.0), (2.0, 5.0), (3.0, 4.0), (1.0, 9.0)]
    found = frontier(points, y_axis, x_axis)
    assert {(spot.x.mean, spot.y.mean) for spot in found.spots} == kept
    assert len(found.spots) + len(found.dominated) == len(points)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=40))
def test_no_point_beats_one_that_is_kept_and_each_other_is_beaten(points: list[tuple[int, int]]) -> None:
    found = frontier([(float(x), float(y)) for x, y in points])
    kept = {(spot.x.mean, spot.y.mean) for spot in found.spots}
    for x, y in kept:
        assert not any((a >= x and b >= y) and (a > x or b > y) for a, b in points)
    for x, y in points:
        assert (x, y) in kept or any(a >= x and b >= y for a, b in kept)


def test_repeats_give_error_bars() -> None:
    def spot(x: float, *rates: float) -> Spot:
        return Spot(exact(x), t_interval(rates))

    found = Frontier(SPEED, RATE, [spot(10, 95, 100, 105), spot(20, 48, 50, 52), spot(40, 9, 10, 11)])
    at = found.at(20)
    assert at is not None
    half = 4.303 * 2 / 3**0.5
    assert (at.y, at.low, at.high) == pytest.approx((50, 50 - half, 50 + half), rel=1e-3)
    between = found.at(15)
    assert between is not None
    assert between.low is not None
    assert between.high is not None
    assert between.low < between.y < between.high
    once = Frontier(SPEED, RATE, [spot(10, 100), spot(20, 48, 50, 52)]).at(15)
    assert once is not None
    assert (once.low, once.high) == (None, None)


def test_an_interval_that_reaches_below_0_has_no_inverse() -> None:
    at = Frontier(SPEED, COST, [Spot(exact(1), t_interval([0.1, 3.0])), Spot(exact(2), t_interval([4.0, 4.1]))]).at(1.5)
    assert at is not None
    assert at.low is None


def test_advantage_is_above_1_where_a_machine_is_better() -> None:
    def machine(rate: float) -> Frontier:
        return Frontier(SPEED, RATE, [Spot(exact(x), t_interval([rate * 0.9, rate * 1.1])) for x in (10.0,)])

    (row,) = iso_table({"old": machine(100), "new": machine(300)}, [10])
    new = row.advantage["new"]
    assert new is not None
    assert new.y == pytest.approx(3)
    assert new.low is None or new.low < 3  # the bounds are the worst of both intervals
    assert row.advantage["old"] is not None
    assert row.advantage["old"].y == 1


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="needs a point"):
        frontier([])
    with pytest.raises(ValueError, match="above 0"):
        frontier([(1.0, 0.0)], COST)
    with pytest.raises(ValueError, match="same two axes"):
        iso_table({"a": frontier(GB200), "b": frontier([(1.0, 1.0)], COST)}, [1])
    assert iso_table({"a": frontier(GB200)}, [1_000])[0].at == {"a": None}
