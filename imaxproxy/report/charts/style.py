"""How pictures look: colours that colour-blind people tell apart, and what is simulated unlike what is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

INK, MUTED, GRID = "#1b1f24", "#5b6470", "#dde1e6"
SIMULATED_INK = "#b0179b"
"""Of the mark alone, and of no curve."""
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#8c6d00", "#56b4e9"),
    *("#7f3c8d", "#444444", "#cc79a7", "#117733", "#a6761d"),
)
"""Okabe and Ito's with their yellow darkened to be read on white, and some between them."""
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "p")
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 9.5,
    "svg.fonttype": "none",  # text stays text: a third of the size, and it can be searched
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True, slots=True)
class Look:
    """Of one series: matplotlib's arguments for its line and its points."""

    colour: str
    shape: str
    dashes: Any
    is_hollow: bool

    @property
    def points(self) -> dict[str, Any]:
        face = "white" if self.is_hollow else self.colour
        return {"color": self.colour, "marker": self.shape, "markerfacecolor": face, "markeredgewidth": 1.5}

    @property
    def line(self) -> dict[str, Any]:
        return {"color": self.colour, "linestyle": self.dashes, "linewidth": 1.8}


def look_of(place: int, *, simulated: bool, published: bool) -> Look:
    """Of the series at that place in the legend. Measured: full points, a solid line. Simulated: hollow ones, dashes.
    Published by others: dots between the points."""
    dashes = (0, (1, 1.4)) if published else (0, (5, 2.2)) if simulated else "solid"
    shape = _SHAPES[(place + place // len(COLOURS)) % len(_SHAPES)]  # a colour that comes again has another shape
    return Look(COLOURS[place % len(COLOURS)], shape, dashes, is_hollow=simulated)


def label_of(name: str, *, simulated: bool) -> str:
    """In a legend."""
    return f"{name} (simulated)" if simulated else name


def told_apart(names: Sequence[str]) -> dict[str, str]:
    """Each name without the words that all of them have; whole where nothing would be left of one."""
    distinct = list(dict.fromkeys(names))
    if len(distinct) < 2:
        return {name: name for name in distinct}
    common = set.intersection(*(set(name.split()) for name in distinct))
    short = {name: " ".join(word for word in name.split() if word not in common) for name in distinct}
    return short if all(short.values()) else {name: name for name in distinct}


def shared_words(names: Sequence[str]) -> str:
    """The words that all names have, in the order of the first: what `told_apart` leaves out."""
    if not names:
        return ""
    common = set.intersection(*(set(name.split()) for name in names))
    return " ".join(word for word in names[0].split() if word in common)
