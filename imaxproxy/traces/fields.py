"""The fields of one JSON object, taken out one by one with a check of type and range."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

MAX_TOKENS = 10_000_000
"""The longest prompt reported for a public trace is 3.4 million tokens (Exgentic v2); beyond this the unit is wrong."""
MAX_MS = 1e13
"""Over 300 years. A unix time in ms stays below it, one in microseconds or nanoseconds does not."""
MAX_ID = 2**64 - 1
_EXACT_FLOAT = 2**53

_SHOWN_CHARACTERS = 60

T = TypeVar("T")


class BadRow(Exception):
    """This line cannot be used, and why. The reader, which knows file and line, tells the user or counts it."""

    def __init__(self, why: str, field: str | None = None, found: object = None) -> None:
        super().__init__(why)
        self.field, self.found = field, found


def bad_field(name: str, expected: str, found: object) -> BadRow:
    """The one shape of every complaint about a field."""
    return BadRow(f"field `{name}`: expected {expected}, found {_shown(found)}", name, found)


class Fields:
    """Takes fields out of a JSON object; what is left at the end is what nobody knew. A JSON null counts as absent."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._record = record

    def has(self, name: str) -> bool:
        return self._record.get(name) is not None

    def left(self) -> dict[str, Any]:
        """The fields that were not taken."""
        return self._record

    def text(self, name: str) -> str | None:
        return self._checked(name, "text", str)

    def name(self, name: str) -> str | None:
        """Text that stands in our messages and reports: one line, not empty."""
        found = self._record.get(name)
        if isinstance(found, str) and len(found.splitlines()) != 1:
            raise bad_field(name, "text of one line", found)
        return self.text(name)

    def choice(self, name: str, choices: tuple[T, ...]) -> T | None:
        """One of a few words."""
        found = self._record.pop(name, None)
        if found is None:
            return None
        for choice in choices:
            if found == choice:
                return choice
        raise bad_field(name, " or ".join(f'"{choice}"' for choice in choices), found)

    def whole(self, name: str, least: int, most: int, unit: str = "") -> int | None:
        """A whole number; 512.0 is one too, as in JSON Schema."""
        found = self._record.pop(name, None)
        value = int(found) if type(found) is float and found.is_integer() and abs(found) < _EXACT_FLOAT else found
        if value is None:
            return None
        if type(value) is not int or not least <= value <= most:
            raise bad_field(name, f"a whole number{unit} from {least} to {most}", found)
        return value

    def tokens(self, name: str) -> int | None:
        return self.whole(name, 0, MAX_TOKENS, " of tokens")

    def ms(self, name: str) -> float | None:
        found = self._record.pop(name, None)
        if found is None:
            return None
        if type(found) not in (int, float) or not math.isfinite(found) or not 0 <= found <= MAX_MS:
            raise bad_field(name, f"milliseconds from 0 to {MAX_MS:g}", found)
        return float(found)

    def seconds_as_ms(self, name: str) -> float | None:
        """Seconds in the file, milliseconds from here on."""
        found = self._record.pop(name, None)
        if found is None:
            return None
        if type(found) not in (int, float) or not math.isfinite(found) or not 0 <= found <= MAX_MS / 1000:
            raise bad_field(name, f"seconds from 0 to {MAX_MS / 1000:g}", found)
        return round(float(found) * 1000.0, 6)  # to the nanosecond: 0.046636 s is 46.636 ms, not 46.635999999999996

    def key(self, name: str) -> str:
        """An identifier that must be there: text of one line, or a whole number; given as text."""
        found = self._record.get(name)
        if type(found) is int:
            self._record.pop(name)
            return str(found)
        named = self.name(name)
        if named is None:
            raise bad_field(name, "text or a whole number", None)
        return named

    def ids(self, name: str) -> tuple[int, ...] | None:
        """A list of block hashes or token ids."""
        found = self._checked(name, "a list of whole numbers, none negative", list, _are_ids)
        return None if found is None else tuple(found)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self._checked(name, "a list of texts", list, _are(str)) or ())

    def objects(self, name: str) -> tuple[dict[str, Any], ...]:
        return tuple(self._checked(name, "a list of objects", list, _are(dict)) or ())

    def mapping(self, name: str) -> dict[str, Any] | None:
        return self._checked(name, "an object", dict)

    def _checked(
        self, name: str, expected: str, kind: type[T], valid: Callable[[list[Any]], bool] | None = None
    ) -> T | None:
        found = self._record.pop(name, None)
        if found is None:
            return None
        if not isinstance(found, kind) or (isinstance(found, list) and valid is not None and not valid(found)):
            raise bad_field(name, expected, found)
        return found


def _are_ids(values: list[Any]) -> bool:
    return not values or (set(map(type, values)) == {int} and min(values) >= 0 and max(values) <= MAX_ID)


def _are(kind: type) -> Callable[[list[Any]], bool]:
    return lambda values: all(isinstance(value, kind) for value in values)


def _shown(found: object) -> str:
    text = "nothing" if found is None else " ".join(orjson.dumps(found).decode().splitlines())  # U+0085 is a line end
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
