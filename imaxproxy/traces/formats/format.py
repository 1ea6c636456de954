"""What a file format is to us: how one knows it, who turns its records into rows, and in which unit it counts time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imaxproxy.traces.read_rows import RowReader

TIME_UNITS_MS = {"s": 1_000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
"""Unit -> how many ms it is."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format. `matches` is asked with a record of the file, a JSON object or a CSV row, and looks at its keys."""

    matches: Callable[[Mapping[str, Any]], bool]
    reader: Callable[[Mapping[str, Any]], RowReader]
    """From the header line (empty where there is none) to a reader for one pass over the file."""
    time_field: str | None = None
    """The field of a record that holds its time as a number, if any."""
    time_unit: str = "ms"
    absolute: bool = False
    """Stamps are unix time, not counted from the trace's own start."""
    matches_all: Callable[[Sequence[Mapping[str, Any]]], bool] | None = None
    """Instead of `matches`, where only several records together show what they are."""
    folder: bool = False
    """Its published form is a folder of such files: their rows have ids that differ from file to file."""

    def knows(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """Whether these, the first of a file, are of this format."""
        return all(map(self.matches, records)) if self.matches_all is None else self.matches_all(records)
