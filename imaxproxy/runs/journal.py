"""The journal: one JSON line an exchange, written when it ends, so that a killed process loses nothing that had ended.

`exchanges-<worker>.jsonl` holds Exchanges; `meter-<worker>.jsonl` has one line a second of the meter's own health.
Keys whose value is unknown are left out; `ending` is for readers, it follows from the rest. Times are CLOCK_MONOTONIC
in ns; token events are stored as the first one's time, the gaps from one to the next, and runs of [kind, tokens,
events] with kind r (reasoning), c (answer), t (tool).
"""

import os
import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.metrics import (
    ANSWER,
    REASONING,
    TOOL,
    WARMUP,
    Ask,
    CountedBy,
    EngineTiming,
    Exchange,
    Flag,
    HealthSample,
    Outcome,
    Timeline,
    Usage,
    mark,
)
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.piece import Piece

_LETTER = {REASONING: "r", ANSWER: "c", TOOL: "t"}
_KIND = {letter: kind for kind, letter in _LETTER.items()}
_ASK_KEYS = Ask.__slots__
_USAGE_KEYS = Usage.__slots__
_TIMING_KEYS = EngineTiming.__slots__


class Appender:
    """Appends JSON lines, each with one unbuffered write: what was appended survives the process."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._end = os.fstat(self._fd).st_size
        self._lock = threading.Lock()  # the row of a very long answer is written by a thread
        self.lost = 0
        """Lines that could not be written (disk full): the run goes on, and says so."""

    @property
    def size_bytes(self) -> int:
        return self._end

    def append(self, row: dict[str, Any]) -> None:
        line = _line(row)
        with self._lock:
            self._write(line)

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
            self._end += written
        except OSError:
            self.lost += 1
            if written:  # half a line would spoil the one that follows once there is room again
                with suppress(OSError):
                    os.ftruncate(self._fd, self._end)

    def close(self) -> None:
        os.close(self._fd)


class Journal:
    """One worker's two files."""

    def __init__(self, run: RunDirectory, worker: int = 0) -> None:
        self._exchanges = Appender(run.journal(worker))
        self._meter = Appender(run.meter(worker))

    def add(self, exchange: Exchange) -> None:
        self._exchanges.append(exchange_row(exchange))

    def add_health(self, sample: HealthSample) -> None:
        self._meter.append(sample.as_dict())

    @property
    def size_bytes(self) -> int:
        """Of the exchanges: where the next one's line begins."""
        return self._exchanges.size_bytes

    @property
    def lost(self) -> int:
        return self._exchanges.lost + self._meter.lost

    def close(self) -> None:
        self._exchanges.close()
        self._meter.close()


def exchange_row(exchange: Exchange) -> dict[str, Any]:
    """An Exchange as the journal writes it."""
    ask, usage, timeline = exchange.ask, exchange.usage, exchange.timeline
    row: dict[str, Any] = {key: value for key in _ASK_KEYS if (value := getattr(ask, key)) is not None}
    row |= {"outcome": exchange.outcome.value, "ending": exchange.ending.value}
    row |= {"ended_ns": exchange.ended_ns, "streamed": exchange.streamed}
    for key in ("status", "error", "detail", "first_byte_ns", "first_event_ns", "model", "finish_reason"):
        if (value := getattr(exchange, key)) is not None:
            row[key] = value
    row["usage"] = {key: value for key in _USAGE_KEYS if (value := getattr(usage, key)) is not None}
    if exchange.timing is not None:
        row["timing"] = {key: value for key in _TIMING_KEYS if (value := getattr(exchange.timing, key)) is not None}
    row["counted_by"] = exchange.counted_by.value
    if exchange.flags:
        row["flags"] = [flag.value for flag in exchange.flags]
    if exchange.simulated:
        row["simulated"] = True
    if len(timeline):
        times_ns = timeline.times_ns
        row["first_token_ns"] = times_ns[0]
        row["gaps_ns"] = timeline.gaps_ns()
        row["marks"] = [(_LETTER[kind], tokens, events) for kind, tokens, events in timeline.runs()]
        row["coalesced_events"] = exchange.coalesced_events
    return row


