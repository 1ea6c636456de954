"""The capture's files, bounded together: a disk that is full would take the journal with it."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from imaxproxy.runs.journal import Appender

_LEAST_STEP_BYTES = 1 << 16


class CappedAppender:
    """One worker's file. When all workers' files together have reached the limit, rows are counted and left out.

    How large the others' are is looked up when this one has written its part of what was left, so that the limit is
    passed by 64 KiB and a row a worker at most.
    """

    def __init__(
        self,
        path: Path,
        limit_bytes: int | None,
        files: Callable[[], Iterable[Path]],
        tell: Callable[[str], None],
        workers: int = 1,
    ) -> None:
        """files: those of all workers, this one's too. limit_bytes: None, no limit."""
        self._appender = Appender(path)
        self._limit_bytes, self._files, self._tell, self._workers = limit_bytes, files, tell, workers
        self._look_at_bytes = 0
        self.left_out = 0

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self._appender.lost

    def append(self, row: dict[str, Any]) -> None:
        if self._is_full():
            self.left_out += 1
        else:
            self._appender.append(row)

    def close(self) -> None:
        self._appender.close()

    def _is_full(self) -> bool:
        if self._limit_bytes is None:
            return False
        size_bytes = self._appender.size_bytes
        if self.left_out == 0 and size_bytes >= self._look_at_bytes:
            left_bytes = self._limit_bytes - sum(path.stat().st_size for path in self._files())
            if left_bytes <= 0:
                said = f"the capture has reached its {self._limit_bytes / (1 << 30):.3g} GiB (--max-capture)"
                self._tell(f"{said}: later requests are not in it; the relay and the journal go on")
                return True
            # Workers are twice as many while they change. Half, so that they share what is left thereafter.
            self._look_at_bytes = size_bytes + max(_LEAST_STEP_BYTES, left_bytes // (4 * self._workers))
        return self.left_out > 0
