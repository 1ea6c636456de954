"""Azure's LLM inference traces of 2023 and 2024 (Azure/AzurePublicDataset): CSV of arrivals and lengths.

Stamps are UTC, to 100 ns, with or without a zone ("2023-11-16 18:17:03.9799600", "2024-05-10 00:00:00.009930+00:00").
The same data goes round as vidur's `arrived_at,num_prefill_tokens,num_decode_tokens`, in seconds.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from imaxproxy.traces.fields import BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowPerRecord
from imaxproxy.traces.row import TraceRow

_KEYS = frozenset({"TIMESTAMP", "ContextTokens", "GeneratedTokens"})
_VIDUR_KEYS = frozenset({"arrived_at", "num_prefill_tokens", "num_decode_tokens"})
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?")


def is_azure(record: Mapping[str, Any]) -> bool:
    return record.keys() >= _KEYS or record.keys() >= _VIDUR_KEYS


class AzureReader(RowPerRecord):
    """Stamps count from the first row, so that their last digits survive in a float."""

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        super().__init__(header)
        self._first_us10: int | None = None

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        fields = Fields(record)
        if fields.has("arrived_at"):
            at_ms, lengths = fields.seconds_as_ms("arrived_at"), ("num_prefill_tokens", "num_decode_tokens")
        else:
            at_ms, lengths = self._since_first_ms(fields.text("TIMESTAMP")), ("ContextTokens", "GeneratedTokens")
        for name in lengths:
            if not fields.has(name):
                raise bad_field(name, "a whole number of tokens", None)
        return TraceRow(
            request_id=str(line),
            timestamp_ms=at_ms,
            input_length=self.length(fields, lengths[0]),
            output_length=self.length(fields, lengths[1]),
            unknown=fields.left(),
        )

    def _since_first_ms(self, stamp: str | None) -> float:
        at_us10 = _parsed_us10(stamp)
        if self._first_us10 is None:
            self._first_us10 = at_us10
        if at_us10 < self._first_us10:
            raise BadRow(f"field `TIMESTAMP`: expected a time after the first row's, found {stamp}; sort the file")
        return (at_us10 - self._first_us10) / 10_000


def _parsed_us10(stamp: str | None) -> int:
    """Tenths of a microsecond since 1970: the traces' own resolution."""
    found = _STAMP.fullmatch(stamp or "")
    if found is None:
        raise bad_field("TIMESTAMP", 'a time like "2023-11-16 18:17:03.9799600"', stamp)
    second, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(f"{second}{zone or '+00:00'}").astimezone(UTC)
    except ValueError:
        raise bad_field("TIMESTAMP", "a date and time that exist", stamp) from None
    return int(at.timestamp()) * 10_000_000 + int((fraction or "0").ljust(7, "0")[:7])
