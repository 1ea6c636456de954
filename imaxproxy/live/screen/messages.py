"""What a command says while its screen stands: the last line of a file that grows, for as long as it is news."""

import os
import time
from collections.abc import Callable

from imaxproxy.live.snapshot import printable

NEWS_FOR_S = 12.0
_LONGEST_BYTES = 4096


class Messages:
    """Called, it gives the line that was said last; empty once it is old."""

    def __init__(self, fd: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._fd, self._clock_s = fd, clock_s
        self._size_bytes, self._said_s, self._line = 0, clock_s(), ""

    def __call__(self) -> str:
        size_bytes = os.fstat(self._fd).st_size
        if size_bytes != self._size_bytes:
            self._size_bytes, self._said_s = size_bytes, self._clock_s()
            self._line = self._last(size_bytes)
        return self._line if self._clock_s() - self._said_s < NEWS_FOR_S else ""

    def _last(self, size_bytes: int) -> str:
        tail = os.pread(self._fd, _LONGEST_BYTES, max(size_bytes - _LONGEST_BYTES, 0)).decode("utf-8", "replace")
        lines = [line for line in tail.splitlines() if line.strip()]
        return printable(lines[-1].strip()) if lines else ""
