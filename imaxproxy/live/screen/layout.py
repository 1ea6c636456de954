"""Which panels stand where, by the size of the terminal."""

from dataclasses import dataclass

SMALLEST = (30, 6)
"""Columns and rows below which one line is all that is shown."""
WHOLE = (80, 24)
"""From here on nothing has to be left out but for the large panel's other tabs."""
_TOP_ROWS, _LATENCY_ROWS, _LEAST_ROWS = 6, 7, 5
_LARGE = "large"


@dataclass(frozen=True, slots=True)
class Stack:
    """Panels above each other: names and rows."""

    width: int
    panels: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows of stacks of panels, top to bottom, and what has no place."""

    rows: tuple[tuple[Stack, ...], ...]
    left_out: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return sum(sum(rows for _, rows in row[0].panels) for row in self.rows)


def layout(width: int, height: int, tab: str, *, has_errors: bool, has_engine: bool, has_nodes: bool = False) -> Layout:
    """For a body of `width` by `height` cells.  tab: what the large panel shows."""
    if width >= 165 and height >= 46:
        plan = _wide(width, height, tab, has_engine=has_engine, has_nodes=has_nodes)
    elif width >= 110 and height >= 32:
        plan = _medium(width, height, tab, has_errors=has_errors, has_nodes=has_nodes)
    elif width >= WHOLE[0]:
        plan = _compact(width, height)
    else:
        plan = _narrow(width, height)
    return Layout(_named(plan.rows, tab), plan.left_out)


def _named(rows: tuple[tuple[Stack, ...], ...], tab: str) -> tuple[tuple[Stack, ...], ...]:
    """The large panel by what it shows."""
    return tuple(
        tuple(Stack(s.width, tuple((tab if name == _LARGE else name, rows) for name, rows in s.panels)) for s in row)
        for row in rows
    )


def _compact(width: int, height: int) -> Layout:
    """80x24 and its kin: latency goes first when it is lower still, then what the large panel shows."""
    rows: list[tuple[Stack, ...]] = []
    left = height
    first = width * 56 // 100
    top = _TOP_ROWS + (3 if height >= 32 else 0)
    if left >= top:
        rows.append((Stack(first, (("throughput", top),)), Stack(width - first, (("economy", top),))))
        left -= top
    out = [] if rows else ["throughput", "energy"]
    if left >= _LATENCY_ROWS + _LEAST_ROWS or _LATENCY_ROWS <= left < _LATENCY_ROWS + 2:
        tall = 2 * _LATENCY_ROWS - 3 if left >= 22 else _LATENCY_ROWS
        rows.append((Stack(width, (("latency", tall),)),))
        left -= tall
    else:
        out.append("latency")
    if left >= 3:
        rows.append((Stack(width, ((_LARGE, left),)),))
    else:
        out.append("streams")
    return Layout(tuple(rows), tuple(out))


def _narrow(width: int, height: int) -> Layout:
    """One below the other: what users feel before what it costs."""
    wanted = [("throughput", _TOP_ROWS), ("latency", _LATENCY_ROWS), (_LARGE, _LEAST_ROWS), ("economy", _TOP_ROWS)]
    chosen: dict[str, int] = {}
    left = height
    for name, rows in wanted:
        if rows <= left:
            chosen[name] = rows
            left -= rows
    grows = _LARGE if _LARGE in chosen else next(iter(chosen), "")
    if grows:
        chosen[grows] += left
    order = [name for name in ("throughput", "latency", "economy", _LARGE) if name in chosen]
    names = {_LARGE: "streams", "economy": "energy"}
    out = tuple(names.get(name, name) for name, _ in wanted if name not in chosen)
    return Layout(tuple((Stack(width, ((name, chosen[name]),)),) for name in order), out)


def _medium(width: int, height: int, tab: str, *, has_errors: bool, has_nodes: bool) -> Layout:
    top = min(max(height * 28 // 100, 9), 14)
    tall = 2 * _LATENCY_ROWS - 3
    rest = height - top - tall
    first, main = width * 56 // 100, width * 61 // 100
    names = ("nodes", "slowest", "streams") if has_nodes else ("upstream", "slowest", "errors", "model")
    others = [name for name in names if name != tab]
    if has_errors and tab != "errors":
        others = ["errors", *(name for name in others if name != "errors")]
    return Layout(
        (
            (Stack(first, (("throughput", top),)), Stack(width - first, (("economy", top),))),
            (Stack(width, (("latency", tall),)),),
            (Stack(main, ((_LARGE, rest),)), Stack(width - main, _shared(others[:2], rest))),
        )
    )


def _wide(width: int, height: int, tab: str, *, has_engine: bool, has_nodes: bool) -> Layout:
    top = min(max(height * 28 // 100, 12), 18)
    tall = 3 + 4 * (4 if height >= 56 else 3)
    rest = height - top - tall
    first, second = width * 48 // 100, width * 30 // 100
    beside, main, groups = width * 33 // 100, width * 46 // 100, width * 28 // 100
    corner = ["errors", "engine"] if has_engine else ["errors"]
    names = ("nodes", "upstream", "model", "tag") if has_nodes else ("upstream", "model", "client", "tag")
    others = [name for name in names if name != tab]
    others += ["streams"] if len(others) < 4 else []
    halves = (others[:2], others[2:4])
    return Layout(
        (
            (
                Stack(first, (("throughput", top),)),
                Stack(second, (("economy_alone" if has_engine else "economy", top),)),
                Stack(width - first - second, _shared(corner, top)),
            ),
            (Stack(width - beside, (("latency", tall),)), Stack(beside, (("slowest", tall),))),
            (
                Stack(main, ((_LARGE, rest),)),
                Stack(groups, _shared(halves[0], rest)),
                Stack(width - main - groups, _shared(halves[1], rest)),
            ),
        )
    )


def _shared(names: list[str], height: int) -> tuple[tuple[str, int], ...]:
    """Panels above each other, as equal as rows can be shared out."""
    each, more = divmod(height, len(names))
    return tuple((name, each + (1 if index < more else 0)) for index, name in enumerate(names))
