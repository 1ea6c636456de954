"""Rows as the person wants them: those that hold some letters, in some order, from some row on."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from imaxproxy.live.screen.view import View

T = TypeVar("T")


def holds(view: View, *names: str) -> bool:
    """Whether any of the names holds the filter's letters, small or capital."""
    wanted = view.filter.casefold()
    return not wanted or any(wanted in name.casefold() for name in names)


def arranged(view: View, rows: Sequence[T], by: "Callable[[T], float | str] | None") -> list[T]:
    """Sorted; as they came where nothing is named."""
    ordered = list(rows) if by is None else sorted(rows, key=by)
    return ordered[::-1] if view.upside_down else ordered


def scrolled(view: View, rows: Sequence[T], height: int, *, is_large: bool) -> Sequence[T]:
    """The rows that are seen; scrolling stops where the last one is in sight. Only the large panel scrolls."""
    if not is_large:
        return rows[: max(height, 0)]
    view.scroll_rows = min(view.scroll_rows, max(len(rows) - height, 0))
    return rows[view.scroll_rows : view.scroll_rows + max(height, 0)]
