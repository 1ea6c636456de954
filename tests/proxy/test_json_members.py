import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.proxy.json_members import Member, members, named, with_behind, without

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)
SPACING = st.sampled_from([None, 2])


def text(value: object, indent: int | None) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=indent is None).encode(errors="surrogatepass")


@given(OBJECTS, SPACING)
def test_each_member_is_where_it_says(value: dict[str, Any], indent: int | None) -> None:
    data = text(value, indent)
    found = members(data)
    assert [member.name for member in found] == list(value)
    assert {one.name: json.loads(data[one.value_start : one.end]) for one in found} == value


@given(OBJECTS, SPACING, st.data())
def test_taking_one_out_leaves_all_others(value: dict[str, Any], indent: int | None, data: st.DataObject) -> None:
    if not value:
        return
    name = data.draw(st.sampled_from(list(value)))
    member = named(text(value, indent), name)
    assert member is not None
    left = json.loads(without(text(value, indent), member))
    assert list(left.items()) == [item for item in value.items() if item[0] != name]
    assert json.loads(with_behind(text(value, indent), [b'"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9":1'])) == {
        **value,
        "é" * 5: 1,
    }


def test_of_twins_the_last_counts() -> None:
    data = b'{"a":{"a":1},"a" : [2] , "\\u0061":3}'
    assert [member.name for member in members(data)] == ["a", "a", "a"]
    assert named(data, "a") == Member("a", 25, 34, 35)
    assert named(data, "b") is None
    assert [member.name for member in members(data, 5)] == ["a"]  # of the object inside
