"""What a running replay shows: a bar on a terminal, a line every few seconds in a log."""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from imaxproxy.conduct.output import say
from imaxproxy.live.feed import PlayerFeed

_LINE_EVERY_S = 5.0


class LiveScreen(Protocol):
    """Where a run is watched while it goes on."""

    @property
    def is_up(self) -> bool:
        """False once the person has left it."""

    def show(self, snapshot: Mapping[str, Any]) -> None: ...

    def progress(self) -> dict[str, Any] | None:
        """Of what the run is a part of; None where it is the whole."""


class Followed(Protocol):
    """What plays."""

    def progress(self) -> Iterator[dict[str, Any]]:
        """Rows of counts; the last says how it ended."""


def show_progress(
    crew: Followed, limit: int | None, feed: PlayerFeed | None = None, screen: LiveScreen | None = None
) -> dict[str, Any]:
    """Follow the workers to their end and return their last line.

    feed: ticks meanwhile, so that its viewers, if it has any, get their snapshots.  screen: one of them; lines of text
    take its place when the person has left it.
    """
    if feed is not None and screen is not None and screen.is_up:
        feed.viewers.append(screen.show)
        show: _Shown = _Screen(feed, screen)
    else:
        show = _Bar(limit) if sys.stderr.isatty() else _Lines()
    last: dict[str, Any] = {}
    try:
        for last in crew.progress():
            if "ended" not in last:
                show.update(last)
                if feed is not None:
                    feed.tick()
    finally:
        show.close()
    return last


def _counts(row: dict[str, Any]) -> str:
    bad = row.get("failed", 0) + row.get("truncated", 0)
    failed = f", {bad} failed" if bad else ""
    if row.get("warming"):
        return f"filling caches: {row['warming']} requests still under way"
    return f"{row.get('completed', 0)} completed{failed}, {row['in_flight']} in flight, {row['output_tokens']:,} tokens"


class _Shown(Protocol):
    def update(self, row: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


class _Screen:
    """A screen shows itself; lines once it has been left."""

    def __init__(self, feed: PlayerFeed, screen: LiveScreen) -> None:
        self._feed, self._screen = feed, screen
        self._lines: _Lines | None = None

    def update(self, row: dict[str, Any]) -> None:
        if self._lines is not None:
            self._lines.update(row)
        elif not self._screen.is_up:
            self.close()
            self._lines = _Lines()

    def close(self) -> None:
        if self._screen.show in self._feed.viewers:
            self._feed.viewers.remove(self._screen.show)


class _Lines:
    def __init__(self) -> None:
        self._started_s = self._said_s = time.monotonic()

    def update(self, row: dict[str, Any]) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= _LINE_EVERY_S:
            self._said_s = now_s
            say(f"imaxproxy: {now_s - self._started_s:4.0f} s  {_counts(row)}")

    def close(self) -> None:
        """Nothing to put away."""


class _Bar:
    def __init__(self, limit: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = [SpinnerColumn(), TimeElapsedColumn(), BarColumn(), TextColumn("{task.description}")]
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("connecting", total=limit)
        self._progress.start()

    def update(self, row: dict[str, Any]) -> None:
        done = sum(row.get(name, 0) for name in ("completed", "failed", "truncated", "aborted"))
        self._progress.update(self._task, completed=done, description=_counts(row))

    def close(self) -> None:
        self._progress.stop()
