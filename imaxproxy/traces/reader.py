"""Opening a trace of any known format, and streaming its rows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

from imaxproxy.errors import UsageError
from imaxproxy.traces.fields import BadRow
from imaxproxy.traces.file import found, trace_files
from imaxproxy.traces.formats import FORMATS, TIME_UNITS_MS
from imaxproxy.traces.generate import Spec, load_spec
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import TraceRow
from imaxproxy.traces.source import Record, Source, source_of
from imaxproxy.traces.stamps import UNIT_NAMES, unix_unit

_RECORDS_TO_DETECT = 32
_EXAMPLES_KEPT = 5
_HOW_TO_GO_ON = "mend the line, or pass --skip-bad to count and leave out such lines"


class Trace:
    """The rows of one file or folder, read anew at each iteration, one record in memory at a time.

    The counts are of the latest iteration, up to the row that it has reached.
    """

    def __init__(
        self,
        path: Path,
        sources: list[Source],
        format: str,
        header: Mapping[str, Any],
        *,
        skip_bad: bool = False,
        limit: int | None = None,
        time_unit: str | None = None,
        spec: Spec | None = None,
    ) -> None:
        self.path = path
        self.format = format
        self.header = header
        """The file's first line, where that is a header."""
        self._sources = sources
        self._spec = spec
        self._skip_bad = skip_bad
        self._limit = limit
        self.time_unit = time_unit
        """Said by the user against the format's own; None to take that."""
        self._time_field, self._time_factor = _time_scale(format, time_unit)
        self._start_over()

    def _start_over(self) -> None:
        self.rows = 0
        self.skipped = 0
        self.skipped_examples: list[str] = []
        self.unknown_fields: Counter[str] = Counter()
        try:
            self._reader: RowReader = FORMATS[self.format].reader(self.header)
        except BadRow as bad:
            raise UsageError(f"{self.path}:1: {bad}") from None

    @property
    def workload_sha256(self) -> str | None:
        """Of a spec: the same for each number of requests that are drawn from it. None for a trace of a file's rows."""
        return self._spec.workload_sha256() if self._spec is not None else None

    @property
    def clamped(self) -> int:
        """Lengths of 0 that were read as 1."""
        return self._reader.clamped

    @property
    def left_out(self) -> Mapping[str, int]:
        """Rows of the file that are no request that could be sent, under the reason."""
        return self._reader.left_out

    def __repr__(self) -> str:
        return f"<Trace {self.path.name} {self.format} | {self.rows} rows, {self.skipped} skipped>"

    def __iter__(self) -> Iterator[TraceRow]:
        return (row for _, row in self.placed())

    def placed(self) -> Iterator[tuple[str, TraceRow]]:
        """Each row with the place in the file that completed it, for complaints about it."""
        self._start_over()
        return islice(self._all_rows(), self._limit)

    def _all_rows(self) -> Iterator[tuple[str, TraceRow]]:
        if self._spec is not None:
            yield from self._counted(str(self.path), self._spec.rows())
        for source in self._sources:
            where = str(self.path)
            for place, record in source.records():
                if place == 1 and self.header:
                    continue
                where = source.where(place)
                yield from self._counted(where, self._rows_of(record, place, where))
            yield from self._counted(where, self._reader.end())
        if not self.rows:
            raise UsageError(f"{self.path} has no row that can be used; the first complaint: {self._first_complaint()}")

    def _rows_of(self, record: Record | BadRow, place: int, where: str) -> Iterable[TraceRow]:
        """All rows of a record or, where one of them is broken, none."""
        try:
            if isinstance(record, BadRow):
                raise record
            if self._time_factor != 1.0:
                self._scale_time(record)
            return list(self._reader.rows(record, place))
        except BadRow as bad:
            self._leave_out(f"{where}: {bad}", self._unit_hint(bad) or _HOW_TO_GO_ON)
            return ()

    def _counted(self, where: str, rows: Iterable[TraceRow]) -> Iterator[tuple[str, TraceRow]]:
        for row in rows:
            self.rows += 1
            self.unknown_fields.update(row.unknown.keys())
            yield where, row

    def _unit_hint(self, bad: BadRow) -> str:
        """A stamp that is too large for its unit may be a unix time in a finer one: which, and how to say so."""
        format = FORMATS[self.format]
        if bad.field is None or bad.field != format.time_field or type(bad.found) not in (int, float):
            return ""
        unit = unix_unit(float(cast(float, bad.found)) / self._time_factor)
        return f"as a unix time it would be in {UNIT_NAMES[unit]}: pass --time-unit {unit}" if unit else ""

    def _scale_time(self, record: Record) -> None:
        value = record.get(self._time_field)
        if isinstance(value, int | float) and not isinstance(value, bool):
            record[self._time_field] = value * self._time_factor

    def _leave_out(self, complaint: str, remedy: str) -> None:
        if not self._skip_bad:
            raise UsageError(f"{complaint}; {remedy}")
        self.skipped += 1
        if len(self.skipped_examples) < _EXAMPLES_KEPT:
            self.skipped_examples.append(complaint)

    def _first_complaint(self) -> str:
        if self.skipped_examples:
            return self.skipped_examples[0]
        reasons = [f"{count} {reason}" for reason, count in self.left_out.items()]
        return "; ".join(reasons) or "there is nothing after the header"


