from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.traces import TraceRow, canonical_header, canonical_line
from imaxproxy.traces.canonical import CanonicalReader
from imaxproxy.traces.fields import BadRow


def read(record: dict[str, Any], line: int = 1, **header: Any) -> TraceRow:  # noqa: ANN401
    return CanonicalReader(header).row(dict(record), line)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({}, "field `input_length`: expected one of `input_length`, `body`, `messages`, `prompt` or `text_input`"),
        ({"timestamp": 5}, "found none of them"),
        ({"input_length": -1}, "field `input_length`: expected a whole number of tokens from 0 to 10000000, found -1"),
        ({"input_length": "12"}, 'found "12"'),
        ({"input_length": 1, "request_id": 5}, "field `request_id`: expected text, found 5"),
        ({"input_length": 1, "session_id": "a\nb"}, "field `session_id`: expected text of one line"),
        ({"input_length": 1, "request_id": ""}, "field `request_id`: expected text of one line"),
        ({"input_length": 1, "turn": -1}, "field `turn`"),
        ({"input_length": 1, "wait_for": "a"}, "field `wait_for`: expected a list of texts"),
        ({"input_length": 1, "wait_for": [1]}, "field `wait_for`"),
        ({"input_length": 1, "delay": -0.5}, "field `delay`: expected milliseconds"),
        ({"input_length": 1, "tool_wait_ms": []}, "field `tool_wait_ms`"),
        ({"input_length": 1, "tool_wait_after_ms": 5}, "field `session_id`: expected text, because"),
        ({"input_length": 1, "output_length": 2, "reasoning_length": 3}, "`reasoning_length`: expected at most"),
        ({"input_length": 1024, "hash_ids": [1]}, "field `hash_ids`: expected 2 or 2 ids (512 tokens a block"),
        ({"input_length": 1000, "hash_ids": [1], "block_size": 64}, "expected 15 or 16 ids"),
        ({"input_length": 10, "block_size": 0}, "field `block_size`"),
        ({"input_length": 10, "hash_id_scope": "world"}, 'field `hash_id_scope`: expected "global" or "session"'),
        ({"input_length": 10, "hash_id_scope": []}, "field `hash_id_scope`"),
        ({"input_length": 10, "hash_ids": [1], "hash_id_scope": "session"}, "field `session_id`"),
        ({"input_length": 10, "prefix_length": 5}, "field `prefix_group`"),
        ({"input_length": 10, "prefix_length": 11, "prefix_group": "a"}, "field `prefix_length`: expected at most"),
        ({"input_length": 10, "output_mode": "exact"}, "field `output_length`: expected tokens"),
        ({"input_length": 10, "output_mode": "some"}, "field `output_mode`"),
        ({"messages": []}, "field `messages`: expected at least one message"),
        ({"messages": "hi"}, "field `messages`: expected a list of objects"),
        ({"messages": [{"content": "hi"}]}, "field `messages`: expected a `role` in each message"),
        ({"messages": [{"role": "user"}], "messages_mode": "delta"}, "field `session_id`"),
        ({"prompt": [1, -2]}, "field `prompt`: expected a list of whole numbers"),
        ({"prompt": {"a": 1}}, "field `prompt`: expected text"),
        ({"text_input": 5}, "field `text_input`"),
        ({"body": []}, "field `body`: expected an object"),
        ({"input_length": 1, "headers": {"a": 1}}, "field `headers`: expected text for `a`"),
        ({"input_length": 1, "extra": 1}, "field `extra`"),
        ({"input_length": 1, "priority": 0.5}, "field `priority`"),
        ({"input_length": 1, "tags": "a"}, "field `tags`"),
    ],
)
def test_a_bad_row_names_field_and_finding(record: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRow) as caught:
        read(record)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("alias", "value", "field", "found"),
    [
        ("custom_id", "a", "request_id", "a"),
        ("input_tokens", 7, "input_length", 7),
        ("output_tokens", 8, "output_length", 8),
        ("created_time", 9, "timestamp_ms", 9.0),
        ("delay_ms", 10, "delay_ms", 10.0),
        ("payload", {"a": 1}, "body", {"a": 1}),
        ("input_text", "hi", "text_input", "hi"),
    ],
)
def test_reads_aliases(alias: str, value: object, field: str, found: object) -> None:
    base = {} if alias in ("input_tokens", "payload", "input_text") else {"input_length": 1}
    row = read(base | {alias: value})
    assert getattr(row, field) == found
    assert row.unknown == {}


