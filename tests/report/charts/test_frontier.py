from typing import Any

import pytest
from matplotlib.figure import Figure

from imaxproxy.economics import Spot
from imaxproxy.metrics import t_interval
from imaxproxy.report.charts.frontier import Series, axis_title, draw_frontier, series_of
from imaxproxy.report.content import MEASURED, PUBLISHED, SIMULATED, OperatingPoint
from imaxproxy.runs.axes import AXES


def point(machine: str, kind: str, x: float, y: float, **more: Any) -> OperatingPoint:  # noqa: ANN401
    values = {"interactivity": t_interval([x]), "total_per_gpu": t_interval([y])}
    return OperatingPoint(machine, {}, kind, kind == SIMULATED, f"concurrency {x:g}", values, {}, **more)


def series(name: str, *spots: tuple[float, float], simulated: bool = False, published: bool = False) -> Series:
    return Series(
        name,
        simulated,
        published,
        tuple(Spot(t_interval([x]), t_interval([y]), f"concurrency {x:g}") for x, y in spots),
    )


def drawn(*found: Series, x: str = "interactivity", y: str = "total_per_gpu") -> Any:  # noqa: ANN401 (matplotlib's)
    figure = Figure()
    draw_frontier(figure, found, x, y)
    return figure.axes[0]


def test_points_become_series_by_machine() -> None:
    points = [
        point("b200", SIMULATED, 20, 300),
        point("b200", SIMULATED, 40, 200),
        point("h200", MEASURED, 20, 100),
        point("b200 [InferenceX]", PUBLISHED, 30, 250),
        OperatingPoint("gb200", {}, MEASURED, False, "rate 1", {"interactivity": t_interval([1.0])}, {}),
    ]
    found = series_of(points, "interactivity", "total_per_gpu")
    assert [(one.name, one.simulated, one.published, len(one.spots)) for one in found] == [
        ("b200", True, False, 2), ("h200", False, False, 1), ("b200 [InferenceX]", False, True, 1),
    ]  # fmt: skip


def test_the_curve_goes_through_the_frontier_and_beaten_points_are_pale() -> None:
    axes = drawn(series("b200", (20, 300), (30, 100), (40, 200)))
    curve, beaten, best = axes.lines[:3]
    assert (curve.get_xdata()[0], curve.get_xdata()[-1]) == (20, 40)
    assert (list(beaten.get_xdata()), list(best.get_xdata())) == ([30], [20, 40])
    assert beaten.get_alpha() < 1 == best.get_alpha()
    assert sorted(text.get_text() for text in axes.texts) == ["c20", "c40"]


def test_a_simulated_machine_is_dashed_hollow_and_named_so() -> None:
    axes = drawn(series("m b200", (20, 300), (40, 200)), series("m h200", (20, 100), (40, 50), simulated=True))
    handles, labels = axes.get_legend_handles_labels()
    assert labels == ["b200", "h200 (simulated)"]
    assert [handle.get_markerfacecolor() for handle in handles][1] == "white"
    assert handles[0].get_linestyle() == "-"
    assert handles[1].get_linestyle() == "--"


@pytest.mark.parametrize(("ys", "scale"), [((100, 50), "linear"), ((1000, 10), "log")])
def test_a_wide_span_is_logarithmic(ys: tuple[float, float], scale: str) -> None:
    axes = drawn(series("b200", (20, ys[0]), (40, ys[1])))
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", scale)


def test_repeats_have_error_bars() -> None:
    twice = Spot(t_interval([19, 21]), t_interval([290, 310]), "concurrency 4")
    assert len(drawn(Series("b200", False, False, (twice,))).containers) == 1
    assert not drawn(series("b200", (20, 300))).containers


def test_axes_say_what_they_are_and_which_way_is_better() -> None:
    assert axis_title(AXES["ttft_p99"][0]) == "TTFT p99, ms  (lower is better)"
    assert axis_title(AXES["interactivity"][0]) == "Interactivity: tokens/s/user, 1/TPOT p50  (higher is better)"
    with pytest.raises(ValueError, match="a frontier needs a series"):
        drawn()
