"""TensorRT-LLM's options: nested tables, merged, and written to the file that --extra_llm_api_options names."""

import json
from typing import Any

NULL = "null"
"""TOML has no null: this text in a recipe's options stands for it."""


def put(options: dict[str, Any], path: str, value: object) -> None:
    """Set the key at a dotted path, making the tables on the way."""
    *tables, key = path.strip(".").split(".")
    for table in tables:
        options = options.setdefault(table, {})
    options[key] = value


def merged(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Options over options, key by key through all tables; `theirs` goes before."""
    both = {**ours, **theirs}
    for key in ours.keys() & theirs.keys():
        if isinstance(ours[key], dict) and isinstance(theirs[key], dict):
            both[key] = merged(ours[key], theirs[key])
    return both


def options_text(options: dict[str, Any]) -> str:
    """The file's text. JSON is YAML too, and leaves no doubt what is a number and what a text."""
    return json.dumps(_with_nulls(options), indent=2) + "\n"


def _with_nulls(value: Any) -> Any:  # noqa: ANN401 (TOML)
    if isinstance(value, dict):
        return {key: _with_nulls(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_nulls(one) for one in value]
    return None if value == NULL else value
