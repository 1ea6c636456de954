"""What clients have under way and have used up, in memory that all workers share: a limit holds over all of them.

A row for each limited client: the digest of its name, the time at which its bucket will be full again, and the number
of its requests in each worker. A worker writes only its own column; when it dies, the supervisor clears that. All cells
are numbers of 8 bytes, written whole, so a worker that is killed leaves none half-written. The lock belongs to its
process, and the kernel takes it from a dead one.
"""

import fcntl
import hashlib
import mmap
import tempfile

from imaxproxy.errors import ImaxproxyError

MOST_NAMES = 4096
"""Limited clients that were ever named while the proxy ran; a row costs memory only once it is used."""
SPARE_COLUMNS = 64
"""For old workers, whose clients have not gone yet while new ones serve."""
_CELL_BYTES = 8
_NAME, _FULL_AT, _FIRST_COLUMN = 0, 1, 2


class Ledger:
    """Made before the workers are forked."""

    def __init__(self, workers: int, names: int = MOST_NAMES) -> None:
        self._columns, self._names = 4 * workers + SPARE_COLUMNS, names
        self._width = _FIRST_COLUMN + self._columns
        self._cells = memoryview(mmap.mmap(-1, names * self._width * _CELL_BYTES)).cast("q")
        self._lock = _Lock()

    def __repr__(self) -> str:
        return f"<Ledger {sum(map(bool, self._cells[:: self._width]))} clients>"

    def close(self) -> None:
        """After the last worker's end."""
        self._lock.close()

    def line(self, name: str | None, column: int) -> "Line":
        """One client's, in one worker. Raises ImaxproxyError when there are too many of either."""
        if column >= self._columns:
            raise ImaxproxyError("too many old workers are still busy with their clients; stop some of them")
        return Line(self._cells, self._lock, self._row(name) * self._width, self._columns, column)

    def clear(self, column: int) -> None:
        """The worker of this column has ended, and so has all that it had under way."""
        for at in range(0, self._names * self._width, self._width):
            if not self._cells[at + _NAME]:
                return
            self._cells[at + _FIRST_COLUMN + column] = 0

    def _row(self, name: str | None) -> int:
        """Where it stands; a name that is new gets a row, which stays its own though its key should go."""
        digest = int.from_bytes(hashlib.blake2b((name or "").encode(), digest_size=_CELL_BYTES).digest(), signed=True)
        with self._lock:
            for row in range(self._names):
                at = row * self._width + _NAME
                if not self._cells[at]:
                    self._cells[at] = digest
                if self._cells[at] == digest:
                    return row
        raise ImaxproxyError(f"{self._names} clients with limits were named since the start: start the proxy anew")


class Line:
    """A `Standing` that all workers see."""

    def __init__(self, cells: "memoryview[int]", lock: "_Lock", at: int, columns: int, column: int) -> None:
        self.lock = lock
        self._cells = cells
        self._full_at = at + _FULL_AT
        self._all = slice(at + _FIRST_COLUMN, at + _FIRST_COLUMN + columns)
        self._own = at + _FIRST_COLUMN + column

    @property
    def in_flight(self) -> int:
        return sum(self._cells[self._all])

    def count(self, change: int) -> None:
        self._cells[self._own] += change

    @property
    def full_at_ns(self) -> int:
        return self._cells[self._full_at]

    @full_at_ns.setter
    def full_at_ns(self, at_ns: int) -> None:
        self._cells[self._full_at] = at_ns


class _Lock:
    """Held for a few microseconds, by one process at a time."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)
