"""Summing a run up, with a word to who waits for it."""

import sys
import time
from types import TracebackType
from typing import Any

from imaxproxy.conduct.output import say
from imaxproxy.economics import Terms
from imaxproxy.runs import RunDirectory, summarize
from imaxproxy.runs.summing import Summer

_SHORT_S, _LINE_EVERY_S = 1.0, 5.0


def sum_up(
    run: RunDirectory, terms: Terms | None = None, *, summer: Summer | None = None, shows: bool = True
) -> dict[str, Any]:
    """As `summarize`: what takes more than a second shows how far it is. shows: False where something else is shown."""
    with Waiting("summing up", shows=shows) as waiting:
        return summarize(run, terms, summer=summer, progress=waiting.hear)


class Waiting:
    """How far something is that takes a while: a bar on a terminal, a line every few seconds in a log."""

    def __init__(self, what: str, *, shows: bool = True) -> None:
        """shows: False where something else is on the screen."""
        self._what, self._shows = what, shows
        self._shown: Any = None
        self._task: Any = None
        self._began_s = self._said_s = time.monotonic()

    def hear(self, share: float) -> None:
        """It is so far, 0 to 1."""
        now_s = time.monotonic()
        if not self._shows or now_s - self._began_s < _SHORT_S:
            return
        if not sys.stderr.isatty():
            if now_s - self._said_s >= _LINE_EVERY_S:
                self._said_s = now_s
                say(f"imaxproxy: {self._what}: {share:.0%}")
            return
        if self._shown is None:
            self._show()
        self._shown.update(self._task, completed=share)

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._shown is not None:
            self._shown.stop()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = [SpinnerColumn(), TimeElapsedColumn(), BarColumn(), TextColumn("{task.description}")]
        self._shown = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._shown.add_task(self._what, total=1.0)
        self._shown.start()
