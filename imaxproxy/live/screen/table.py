"""A table that drops its less important columns where there is no room for all."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.box import fitted, joined

_GAP = 2
_READABLE = 12
"""Cells of a name that most people know it by."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `keep` says how early it goes when there is no room: the highest first."""

    title: str
    width: int
    keep: int
    right: bool = True
    grows: bool = False
    """Takes a share of what is left over, up to `most` cells."""
    most: int = 40


def table(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int, *, sorted_by: str = "") -> list[Text]:
    """Heading and rows, each at most `width` cells; the column that the rows are sorted by is marked.

    A column of names in which nothing stands is left out.
    """
    longest = [_longest(rows, index) for index in range(len(columns))]
    kept = _that_fit(columns, longest, width)
    widths = _widths([columns[index] for index in kept], [longest[index] for index in kept], width)
    heads = [_heading(columns[index], sorted_by) for index in kept]
    lines = [heads, *([row[index] for index in kept] for row in rows)]
    rights = [columns[index].right for index in kept]
    return [_line(line, widths, rights) for line in lines]


def _line(cells: Sequence[Text], widths: Sequence[int], rights: Sequence[bool]) -> Text:
    fit = [fitted(cell, width, right=right) for cell, width, right in zip(cells, widths, rights, strict=True)]
    return joined(part for index, cell in enumerate(fit) for part in ((" " * _GAP, cell) if index else (cell,)))


def _heading(column: Column, sorted_by: str) -> Text:
    if column.title and column.title == sorted_by:
        return Text(column.title, style=f"{theme.LABEL} underline")
    return Text(column.title, style=theme.LABEL)


def _longest(rows: Sequence[Sequence[Text]], index: int) -> int:
    return max((row[index].cell_len for row in rows), default=0)


def _that_fit(columns: Sequence[Column], longest: Sequence[int], width: int) -> list[int]:
    """The most important ones. One that grows has room for a readable name before a lesser one comes in beside it."""
    chosen: list[int] = []
    left = width + _GAP
    for index in sorted(range(len(columns)), key=lambda index: columns[index].keep):
        column = columns[index]
        if column.grows and not longest[index] and any(longest):
            continue
        if column.width + _GAP <= left:
            chosen.append(index)
            wished = max(column.width, min(longest[index], column.most, _READABLE)) if column.grows else column.width
            left -= min(wished + _GAP, left)
    return sorted(chosen)


def _widths(columns: Sequence[Column], longest: Sequence[int], width: int) -> list[int]:
    """Columns that grow take what is left over, as far as anything in them is longer."""
    widths = [column.width for column in columns]
    left = width - sum(widths) - _GAP * (len(widths) - 1)
    growing = [index for index, column in enumerate(columns) if column.grows]
    while left > 0 and growing:
        growing = [index for index in growing if widths[index] < min(longest[index], columns[index].most)]
        for index in growing[:left]:
            widths[index] += 1
            left -= 1
    return widths