def test_an_alias_beside_the_canonical_name_stays_unknown() -> None:
    row = read({"input_length": 5, "input_tokens": 6})
    assert (row.input_length, row.unknown) == (5, {"input_tokens": 6})


def test_unknown_keys_are_kept_and_nulls_are_absent() -> None:
    row = read({"input_length": 5, "reasoning_length": None, "color": "red"}, line=42)
    assert (row.reasoning_length, row.unknown, row.request_id) == (None, {"color": "red"}, "42")


@pytest.mark.parametrize(
    ("record", "mode"),
    [
        ({"input_length": 5, "output_length": 5}, "exact"),
        ({"input_length": 5}, "natural"),  # no length to force
        ({"text_input": "hi", "output_length": 5}, "natural"),
        ({"text_input": "hi", "output_length": 5, "output_mode": "max"}, "max"),
    ],
)
def test_output_mode_follows_what_the_row_brings(record: dict[str, Any], mode: str) -> None:
    assert read(record).output_mode == mode


def test_a_wait_after_a_row_is_the_wait_before_its_sessions_next() -> None:
    reader = CanonicalReader({})
    first = reader.row({"input_length": 1, "session_id": "a", "tool_wait_after_ms": 250}, 1)
    other = reader.row({"input_length": 1, "session_id": "b"}, 2)
    second = reader.row({"input_length": 1, "session_id": "a", "delay": 50}, 3)
    third = reader.row({"input_length": 1, "session_id": "a"}, 4)
    assert [row.tool_wait_ms for row in (first, other, second, third)] == [None, None, 250.0, None]
    assert second.wait_ms == 300.0


@pytest.mark.parametrize(("blocks", "rule"), [(2, "floor"), (3, "ceil")])
def test_hash_ids_may_cover_whole_blocks_or_the_whole_prompt(blocks: int, rule: str) -> None:
    assert len(read({"input_length": 1025, "hash_ids": list(range(blocks))}).hash_ids) == blocks, rule


json_values = st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5) | st.booleans(), max_size=3)
names = st.text(min_size=1, max_size=8).filter(lambda text: len(text.splitlines()) == 1)
unknown_keys = st.dictionaries(st.text(max_size=5).map("x-".__add__), st.integers(-9, 9), max_size=2)
lengths = st.integers(1, 10_000)
times_ms = st.none() | st.floats(0, 1e9)
rows = st.builds(
    TraceRow,
    request_id=names,
    session_id=names,
    turn=st.none() | st.integers(0, 99),
    wait_for=st.lists(st.text(max_size=4), max_size=3).map(tuple),
    timestamp_ms=times_ms,
    delay_ms=times_ms,
    tool_wait_ms=times_ms,
    input_length=lengths,
    output_length=lengths,
    block_size=st.just(512),
    prefix_group=st.none() | names,
    messages=st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": st.text(max_size=5)}), max_size=2).map(
        tuple
    ),
    prompt=st.none() | st.text(max_size=5) | st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4).map(tuple),
    extra=json_values,
    output_mode=st.sampled_from(["exact", "max", "natural"]),
    priority=st.none() | st.integers(-5, 5),
    tags=json_values,
    recorded=json_values,
    unknown=unknown_keys,
)


@given(rows)
def test_what_is_written_reads_back_equal(row: TraceRow) -> None:
    assert read(orjson.loads(canonical_line(row)), line=99) == row


@given(rows)
def test_what_is_written_fits_the_published_schema(row: TraceRow) -> None:
    """The load-bearing part of the schema: names and types that other tools will read."""
    schema = {
        "type": "object",
        "properties": {
            "request_id": {"type": "string"},
            "wait_for": {"type": "array", "items": {"type": "string"}},
            "timestamp": {"type": "number", "minimum": 0},
            "delay": {"type": "number", "minimum": 0},
            "input_length": {"type": "integer", "minimum": 0},
            "messages": {"type": "array", "minItems": 1},
            "timestamp_ms": False,
            "delay_ms": False,
        },
        "anyOf": [{"required": ["input_length"]}],
    }
    jsonschema.validate(orjson.loads(canonical_line(row)), schema)


def test_the_header_line_is_read_by_the_reader() -> None:
    header = orjson.loads(canonical_header({"block_size": 16, "hash_id_scope": "session"}))
    row = CanonicalReader(header).row({"input_length": 16, "hash_ids": [1], "session_id": "a"}, 2)
    assert (row.block_size, row.hash_id_scope) == (16, "session")
