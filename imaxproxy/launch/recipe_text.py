"""The text of a recipe file: its TOML, and the line where each key stands."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError

_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class RecipeText:
    """One file, parsed; knows no schema."""

    path: Path
    lines: tuple[str, ...]
    document: dict[str, Any]

    def line_of(self, keys: Sequence[str]) -> int:
        """The line, from 1, where this key is first said; if it is not there, where the table around it begins; else 1.

        tomllib keeps no lines, so they are found by parsing ever more of the file: a key stands where the first piece
        that holds it begins, however it is written (dotted, quoted, inline, over several lines).
        """
        for depth in range(len(keys), 0, -1):
            line = self._first_line_with(keys[:depth])
            if line is not None:
                return line
        return 1

    def _first_line_with(self, keys: Sequence[str]) -> int | None:
        if not _holds(self.document, keys):
            return None
        begins = 1
        for count in range(1, len(self.lines) + 1):
            try:
                piece = tomllib.loads("\n".join(self.lines[:count]))
            except tomllib.TOMLDecodeError:
                continue  # in the middle of a value
            if _holds(piece, keys):
                return begins
            begins = count + 1
        return None


def read_recipe_text(path: Path, noun: str = "recipe") -> RecipeText:
    """noun: what the file is, for people. Raises UsageError that names the file and the line."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {noun} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: a {noun} is UTF-8 text: {error.reason}") from error
    lines = tuple(text.split("\n"))
    try:
        return RecipeText(path, lines, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        line = int(at[1]) if at else len(lines)  # "at end of document"
        raise UsageError(f"{path}:{line}: not TOML: {_AT_LINE.sub('', str(error))}") from error


def _holds(document: object, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True
