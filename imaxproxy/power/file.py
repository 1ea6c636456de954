"""`power.jsonl`: a line a device, sample or event."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import orjson

from imaxproxy.errors import ImaxproxyError
from imaxproxy.power.accrual import EVERY_NS, Accrual, write_now
from imaxproxy.power.sample import PowerLine, line_of

NOW_NAME = "power-now.json"
"""Beside `power.jsonl` while it is written: watts now and joules so far, for the live view."""


class PowerLog:
    """Appends lines to an open binary file, and may say once a second beside it what they have come to."""

    def __init__(self, file: IO[bytes], now: Path | None = None) -> None:
        """now: where it says that (NOW_NAME); None: nobody watches."""
        self._file, self._now = file, now
        self._accrual, self._due_ns = Accrual(), 0

    def add(self, line: PowerLine) -> None:
        """Append one."""
        self._file.write(orjson.dumps(line.as_row(), option=orjson.OPT_APPEND_NEWLINE))
        if self._now is not None:
            self._accrual.add(line)
            if line.time_ns >= self._due_ns:
                self._tell(self._now, line.time_ns)

    def _tell(self, now: Path, at_ns: int) -> None:
        row = self._accrual.row()
        if row is not None:
            self._due_ns = at_ns + EVERY_NS
            with suppress(OSError):  # a full disk: the live view goes without, and says how old what it has is
                write_now(now, row)

    def flush(self) -> None:
        """Through to the file."""
        self._file.flush()

    def close(self) -> None:
        """Write everything and close the file."""
        self._file.close()
        if self._now is not None:
            self._now.unlink(missing_ok=True)


def read_power(path: Path) -> Iterator[PowerLine]:
    """All lines, one by one. Raises ImaxproxyError for a broken line that is not the last one, and for a file that
    cannot be read; the last line may be half written, when the sampler was killed."""
    try:
        lines = path.open("rb")
    except OSError as error:
        raise ImaxproxyError(f"cannot read {path}: {error.strerror}") from error
    with lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield line_of(orjson.loads(line))
            except (orjson.JSONDecodeError, ImaxproxyError) as error:
                raise ImaxproxyError(
                    f"{path}:{number}: no line of power samples: {error}; remove it to go on"
                ) from error
