from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import UsageError
from imaxproxy.traces import History, Prompts, TraceRow, build_request
from imaxproxy.traces.canonical import ALIASES, KEYS, CanonicalReader
from imaxproxy.traces.fields import BadRow, Fields
from imaxproxy.traces.formats.mooncake import MooncakeReader

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9_000) | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
records = st.dictionaries(st.sampled_from(sorted({*KEYS, *ALIASES, "role", "tool_wait_after_ms"})), json_values)


@contextmanager
def one_line_complaints() -> Iterator[None]:
    try:
        yield
    except (BadRow, UsageError) as error:
        if len(str(error).splitlines()) != 1:
            raise AssertionError("a complaint is one line") from error


@given(records)
def test_no_json_object_gets_anything_but_a_row_or_a_complaint_out_of_us(record: dict[str, object]) -> None:
    for reader in (CanonicalReader({}), MooncakeReader({})):
        with one_line_complaints():
            row = reader.row(orjson.loads(orjson.dumps(record)), line=1)
            assert isinstance(row, TraceRow)
            build_request(row, model="m", prompts=Prompts(1), history=History())


@pytest.mark.parametrize("found", [512, 512.0])
def test_a_whole_number_may_be_written_as_a_float(found: float) -> None:
    value = Fields({"a": found}).tokens("a")
    assert value == 512
    assert type(value) is int


def test_a_long_finding_is_cut() -> None:
    with pytest.raises(BadRow) as caught:
        Fields({"a": "x" * 10_000}).tokens("a")
    assert len(str(caught.value)) < 200


def test_what_is_taken_is_gone() -> None:
    fields = Fields({"a": "1", "b": "2", "c": None})
    assert (fields.text("a"), fields.text("missing"), fields.has("b"), fields.has("c")) == ("1", None, True, False)
    assert fields.left() == {"b": "2", "c": None}
