"""Bars made of block characters: series over time, shares, and histograms."""

from collections.abc import Sequence
from math import ceil

from rich.text import Text

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_STEPS = (1, 2, 3, 4, 5, 6, 10, 15, 30, 60)
LOOK_BACK = 60
"""So many steps of history are shown at least, where there are so many."""


def steps_a_cell(width: int) -> int:
    """How many steps of history one cell stands for, so that LOOK_BACK of them fit."""
    return next((steps for steps in _STEPS if width * steps >= LOOK_BACK), _STEPS[-1])


def binned(values: Sequence[float | None], width: int, *, newest: int) -> list[float | None]:
    """The mean of each cell's steps, newest last, exactly `width` of them.

    newest: the number of the last step since the start. Cells begin at multiples of their steps, so that a step never
    moves from one cell to another while time goes on: the picture would shimmer.
    """
    steps = steps_a_cell(width)
    cells: dict[int, list[float]] = {}
    for back, value in enumerate(reversed(values)):
        if value is not None:
            cells.setdefault((newest - back) // steps, []).append(value)
    last = newest // steps
    means = {cell: sum(found) / len(found) for cell, found in cells.items()}
    return [means.get(cell) for cell in range(last - width + 1, last + 1)]


def columns(values: Sequence[float | None], height: int, style: str, peak: float | None = None) -> list[Text]:
    """One column a value, `height` rows from the top; a value above zero is never invisible."""
    peak = peak or max((value for value in values if value is not None), default=0.0)
    return _drawn([_level(value, peak, height) for value in values], [style] * len(values), height)


def coloured_columns(values: Sequence[float], styles: Sequence[str], height: int) -> list[Text]:
    """As `columns`, each column in its own style."""
    peak = max(values, default=0.0)
    return _drawn([_level(value, peak, height) for value in values], styles, height)


def bar(share: float, width: int, style: str, rest_style: str) -> Text:
    """A share of 1 as a horizontal bar."""
    full, half = divmod(round(min(max(share, 0.0), 1.0) * width * 2), 2)
    text = Text.assemble(("━" * full + "╸" * half, style))
    return text.append("─" * (width - full - half), style=rest_style)


def _drawn(levels: Sequence[int], styles: Sequence[str], height: int) -> list[Text]:
    """Rows from the top. What lies under a column's tip is dim: the eye follows the tips."""
    lines = []
    for row in reversed(range(height)):
        line = Text()
        for level, style in zip(levels, styles, strict=True):
            eighths = min(max(level - 8 * row, 0), 8)
            line.append(_EIGHTHS[eighths], style=f"{style} dim" if level > 8 * (row + 1) else style)
        lines.append(line)
    return lines


def _level(value: float | None, peak: float, height: int) -> int:
    """In eighths of a row. The highest leaves one free, a hairline between it and what stands above."""
    if value is None or value <= 0 or peak <= 0:
        return 0
    return min(max(ceil(value / peak * (height * 8 - 1) - 0.5), 1), height * 8 - 1)
