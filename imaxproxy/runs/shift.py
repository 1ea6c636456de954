"""A run's files on another clock: every time moved by so many ns, every duration left as it is."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.errors import ImaxproxyError
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.helpers import Helpers
from imaxproxy.runs.journal import worker_of

Row = dict[str, Any]
_LARGE_BYTES = 50 << 20
EXCHANGE_TIMES = (
    "started_ns",
    "sent_ns",
    "scheduled_ns",
    "first_byte_ns",
    "first_event_ns",
    "first_token_ns",
    "ended_ns",
)
"""The times in a journal's line. What else ends in `_ns` there is a duration (`connect_ns`, `gaps_ns`)."""
HEALTH_TIMES = ("at_ns",)
SAMPLE_TIMES = ("time_ns",)
"""Of `power.jsonl` and `engine_metrics.jsonl`; a device's `unix_ns` is of the wall."""


def shifted(row: Row, times: tuple[str, ...], by_ns: int) -> Row:
    """The row, each of its `times` that it has moved by `by_ns`."""
    for name in times:
        if name in row:
            row[name] += by_ns
    return row


def rows_of(path: Path) -> Iterator[Row]:
    """A file's JSON lines; none where there is no file. A last line that was cut by a kill is left out.

    Raises ImaxproxyError for any other line that is no JSON object.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise ImaxproxyError(f"{path}:{number}: not a JSON line ({error}); remove it to go on") from error
            if not isinstance(row, dict):
                raise ImaxproxyError(f"{path}:{number}: not a JSON object; remove it to go on")
            yield row


def shifted_lines(path: Path, times: tuple[str, ...], by_ns: int) -> Iterator[bytes]:
    """A file's lines, moved. Byte for byte the same where `by_ns` is 0."""
    for row in rows_of(path):
        yield line_of(shifted(row, times, by_ns))


def line_of(row: Row) -> bytes:
    """One JSON line."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class Move:
    """A file that is to be written elsewhere, on another clock."""

    path: Path
    to: Path
    times: tuple[str, ...]
    by_ns: int
    removes: bool = False
    """The file as it was goes at once: a disk that is nearly full has room for few of them twice."""

    def do(self) -> None:
        """Whole or not at all. Raises ImaxproxyError for a broken line, OSError where it cannot be written."""
        beside = self.to.with_name(f"{self.to.name}.part")
        with beside.open("wb") as file:
            file.writelines(shifted_lines(self.path, self.times, self.by_ns))
        os.replace(beside, self.to)
        if self.removes:
            self.path.unlink()


def moves_of(run: RunDirectory, to: RunDirectory, by_ns: int, *, removes: bool = False) -> list[Move]:
    """Those of a run's journals and meters."""
    return [
        Move(path, name(worker_of(path)), times, by_ns, removes)
        for paths, name, times in (
            (run.journals(), to.journal, EXCHANGE_TIMES),
            (run.meters(), to.meter, HEALTH_TIMES),
        )
        for path in paths
    ]


def move_all(moves: Sequence[Move], processes: int, progress: Callable[[float], None] = lambda _: None) -> None:
    """All of them, by so many processes at most; a second's work is not worth one. progress: hears how far, 0 to 1."""
    is_large = sum(move.path.stat().st_size for move in moves) > _LARGE_BYTES
    with Helpers(min(processes, len(moves)) if is_large else 1) as helpers:
        for done, _ in enumerate(helpers.map(Move.do, moves), 1):
            progress(done / len(moves))


def write_lines(path: Path, lines: Iterator[bytes]) -> None:
    """Write them to a new file."""
    with path.open("xb") as file:
        file.writelines(lines)
