"""A recipe with some of its keys changed, as a file of its own: what a sweep over parallelism or flags launches."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.launch.recipe import NO_HARDWARE, Recipe
from imaxproxy.launch.recipe_reader import recipe_of, whole_document
from imaxproxy.launch.recipe_text import RecipeText


def vary(base: str | Path, changes: Mapping[tuple[str, ...], Any], path: Path) -> tuple[Recipe, str]:
    """The recipe `base` with keys set against it, and the TOML text that says so, meant to be written to `path`.

    changes: {("parallel", "tp"): 2}. gpu.count follows the split unless it is set too. Raises UsageError for a base
    that is none, and for what no recipe may say.
    """
    document = whole_document(base)
    for keys, value in changes.items():
        _put(document, keys, value)
    if ("gpu", "count") not in changes and document["gpu"]["kind"] not in NO_HARDWARE:
        document["gpu"]["count"] = _gpus(document)
    text = toml_text(document)
    return recipe_of(RecipeText(path, tuple(text.split("\n")), document)), text


def toml_text(document: Mapping[str, Any]) -> str:
    """A recipe's TOML: its plain keys first, then a table each, what is deeper inline."""
    plain = [f"{_key(name)} = {_value(value)}" for name, value in document.items() if not isinstance(value, dict)]
    tables = [
        [f"\n[{_key(name)}]", *(f"{_key(key)} = {_value(value)}" for key, value in table.items())]
        for name, table in document.items()
        if isinstance(table, dict)
    ]
    return "\n".join([*plain, *(line for table in tables for line in table)]) + "\n"


def _put(document: dict[str, Any], keys: tuple[str, ...], value: object) -> None:
    table: Any = document
    for number, key in enumerate(keys[:-1], start=1):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise UsageError(f"{'.'.join(keys)}: {'.'.join(keys[:number])} is no table")
    if isinstance(table.get(keys[-1]), dict) and not isinstance(value, dict):
        raise UsageError(f"{'.'.join(keys)} is a table: set its keys")
    table[keys[-1]] = value


def _gpus(document: dict[str, Any]) -> object:
    """As `Recipe.wanted_gpus`; what stands there where a part is no number, so that the reader may say so."""
    split, apart = document.get("parallel", {}), document.get("disaggregated")
    numbers = {name: split.get(name, 1) for name in ("tp", "pp", "dp")}
    if apart is not None:
        numbers |= {name: apart.get(name, 1) for name in ("prefill_workers", "prefill_tp", "decode_workers")}
    if not all(type(number) is int for number in numbers.values()):
        return document["gpu"]["count"]
    if apart is None:
        return numbers["tp"] * numbers["pp"] * numbers["dp"]
    decode = numbers["decode_workers"] * numbers["tp"] * numbers["pp"]
    return numbers["prefill_workers"] * numbers["prefill_tp"] + decode


def _key(name: str) -> str:
    bare = name and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
    return name if bare else _text(name)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case date():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            return f"{{ {', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())} }}" if value else "{}"
    return repr(value)


def _text(text: str) -> str:
    """JSON's strings are TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
