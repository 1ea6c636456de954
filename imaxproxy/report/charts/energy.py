"""Where the joules of a token went, a bar an operating point."""

from collections.abc import Sequence
from typing import Any

from imaxproxy.report.charts.frontier import legend_beside, plain_numbers
from imaxproxy.report.charts.style import COLOURS
from imaxproxy.report.content import PARTS, EnergyStack

_COLOURS = dict(zip(PARTS, ("#c9ced6", COLOURS[0], COLOURS[5], COLOURS[2], "#e3d9b0"), strict=True))
_NAMES = {"reasoning": "decode: reasoning", "answer": "decode: answer", "unattributed": "no request under way"}
_UPRIGHT = 4
"""Bars whose names have room beside each other; fewer are drawn no wider."""
_WITHIN = 0.06
"""A part of the tallest bar that is as high has room for its figure."""


def draw_energy(figure: Any, bars: Sequence[tuple[str, bool, EnergyStack]]) -> None:  # noqa: ANN401 (matplotlib's)
    """bars: what each is called, whether it is simulated, and its parts. Raises ValueError without one."""
    if not bars:
        raise ValueError("an energy chart needs a bar")
    axes = figure.subplots()
    places = range(len(bars))
    base = [0.0] * len(bars)
    tallest = max(stack.total for _, _, stack in bars)
    for part in PARTS:
        heights = [stack.parts.get(part, 0.0) for _, _, stack in bars]
        if not any(heights):
            continue
        drawn = axes.bar(
            places, heights, bottom=base, width=0.66, color=_COLOURS[part], label=_NAMES.get(part, part),
            edgecolor="white", linewidth=0.8,
        )  # fmt: skip
        for (_, simulated, _), patch in zip(bars, drawn, strict=True):
            patch.set_hatch("///" if simulated else None)
        for place, (height, below) in enumerate(zip(heights, base, strict=True)):
            if height > tallest * _WITHIN and len(bars) <= 16:
                axes.text(
                    place, below + height / 2, f"{height:.3g}", ha="center", va="center", fontsize=8,
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
                )  # fmt: skip
        base = [below + height for below, height in zip(base, heights, strict=True)]
    turned = {"rotation": 30, "ha": "right"} if len(bars) > _UPRIGHT else {}
    axes.set_xticks(list(places), [name for name, _, _ in bars], **turned)
    spare = max(0.0, (_UPRIGHT - len(bars)) / 2)
    axes.set_xlim(-0.6 - spare, len(bars) - 0.4 + spare)
    axes.set_ylabel("J/output token of the boards  (lower is better)")
    axes.grid(axis="x", visible=False)
    plain_numbers(axes.yaxis)
    legend_beside(figure, axes)
