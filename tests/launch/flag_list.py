"""An engine's complete list of command-line flags, recorded from its own parser, and a check of an argv against it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from imaxproxy.launch import Process, Recipe

DATA = Path(__file__).parents[1] / "data" / "engines"
_SWITCHES = ("BooleanOptionalAction", "_StoreTrueAction", "DeprecatedStoreTrueAction", "DeprecatedStoreConstAction")


@dataclass(frozen=True)
class FlagList:
    """Flags as argparse (or click) knows them."""

    options: dict[str, dict[str, Any]]
    head: int
    """Words of the argv before the first flag or positional: interpreter, module, subcommand."""
    positionals: int
    """Words that must follow them: the model, where it is no flag."""

    def check(self, argv: Sequence[str]) -> None:
        """Raises AssertionError for a flag the engine does not have, a value it would refuse, a stray word."""
        words = list(argv[self.head + self.positionals :])
        seen: set[str] = set()
        while words:
            flag = words.pop(0)
            assert flag in self.options, f"no such flag: {flag}"
            option = self.options[flag]
            assert option["flags"][0] not in seen, f"given twice: {flag}"
            seen.add(option["flags"][0])
            values = []
            while words and not words[0].startswith("--"):
                values.append(words.pop(0))
            self._check_values(flag, option, values)

    def _check_values(self, flag: str, option: dict[str, Any], values: list[str]) -> None:
        if option["action"] in _SWITCHES:
            assert not values, f"{flag} is a switch, not {values}"
            return
        many = option["nargs"] in ("+", "*")
        assert len(values) == 1 or (many and values), f"{flag} takes a value, not {values}"
        for value in values:
            _parse(flag, option["type"], value)
            assert not option["choices"] or value in map(str, option["choices"]), f"{flag}: {value} is no choice"


def _parse(flag: str, kind: str | None, value: str) -> None:
    """As the engine would."""
    try:
        if kind == "int":
            int(value)
        elif kind == "float":
            float(value)
        elif kind in ("loads", "parse_dataclass"):
            json.loads(value)
        elif kind and kind.startswith("human_readable_int"):
            int(value)  # it also takes 1k; our recipes write numbers out
    except ValueError as error:
        raise AssertionError(f"{flag}: {value!r} is no {kind}") from error


@cache
def _options(name: str) -> dict[str, dict[str, Any]]:
    rows = json.loads((DATA / f"flags-{name}.json").read_text("utf-8"))
    return {flag: row for row in rows for flag in row["flags"]}


def flag_list_of(recipe: Recipe, process: Process) -> FlagList:
    """The list for one process of a recipe."""
    name, backend = recipe.engine.name, recipe.engine.backend
    if name == "vllm":
        return FlagList(_options("vllm-0.32.0"), head=4, positionals=1)
    if name == "sglang":
        return FlagList(_options("sglang-0.5.23"), head=3, positionals=0)
    if name == "trtllm":
        return FlagList(_options("trtllm-1.3"), head=4, positionals=1)
    if name == "llamacpp":
        return FlagList(_options("llama-server-0.3.36"), head=1, positionals=0)
    if name == "transformers":
        return FlagList(_options("transformers-5.19"), head=4, positionals=1)
    assert name == "dynamo"
    if process.name == "frontend":
        return FlagList(_options("dynamo-frontend-1.6.1"), head=3, positionals=0)
    # Its workers also take all that their engine does, but for TensorRT-LLM's.
    own = _options(f"dynamo-{backend}-1.6.1")
    theirs = {"vllm": "vllm-0.32.0", "sglang": "sglang-0.5.23"}.get(str(backend))
    return FlagList({**(_options(theirs) if theirs else {}), **own}, head=3, positionals=0)
