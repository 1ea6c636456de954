"""What a running replay shows on stderr, and what it does when it is told to stop."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from imaxproxy.conduct.replay.progress import show_progress


class FakeWorker:
    """Says its lines; a signal that the command gets is sent between them."""

    def __init__(self, lines: list[dict[str, Any]], signals: list[int]) -> None:
        self._lines, self._signals, self.interrupts = lines, signals, 0

    def progress(self) -> Iterator[dict[str, Any]]:
        for line in self._lines:
            if self._signals:
                os.kill(os.getpid(), self._signals.pop(0))
            yield line

    def interrupt(self) -> None:
        self.interrupts += 1


ROWS: list[dict[str, Any]] = [
    {"in_flight": 2, "output_tokens": 10, "completed": 1},
    {"in_flight": 0, "output_tokens": 20, "completed": 3, "failed": 1},
    {"ended": "finished", "lost_lines": 0},
]


def test_the_last_line_says_how_it_ended() -> None:
    assert show_progress(FakeWorker(ROWS, []), None) == ROWS[-1]  # type: ignore[arg-type]


def test_a_worker_that_says_nothing_was_killed() -> None:
    assert show_progress(FakeWorker([], []), None) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_the_worker_and_its_end_is_awaited(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(number)
    worker = FakeWorker(ROWS, [number])
    assert show_progress(worker, None) == ROWS[-1]  # type: ignore[arg-type]
    assert worker.interrupts == 1
    assert "what was done so far will be reported" in capsys.readouterr().err
    assert signal.getsignal(number) == before


def test_two_signals_give_it_up() -> None:
    worker = FakeWorker(ROWS, [signal.SIGINT, signal.SIGINT])
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        show_progress(worker, None)  # type: ignore[arg-type]
    assert worker.interrupts == 1
    assert signal.getsignal(signal.SIGINT) is before
