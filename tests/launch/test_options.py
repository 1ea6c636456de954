import json

from imaxproxy.launch.options import merged, options_text, put


def test_a_key_is_put_at_its_path() -> None:
    options: dict[str, object] = {"a": {"x": 1}}
    put(options, "a.b", 2)
    put(options, ".c", 3)
    assert options == {"a": {"x": 1, "b": 2}, "c": 3}


def test_tables_are_merged_key_by_key_and_lists_are_not() -> None:
    ours, theirs = {"a": {"x": 1, "y": [1, 2]}, "b": 1}, {"a": {"y": [3]}, "c": {"z": 1}}
    assert merged(ours, theirs) == {"a": {"x": 1, "y": [3]}, "b": 1, "c": {"z": 1}}
    assert ours == {"a": {"x": 1, "y": [1, 2]}, "b": 1}


def test_the_text_null_is_null() -> None:
    said = json.loads(options_text({"a": "null", "b": ["null", {"c": "null"}], "d": "nullish"}))
    assert said == {"a": None, "b": [None, {"c": None}], "d": "nullish"}
