"""Named length distributions of real traces, and how a spec's key becomes a distribution."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.traces.generate.distribution import Distribution, parse_distribution
from imaxproxy.traces.generate.table import Table


@cache
def presets() -> dict[str, dict[str, Any]]:
    """Name -> `about`, `source` and the distributions of `input`, `output` and perhaps `reasoning_ratio`."""
    return tomllib.loads(Path(__file__).with_name("presets.toml").read_text(encoding="utf-8"))


def take_distribution(table: Table, name: str, default: Any = None, *, field: str | None = None) -> Distribution:  # noqa: ANN401
    """The distribution under this key: a number, a table, or a preset's name, of which the field `name` is meant.

    default: what the key's absence stands for; None makes the key a must. Raises UsageError.
    """
    value = table.raw(name, default)
    where = f"{table.where}: `{name}`"
    if value is None:
        raise UsageError(f"{where}: expected a number, a preset's name or a table with `distribution`, found nothing")
    return parse_distribution(_of_preset(value, field or name, where) if isinstance(value, str) else value, where)


def _of_preset(name: str, field: str, where: str) -> dict[str, Any]:
    found = presets().get(name)
    if found is None:
        raise UsageError(f"{where}: no preset {name}; there are {', '.join(presets())}")
    if field not in found:
        raise UsageError(f"{where}: the preset {name} has no {field}")
    distribution: dict[str, Any] = found[field]
    return distribution
