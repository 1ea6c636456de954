import pytest
from matplotlib.figure import Figure

from imaxproxy.report.charts.distribution import Tail, draw_distribution, width_of
from imaxproxy.report.content import PERCENTILES


def test_each_nine_is_as_wide_as_the_last() -> None:
    assert [round(width_of(percentile), 6) for percentile in (0, 90, 99, 99.9)] == [1, 10, 100, 1000]


def test_a_line_goes_as_far_as_its_run_reaches() -> None:
    short, long = list(range(1, 15)), [10.0] * 25
    figure = Figure()
    draw_distribution(figure, [Tail("a", False, short), Tail("b", True, long)], "TTFT")
    axes = figure.axes[0]
    a, end_of_a, b, _ = axes.lines
    assert list(a.get_ydata()) == short
    assert a.get_xdata()[-1] == end_of_a.get_xdata()[0] == pytest.approx(width_of(PERCENTILES[13]))
    assert len(b.get_xdata()) == 25
    assert axes.get_legend_handles_labels()[1] == ["a", "b (simulated)"]
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["0", "50", "90", "99"]
    assert "TTFT, ms" in axes.get_ylabel()


def test_without_a_run_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="a distribution needs a run"):
        draw_distribution(Figure(), [], "TTFT")
