from typing import Any

import pytest
from matplotlib.figure import Figure

from imaxproxy.report.charts.waterfall import draw_waterfall
from imaxproxy.report.content import Bar, Waterfall


def bar(first_ms: float | None, answer_ms: float | None, outcome: str = "completed") -> Bar:
    facts: dict[str, Any] = dict.fromkeys(
        ("finish_reason", "input_tokens", "cached_tokens", "output_tokens", "tps_per_user", "where")
    )
    return Bar("r", ("evenly",), None, 1000.0, first_ms, answer_ms, 4000.0, outcome, outcome, **facts)


@pytest.mark.parametrize(
    ("first_ms", "answer_ms", "parts"),
    [
        (None, None, {"waiting": (1.0, 3.0)}),  # nothing came
        (2000.0, None, {"waiting": (1.0, 1.0), "reasoning": (2.0, 2.0)}),  # it thought until the end
        (2000.0, 2000.0, {"waiting": (1.0, 1.0), "answer": (2.0, 2.0)}),
        (2000.0, 3000.0, {"waiting": (1.0, 1.0), "reasoning": (2.0, 1.0), "answer": (3.0, 1.0)}),
    ],
)
def test_a_bar_has_the_parts_that_came(
    first_ms: float | None, answer_ms: float | None, parts: dict[str, tuple[float, float]]
) -> None:
    figure = Figure()
    draw_waterfall(figure, Waterfall([bar(first_ms, answer_ms)], 1))
    found = {box.get_label(): (box[0].get_x(), box[0].get_width()) for box in figure.axes[0].containers}
    assert found == parts


def test_what_failed_ends_in_a_cross() -> None:
    figure = Figure()
    draw_waterfall(figure, Waterfall([bar(2000.0, 2000.0), bar(2000.0, 2000.0, "truncated")], 2))
    (crosses,) = figure.axes[0].lines
    assert (list(crosses.get_xdata()), list(crosses.get_ydata())) == ([4.0], [1])
