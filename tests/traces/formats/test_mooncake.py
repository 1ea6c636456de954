from typing import Any

import pytest

from imaxproxy.traces.fields import BadRow
from imaxproxy.traces.formats.mooncake import MooncakeReader

GOOD: dict[str, Any] = {"timestamp": 27_482, "input_length": 6_955, "output_length": 52, "hash_ids": list(range(14))}


def test_reads_the_four_fields() -> None:
    row = MooncakeReader({}).row(dict(GOOD), line=7)
    assert (row.request_id, row.timestamp_ms, row.input_length, row.output_length) == ("7", 27_482.0, 6_955, 52)
    assert row.hash_ids == tuple(range(14))
    assert (row.block_size, row.hash_id_scope, row.output_mode, row.session_id) == (512, "global", "exact", None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"timestamp": None}, "field `timestamp`: expected to find it in every Mooncake row"),
        ({"timestamp": "0"}, 'field `timestamp`: expected milliseconds from 0 to 1e+13, found "0"'),
        ({"timestamp": -1}, "field `timestamp`: expected milliseconds from 0 to 1e+13, found -1"),
        ({"timestamp": 1_700_000_000_000_000}, "field `timestamp`: expected milliseconds"),  # unix us
        ({"timestamp": True}, "field `timestamp`: expected milliseconds"),
        ({"input_length": 1.5}, "field `input_length`: expected a whole number of tokens from 0 to 10000000"),
        ({"input_length": -512}, "field `input_length`"),
        ({"input_length": 10**9}, "field `input_length`"),
        ({"output_length": "52"}, "field `output_length`"),
        ({"output_length": False}, "field `output_length`"),
        ({"hash_ids": "0,1"}, 'field `hash_ids`: expected a list of whole numbers, none negative, found "0,1"'),
        ({"hash_ids": [1] * 13 + [-1]}, "field `hash_ids`"),
        ({"hash_ids": [1] * 13 + [1.5]}, "field `hash_ids`"),
        ({"hash_ids": [1] * 13 + [True]}, "field `hash_ids`"),
        ({"hash_ids": [1] * 13}, "field `hash_ids`: expected 14 ids, one for each 512 tokens of `input_length` 6955"),
        ({"hash_ids": [1] * 15}, "found 15"),
        ({"session_id": "a"}, "field `session_id`: expected no such key in a Mooncake row; pass --format canonical"),
    ],
)
def test_a_bad_row_names_the_field(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRow) as caught:
        MooncakeReader({}).row(GOOD | change, line=1)
    assert says in str(caught.value)


def test_zero_lengths_are_read_as_one_and_counted() -> None:
    reader = MooncakeReader({})
    row = reader.row({"timestamp": 0, "input_length": 0, "output_length": 0, "hash_ids": []}, line=1)
    assert (row.input_length, row.output_length, reader.clamped) == (1, 1, 2)


def test_foreign_keys_are_kept() -> None:
    assert MooncakeReader({}).row(GOOD | {"color": "red"}, line=1).unknown == {"color": "red"}