def exchange_of(row: dict[str, Any], *, outline: bool = False) -> Exchange:
    """The reverse of `exchange_row`. Raises a builtin's error (KeyError, TypeError) for what is no journal line.

    outline: the Timeline holds the first and the last event only, which costs a fifth and is enough to find windows.
    """
    counted_by = CountedBy(row["counted_by"])
    return Exchange(
        ask=Ask(**{key: row[key] for key in _ASK_KEYS if key in row}),
        outcome=Outcome(row["outcome"]),
        ended_ns=row["ended_ns"],
        status=row.get("status"),
        error=row.get("error"),
        detail=row.get("detail"),
        first_byte_ns=row.get("first_byte_ns"),
        first_event_ns=row.get("first_event_ns"),
        streamed=row["streamed"],
        model=row.get("model"),
        finish_reason=row.get("finish_reason"),
        usage=Usage(**row["usage"]),
        timing=EngineTiming(**row["timing"]) if "timing" in row else None,
        counted_by=counted_by,
        timeline=_outline_of(row) if outline else _timeline_of(row, counted_by),
        simulated=row.get("simulated", False),
        flags=tuple(map(Flag, row.get("flags", ()))),
        coalesced_events=row.get("coalesced_events", 0),
    )


def read_rows(run: RunDirectory) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """Each journal line as JSON has it, with its file and line; requests that only filled caches are left out.

    For who wants a few figures of each request: a fifth of the price of an Exchange. Raises ImaxproxyError at a line
    that is no JSON object.
    """
    for path in run.journals():
        for number, (_, row) in enumerate(Piece(path).rows(), 1):
            if row.get("kind") != WARMUP:
                yield path, number, row


def read_journal(
    run: RunDirectory,
    *,
    outline: bool = False,
    on_warmup: Callable[[Exchange], None] = lambda _: None,
) -> Iterator[Exchange]:
    """All exchanges of all workers, one by one. Raises ImaxproxyError at a broken line that is not a file's last.

    Those that only filled caches are no part of a run: `on_warmup` is handed them.
    """
    for path in run.journals():
        yield from read_piece(Piece(path), outline=outline, on_warmup=on_warmup)


def read_piece(
    piece: Piece, *, outline: bool = False, on_warmup: Callable[[Exchange], None] = lambda _: None
) -> Iterator[Exchange]:
    """As `read_journal`, of a piece of a worker's journal."""
    for at_byte, row in piece.rows():
        try:
            exchange = exchange_of(row, outline=outline)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise piece.broken(at_byte, error) from error
        if exchange.ask.kind == WARMUP:
            on_warmup(exchange)
        else:
            yield exchange


def worker_of(path: Path) -> int:
    """Whose file it is: `exchanges-<worker>.jsonl`, `meter-<worker>.jsonl`. -1 for a name that is none of ours."""
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() else -1


def read_rest(run: RunDirectory, worker: int, from_byte: int) -> Iterator[Exchange]:
    """The exchanges of one worker's journal from a line's beginning on; none where it has no journal."""
    with suppress(FileNotFoundError):
        for _, row in Piece(run.journal(worker), from_byte).rows():
            yield exchange_of(row)


def read_health(run: RunDirectory) -> Iterator[HealthSample]:
    """All samples of the meter's health."""
    for path in run.meters():
        yield from read_meter(path)


def read_meter(path: Path) -> Iterator[HealthSample]:
    """Those of one worker."""
    piece = Piece(path)
    for at_byte, row in piece.rows():
        try:
            sample = HealthSample.from_dict(row)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise piece.broken(at_byte, error) from error
        yield sample


def _line(row: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a header of the client's that is not UTF-8, as a request id or in a path
        printable = {
            key: value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
            for key, value in row.items()
        }
        return orjson.dumps(printable, option=orjson.OPT_APPEND_NEWLINE)


def _timeline_of(row: dict[str, Any], counted_by: CountedBy) -> Timeline:
    counted = counted_by is not CountedBy.EVENTS
    if "first_token_ns" not in row:
        return Timeline(counted=counted)
    marks = array("i")
    for letter, tokens, events in row["marks"]:
        marks.extend(array("i", (mark(_KIND[letter], tokens),)) * events)
    return Timeline.of_gaps(row["first_token_ns"], row["gaps_ns"], marks, counted=counted)


def _outline_of(row: dict[str, Any]) -> Timeline:
    if "first_token_ns" not in row:
        return Timeline(counted=False)
    first_ns = row["first_token_ns"]
    return Timeline((first_ns, first_ns + sum(row["gaps_ns"])), (mark(ANSWER, 0),) * 2, counted=False)
