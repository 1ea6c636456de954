"""A run's journal, read while it grows: what a player's live view counts, so that its data process need not."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.metrics import WARMUP, Exchange, HealthSample
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.journal import exchange_of

_BLOCK_BYTES = 1 << 18


class JournalFollower:
    """Hands on each exchange and each sample of the meter's health once, as its line is complete."""

    def __init__(
        self,
        run: RunDirectory,
        add: Callable[[Exchange], None],
        add_health: Callable[[HealthSample], None],
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self._run, self._add, self._add_health, self._clock_ns = run, add, add_health, clock_ns
        self._ends: dict[Path, int] = {}
        """How far each file was read."""

    def read(self, at_most_ns: int) -> bool:
        """Read on for no longer than that; False when there is more."""
        due_ns = self._clock_ns() + at_most_ns
        for path in self._run.meters():
            for row in self._rows(path):
                self._add_health(HealthSample.from_dict(row))
        for path in self._run.journals():
            for row in self._rows(path):
                exchange = exchange_of(row)
                if exchange.ask.kind != WARMUP:
                    self._add(exchange)
                if self._clock_ns() >= due_ns:
                    return False
        return True

    def _rows(self, path: Path) -> Iterator[dict[str, Any]]:
        """Whole lines behind what was read; one that is not yet whole waits."""
        with suppress(FileNotFoundError), path.open("rb") as file:
            at = self._ends.get(path, 0)
            file.seek(at)
            while lines := file.readlines(_BLOCK_BYTES):
                for line in lines:
                    if not line.endswith(b"\n"):
                        return
                    at += len(line)
                    self._ends[path] = at
                    yield orjson.loads(line)
