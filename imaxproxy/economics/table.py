"""hardware.toml, read once: GPUs, generations of prices, quotes, capital cost, an owner's defaults."""

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("hardware.toml")


@cache
def table() -> dict[str, Any]:
    """The whole of it, as TOML has it."""
    return tomllib.loads(_FILE.read_text("utf-8"))


def day(value: date | str | None) -> str | None:
    """A date as it is printed: 2026-08-14, or 2026-06 or 2026 where no day is known."""
    return value.isoformat() if isinstance(value, date) else value
