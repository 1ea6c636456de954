from dataclasses import replace

from matplotlib.figure import Figure

from imaxproxy.report.charts.timeline import draw_timeline
from imaxproxy.report.content import RunTimeline

TIMELINE = RunTimeline(
    step_s=1.0, duration_s=2.5, arrivals_per_s=[2.0, 1.0, 0.0], failures_per_s=[0.0, 0.0, 0.0],
    in_flight=[1.0, 2.0, 1.0], waiting=[0.5, 0.0, 0.0], output_tokens_per_s=[10.0, 20.0, 5.0],
    power_w=[300.0, 400.0, 90.0], why_no_power=None, tokens_known=True,
)  # fmt: skip


def drawn(timeline: RunTimeline) -> Figure:
    figure = Figure()
    draw_timeline(figure, timeline, {"warmup": (0.0, 0.5), "steady": (0.5, 2.0), "drain": (2.0, 2.5)})
    return figure


def test_panels_lie_on_one_clock_and_the_last_step_is_cut() -> None:
    figure = drawn(TIMELINE)
    assert [axes.get_ylabel() for axes in figure.axes] == ["requests/s", "in flight", "output tokens/s", "W, boards"]
    steps = figure.axes[3].patches[-1].get_data()
    assert (list(steps.values), list(steps.edges)) == ([300.0, 400.0, 90.0], [0.0, 1.0, 2.0, 2.5])
    assert [text.get_text() for text in figure.axes[0].texts] == ["warmup", "drain"]


def test_what_is_not_known_or_never_was_is_not_drawn() -> None:
    figure = drawn(replace(TIMELINE, power_w=None, tokens_known=False))
    assert [axes.get_ylabel() for axes in figure.axes] == ["requests/s", "in flight"]
    assert figure.axes[0].get_legend() is None  # no failures
    failing = drawn(replace(TIMELINE, failures_per_s=[0.0, 1.0, 0.0]))
    assert [text.get_text() for text in failing.axes[0].get_legend().get_texts()] == ["sent", "failed"]