def open_trace(
    path: str | Path,
    *,
    format: str = "auto",
    skip_bad: bool = False,
    limit: int | None = None,
    time_unit: str | None = None,
) -> Trace:
    """Look at the first records of a trace (plain, .gz, .zst or .xz) and return it, ready to be iterated.

    A workload spec (.toml, or the name of one that ships) is a trace too: its rows are drawn as they are read.

    format: one of FORMATS, or "auto" to find it from the first records.  skip_bad: leave out and count lines that
    cannot be used.  limit: stop after so many rows.  time_unit: s, ms, us or ns, where the file's stamps are not in
    its format's own unit. Raises UsageError, here or during iteration, for what a user can mend.
    """
    path = found(Path(path))
    if format not in ("auto", *FORMATS):
        raise UsageError(f"--format must be auto, {' or '.join(FORMATS)}, not {format}")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit must be at least 1 request, not {limit}")
    if path.suffix == ".toml":
        return Trace(path, [], "spec", {}, limit=limit, spec=load_spec(path))
    sources = [source_of(file) for file in trace_files(path)]
    first = list(islice(sources[0].records(), _RECORDS_TO_DETECT))
    good = [record for _, record in first if isinstance(record, dict)]
    if not good and not skip_bad:
        remedy = "a trace has one JSON object a line" if sources[0].layout == "lines" else "mend the file"
        raise UsageError(f"{_first_complaint(path, sources[0], first)}; {remedy}")
    header = good[0] if good and "schema" in good[0] and first[0][0] == 1 and sources[0].layout == "lines" else {}
    chosen = _format_of(good, header, sources[0], path) if format == "auto" else format
    _check_folder(path, chosen)
    return Trace(path, sources, chosen, header, skip_bad=skip_bad, limit=limit, time_unit=time_unit)


def _format_of(records: list[Record], header: Record, source: Source, path: Path) -> str:
    """The first format that knows all of the records; `canonical` knows any JSON object."""
    if header or not records:
        return "canonical"
    name = next(name for name, each in FORMATS.items() if each.knows(records))
    if name == "canonical" and source.layout == "csv":
        columns = ", ".join(records[0])
        raise UsageError(
            f"{path}:1: not valid JSON, and no known CSV trace has the columns {columns}; see docs/traces.md"
        )
    return name


def _first_complaint(path: Path, source: Source, first: list[tuple[int, Record | BadRow]]) -> str:
    if not first:
        return f"{path} has no records"
    place, bad = first[0]
    return f"{source.where(place)}: {bad}"


def _check_folder(path: Path, format: str) -> None:
    """Rows of a folder are told apart by the ids that their format gives them; line numbers would not do."""
    if path.is_dir() and not FORMATS[format].folder:
        raise UsageError(f"{path} is a directory of {format} files; name one of them: each is a trace of its own")


def _time_scale(format: str, time_unit: str | None) -> tuple[str, float]:
    field, unit = FORMATS[format].time_field, FORMATS[format].time_unit
    if time_unit is None:
        return field or "", 1.0
    if field is None:
        raise UsageError(f"--time-unit: {format} traces say their own unit; leave it out")
    return field, TIME_UNITS_MS[time_unit] / TIME_UNITS_MS[unit]
