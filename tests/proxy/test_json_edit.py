import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.proxy.json_edit import TOKEN_LIMIT, find_member, find_members, replaced, with_member, without_member

_TEXT = st.text(max_size=8) | st.sampled_from(["model", "{", "}", '"', "\\", '\\"model":', "[", ","])
_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=12,
)


def value_of(body: bytes, key: str = "model") -> bytes | None:
    span = find_member(body, key)
    return None if span is None else body[span.start : span.end]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"model":"m"}', b'"m"'),
        (b' {"a": 1 , "model" :\n"m" , "b":2} ', b'"m"'),
        (b'{"model":null}', b"null"),
        (b'{"model":-1.5e3,"b":1}', b"-1.5e3"),
        (b'{"model":{"a":[1,{"b":"}"}]},"c":1}', b'{"a":[1,{"b":"}"}]}'),
        (b'{"model":[]}', b"[]"),
        (b'{"messages":[{"model":"inner"}],"model":"m"}', b'"m"'),
        (b'{"prompt":"\\"model\\":\\"x\\"","model":"m"}', b'"m"'),
        (b'{"prompt":"\\\\","model":"m"}', b'"m"'),
        (b'{"a":"model","model":"m"}', b'"m"'),
        (b'{"model":"first","model":"last"}', b'"last"'),
        (b'{"mod\\u0065l":"m"}', b'"m"'),
        (b'{"messages":[{"model":"inner"}]}', None),
        (b'{"a":"model"}', None),
        (b"{}", None),
        (b'[{"model":"m"}]', None),
        (b'"model"', None),
        (b"", None),
        (b'{"model":"m"', None),
        (b'{"model":"m', None),
        (b'{"model":}', None),
        (b'{"mod\\x":"m"}', None),
    ],
)
def test_where_a_member_stands(body: bytes, value: bytes | None) -> None:
    assert value_of(body) == value


@given(members=st.dictionaries(_TEXT, _VALUES, max_size=5), indent=st.sampled_from([None, 2]), ascii=st.booleans())
def test_finds_what_a_parser_finds(members: dict[str, Any], indent: int | None, ascii: bool) -> None:
    try:
        body = json.dumps(members, indent=indent, ensure_ascii=ascii).encode()
    except UnicodeEncodeError:
        return
    for key in {*members, "model"}:
        value = value_of(body, key)
        if key in members:
            assert value is not None
            assert json.loads(value) == members[key]
        else:
            assert value is None


@given(
    body=st.binary(max_size=60) | st.lists(st.sampled_from('{}[]":,\\m1 '), max_size=30).map("".join).map(str.encode)
)
def test_bytes_that_are_no_json_raise_nothing(body: bytes) -> None:
    span = find_member(body, "m")
    assert span is None or 0 < span.start < span.end <= len(body)


def test_only_the_value_changes() -> None:
    body = b'{ "seed": 9007199254740993, "model":"public" ,"temperature":1.0, "x":"\\u00e9" }\n'
    span = find_member(body, "model")
    assert span is not None
    assert replaced(body, span, 'engine/"é"') == body.replace(b'"public"', '"engine/\\"é\\""'.encode())


@pytest.mark.parametrize(
    ("body", "longer"),
    [
        (b"{}", b'{"a":{"b":true}}'),
        (b'{ "x": 1 }\n', b'{ "x": 1 ,"a":{"b":true}}\n'),
    ],
)
def test_one_more_member(body: bytes, longer: bytes) -> None:
    assert with_member(body, "a", {"b": True}) == longer
    assert orjson.loads(longer)["a"] == {"b": True}


@pytest.mark.parametrize(
    ("body", "shorter"),
    [
        (b'{"a":1}', b"{}"),
        (b'{"a":1,"b":2}', b'{"b":2}'),
        (b'{ "b":{"a":3} , "a" : [1,{"x":"}"}] }', b'{ "b":{"a":3}  }'),
        (b'{"b":":,","a": "x:y,\\" " ,"c":3}', b'{"b":":," ,"c":3}'),
        (b'{"\\u0061": null ,\n "b":2}', b'{"b":2}'),
        (b'{"a":1,"b":2,"a":3}', b'{"a":1,"b":2}'),
        (b'{"b":2}', b'{"b":2}'),
    ],
)
def test_one_member_less(body: bytes, shorter: bytes) -> None:
    assert without_member(body, "a") == shorter
    orjson.loads(shorter)


@given(members=st.dictionaries(_TEXT, _VALUES, max_size=5), at=st.integers(0, 4), indent=st.sampled_from([None, 2]))
def test_a_parser_misses_that_member_only(members: dict[str, Any], at: int, indent: int | None) -> None:
    items = [(key, value) for key, value in members.items() if key != "gone"]
    items.insert(min(at, len(items)), ("gone", members))
    assert json.loads(without_member(json.dumps(dict(items), indent=indent).encode(), "gone")) == dict(
        item for item in items if item[0] != "gone"
    )


def test_a_hostile_body_costs_its_length_and_no_more() -> None:
    """Half an escape, a million brackets: neither recursion nor backtracking."""
    assert find_member(b'{"a":"' + b"\\" * 1_000_001, "model") is None
    assert find_member(b'{"a":' + b"[" * 1_000_000, "model") is None


def test_many_members_in_one_pass() -> None:
    body = b'{"user":"u","messages":[{"user":"x"}],"n":1,"user":"v","z":{}}'
    found = {key: body[slice(*span)] for key, span in find_members(body, "user", "messages", "n", "none", "z").items()}
    assert found == {"user": b'"v"', "messages": b'[{"user":"x"}]', "n": b"1", "z": b"{}"}


def test_a_body_of_brackets_is_not_searched_to_its_end() -> None:
    assert value_of(b'{"model":"m","x":[' + b"[]," * 1000 + b"[]]}") == b'"m"'
    assert value_of(b'{"model":"m","x":[' + b"[]," * TOKEN_LIMIT + b"[]]}") is None
