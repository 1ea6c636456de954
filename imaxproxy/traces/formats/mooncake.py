"""Mooncake's trace format (kvcache-ai/Mooncake, FAST25 release): four fields a row, blocks of 512 tokens."""

from collections.abc import Mapping
from typing import Any

from imaxproxy.traces.canonical import KEYS as CANONICAL_KEYS
from imaxproxy.traces.fields import BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowPerRecord
from imaxproxy.traces.row import DEFAULT_BLOCK_TOKENS, TraceRow

KEYS = frozenset({"timestamp", "input_length", "output_length", "hash_ids"})


def is_mooncake(record: Mapping[str, Any]) -> bool:
    """Its rows hold its four keys and no other."""
    return record.keys() == KEYS


class MooncakeReader(RowPerRecord):
    """Turns one Mooncake object into a row. `hash_ids` cover the whole prompt, so the last block may be partial."""

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        fields = Fields(record)
        for key in sorted(KEYS):
            if not fields.has(key):
                raise bad_field(key, "to find it in every Mooncake row (or pass --format canonical)", None)
        input_length = fields.tokens("input_length") or 0
        hash_ids = fields.ids("hash_ids") or ()
        _check_count(len(hash_ids), input_length)
        row = TraceRow(
            request_id=str(line),
            timestamp_ms=fields.ms("timestamp"),
            input_length=self.clamp(input_length),
            output_length=self.length(fields, "output_length"),
            hash_ids=hash_ids,
            unknown=fields.left(),
        )
        _check_is_no_more(row)
        return row


def _check_is_no_more(row: TraceRow) -> None:
    """A foreign key may be kept and ignored; one that means something to us must not be lost in silence."""
    for key in row.unknown:
        if key in CANONICAL_KEYS:
            raise BadRow(f"field `{key}`: expected no such key in a Mooncake row; pass --format canonical to use it")


def _check_count(blocks: int, input_length: int) -> None:
    expected = -(-input_length // DEFAULT_BLOCK_TOKENS)
    if blocks != expected:
        raise BadRow(
            f"field `hash_ids`: expected {expected} ids, one for each {DEFAULT_BLOCK_TOKENS} tokens of "
            f"`input_length` {input_length} (rounded up), found {blocks}"
        )
