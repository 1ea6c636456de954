import orjson
import pytest

from imaxproxy.wire.event_json import load_json


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":"\\ud83d"}', {"a": "?"}),
        (b'{"\\uDE00":[1, "x\\udE00y"], "b":2}', {"?": [1, "x?y"], "b": 2}),
        (b'"\\ud83d\\ude00\\ud83d"', "\U0001f600?"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'{"a":1}', {"a": 1}),
    ],
)
def test_half_a_character_is_one(data: bytes, value: object) -> None:
    assert load_json(data) == value


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"a":"\\ud83d"', b'"\\ud83d" 1', b'["\\ud83d", NaN]', b"[" * 100_000 + b'"\\ud83d"', b"\xff"]
)
def test_what_is_no_json_is_none(data: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        load_json(data)
