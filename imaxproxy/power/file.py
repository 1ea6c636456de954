"""`power.jsonl`: a line a device, sample or event."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import orjson

from imaxproxy.errors import ImaxproxyError
from imaxproxy.power.sample import PowerLine, line_of


class PowerLog:
    """Appends lines to an open binary file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, line: PowerLine) -> None:
        """Append one."""
        self._file.write(orjson.dumps(line.as_row(), option=orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Through to the file."""
        self._file.flush()

    def close(self) -> None:
        """Write everything and close the file."""
        self._file.close()


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
