"""What a running replay shows on stderr."""

from collections.abc import Iterator
from typing import Any

from imaxproxy.conduct.replay.progress import show_progress


class FakeWorker:
    """Says its lines."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self._lines = lines

    def progress(self) -> Iterator[dict[str, Any]]:
        yield from self._lines


ROWS: list[dict[str, Any]] = [
    {"in_flight": 2, "output_tokens": 10, "completed": 1},
    {"in_flight": 0, "output_tokens": 20, "completed": 3, "failed": 1},
    {"ended": "finished", "lost_lines": 0},
]


def test_the_last_line_says_how_it_ended() -> None:
    assert show_progress(FakeWorker(ROWS), None) == ROWS[-1]  # type: ignore[arg-type]


def test_a_worker_that_says_nothing_was_killed() -> None:
    assert show_progress(FakeWorker([]), None) == {}  # type: ignore[arg-type]
