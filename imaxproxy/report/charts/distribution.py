"""Latencies by percentile, as HDR plots have them: each nine takes the same width, so that the tail can be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from imaxproxy.report.charts.frontier import legend_beside, plain_numbers
from imaxproxy.report.charts.style import label_of, look_of
from imaxproxy.report.content import PERCENTILES

_TICKS = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
_LOG_FROM = 25.0


@dataclass(frozen=True, slots=True)
class Tail:
    """One run's values in ms at PERCENTILES, as far as its count of values reaches; the last one is its maximum."""

    name: str
    simulated: bool
    values_ms: Sequence[float]

    def at(self) -> list[float]:
        """Where each value stands: 1 / (1 - percentile / 100). The maximum stands where the next one would."""
        return [width_of(percentile) for percentile in PERCENTILES[: len(self.values_ms)]]


def width_of(percentile: float) -> float:
    """1 at 0 %, 10 at 90 %, 100 at 99 %: drawn on a logarithmic axis each nine is as wide as the last."""
    return 100.0 / max(100.0 - percentile, 1e-5)


def draw_distribution(figure: Any, tails: Sequence[Tail], metric: str) -> None:  # noqa: ANN401 (matplotlib's figure)
    """metric: what people call it, `TTFT`. Raises ValueError without a tail."""
    if not tails:
        raise ValueError("a distribution needs a run")
    axes = figure.subplots()
    for place, tail in zip(count(), tails):
        look = look_of(place, simulated=tail.simulated, published=False)
        label = label_of(tail.name, simulated=tail.simulated)
        axes.plot(tail.at(), tail.values_ms, drawstyle="default", label=label, **look.line)
        axes.plot(tail.at()[-1:], tail.values_ms[-1:], markersize=6, **look.points)
    widest = max(tail.at()[-1] for tail in tails)
    axes.set_xscale("log")
    axes.set_xlim(1, widest * 1.25)
    ticks = [percentile for percentile in _TICKS if width_of(percentile) <= widest * 1.25]
    axes.set_xticks([width_of(percentile) for percentile in ticks], [f"{percentile:g}" for percentile in ticks])
    axes.xaxis.minorticks_off()
    axes.set_xlabel("percentile of requests" if metric in ("TTFT", "E2E", "TPOT") else "percentile")
    axes.set_ylabel(f"{metric}, ms  (lower is better)")
    known = [value for tail in tails for value in tail.values_ms]
    positive = [value for value in known if value > 0]
    if positive and len(positive) == len(known) and max(known) / min(known) > _LOG_FROM:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, max(known) * 1.08 or 1)
    plain_numbers(axes.yaxis)
    legend_beside(figure, axes)
