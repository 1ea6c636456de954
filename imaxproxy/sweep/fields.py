"""What may stand at each key of a sweep's spec."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imaxproxy.sweep.point import REAL, SIMULATE, VIRTUAL

SCHEMA = "imaxproxy.sweep/1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Field:
    """What may stand at one key."""

    expected: str
    accepts: Callable[[Any], bool]


def is_name(text: str) -> bool:
    """Names become folders."""
    return _NAME.fullmatch(text) is not None


def _is_whole(value: object, least: int, most: int = 10**9) -> bool:
    return type(value) is int and least <= value <= most


def _is_number(value: Any) -> bool:  # noqa: ANN401 (TOML)
    return type(value) in (int, float) and math.isfinite(value)


def _are_loads(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, list) and bool(value) and all(map(accepts, value)) and len(set(value)) == len(value)
    )


_TEXT = Field("a text", lambda value: isinstance(value, str) and bool(value.strip()))
_TABLE = Field("a table", lambda value: isinstance(value, dict))
_COUNT = Field("a whole number of 1 or more", lambda value: _is_whole(value, 1))
_MODE = Field(
    f"one of {VIRTUAL}, {SIMULATE}, {REAL}", lambda value: isinstance(value, str) and value in (VIRTUAL, SIMULATE, REAL)
)
_LOADS = {
    "concurrency": Field(
        "a list of different whole numbers of 1 or more, [4, 8, 16]", _are_loads(lambda value: _is_whole(value, 1))
    ),
    "rate": Field(
        "a list of different requests/s above 0, [0.5, 1, 2]",
        _are_loads(lambda value: _is_number(value) and value > 0),
    ),
}

FIELDS: dict[str, dict[str, Field]] = {
    "": {
        "schema": Field(f'"{SCHEMA}"', lambda value: value == SCHEMA),
        "title": _TEXT,
        "source": _TEXT,
        "mode": _MODE,
        **_LOADS,
        "repeats": Field("a whole number from 1 to 100", lambda value: _is_whole(value, 1, 100)),
        "flags": Field("a table of replay's flags", _TABLE.accepts),
        "workload": Field("tables, [workload.NAME]", _TABLE.accepts),
        "recipe": Field("tables, [recipe.NAME]", _TABLE.accepts),
    },
    "workload": {
        "trace": _TEXT,
        "input_length": _COUNT,
        "output_length": _COUNT,
        "range_ratio_low": Field("a share above 0, at most 1", lambda value: _is_number(value) and 0 < value <= 1),
        "requests": _COUNT,
        "warmups": Field("a whole number of 0 or more", lambda value: _is_whole(value, 0)),
        "seed": Field("a whole number of 0 or more", lambda value: _is_whole(value, 0)),
    },
    "recipe": {
        "engine": _TEXT,
        "url": _TEXT,
        "model": _TEXT,
        "gpu": _TEXT,
        "gpus": _COUNT,
        "mode": _MODE,
        **_LOADS,
        "workloads": Field(
            "a list of workloads' names",
            lambda value: isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value),
        ),
        "set": Field("a table of the recipe's keys", _TABLE.accepts),
        "flags": Field("a table of replay's flags", _TABLE.accepts),
    },
}
"""Table ("" for the top) and its keys."""
