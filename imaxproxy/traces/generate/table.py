"""One table of a spec: values taken out with a check each; what is left at the end is a mistake of the user's."""

import math
from typing import Any

from imaxproxy.errors import UsageError

_LARGEST = 1e15
"""TOML has whole numbers of any size, and nan."""


class Table:
    """A TOML table that knows its place: every complaint names file and key."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self._values = dict(values)
        self.where = where

    def has(self, name: str) -> bool:
        return name in self._values

    def number(self, name: str, default: float | None = None, *, least: float = 0.0, most: float = math.inf) -> float:
        found = self._take(name, default)
        if type(found) not in (int, float) or not max(least, -_LARGEST) <= found <= min(most, _LARGEST):
            raise self.wrong(name, f"a number from {least:g}{'' if most == math.inf else f' to {most:g}'}", found)
        return float(found)

    def whole(self, name: str, default: int | None = None, *, least: int = 0, most: int = 10**9) -> int:
        found = self._take(name, default)
        if type(found) is not int or not least <= found <= most:
            raise self.wrong(name, f"a whole number from {least} to {most}", found)
        return found

    def text(self, name: str, default: str | None = None) -> str:
        found = self._take(name, default)
        if not isinstance(found, str) or not found:
            raise self.wrong(name, "text", found)
        return found

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        found = self._take(name, default)
        if found not in choices:
            raise self.wrong(name, " or ".join(f'"{choice}"' for choice in choices), found)
        return str(found)

    def flag(self, name: str, default: bool) -> bool:
        found = self._take(name, default)
        if not isinstance(found, bool):
            raise self.wrong(name, "true or false", found)
        return found

    def table(self, name: str) -> "Table":
        """A table under this one; empty where there is none."""
        found = self._take(name, {})
        if not isinstance(found, dict):
            raise self.wrong(name, "a table", found)
        return Table(found, f"{self.where}: [{name}]" if ": [" not in self.where else f"{self.where[:-1]}.{name}]")

    def tables(self, name: str) -> list["Table"]:
        found = self._take(name, None)
        if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
            raise self.wrong(name, "a list of tables", found)
        return [Table(each, f"{self.where}: {name}[{number}]") for number, each in enumerate(found)]

    def raw(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 (whatever TOML holds)
        return self._take(name, default)

    def names(self) -> list[str]:
        """The keys that nobody took yet."""
        return list(self._values)

    def close(self) -> None:
        """Raises UsageError for a key that nobody took: a misspelt one would otherwise be ignored in silence."""
        if self._values:
            raise UsageError(
                f"{self.where}: unknown key `{next(iter(self._values))}`; leave it out, or see docs/traces.md"
            )

    def wrong(self, name: str, expected: str, found: object) -> UsageError:
        shown = "nothing" if found is None else repr(found)[:60]
        return UsageError(f"{self.where}: `{name}`: expected {expected}, found {shown}")

    def _take(self, name: str, default: Any) -> Any:  # noqa: ANN401
        return self._values.pop(name, default)
