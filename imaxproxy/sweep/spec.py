"""Reads a sweep's spec, with every check that needs no machine, and says which points it means."""

import difflib
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.launch import RecipeText, load_recipe, read_recipe_text, vary
from imaxproxy.sweep.fields import FIELDS, Field, is_name
from imaxproxy.sweep.point import (
    CONCURRENCY,
    RATE,
    SIMULATE,
    URL,
    VIRTUAL,
    Curve,
    Point,
    Variant,
    run_name,
)
from imaxproxy.sweep.workload import Workload
from imaxproxy.traces import trace_sha256
from imaxproxy.traces.file import found

_OWN_FOLDERS = ("recipes", "traces", "engines")
"""Of the sweep's folder: no workload may be called so."""


def load_sweep(name_or_path: Path) -> "SweepSpec":
    """A TOML file, or the name of one that ships in `workloads/`. Raises UsageError that names file, line and field."""
    path = found(name_or_path)
    text = read_recipe_text(path, "sweep")
    if "schema" not in text.document:
        raise UsageError(f"{path}:1: schema is missing: {FIELDS['']['schema'].expected}")
    _Check(text).check()
    return SweepSpec(text)


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """A spec whose fields are checked one by one; `curves` checks recipes and traces."""

    text: RecipeText

    @property
    def path(self) -> Path:
        return self.text.path

    @property
    def title(self) -> str:
        return str(self.text.document.get("title", self.path.stem))

    def error(self, keys: tuple[str, ...], says: str) -> UsageError:
        """About one field of the file."""
        return UsageError(f"{self.path}:{self.text.line_of(keys)}: {'.'.join(keys)}{says}")

    def flags(self, recipe: str) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Where each of replay's flags stands, and its value; the recipe's own go before the sweep's."""
        document = self.text.document
        own = document["recipe"][recipe].get("flags", {})
        for name, value in document.get("flags", {}).items():
            if name not in own:
                yield ("flags", name), value
        for name, value in own.items():
            yield ("recipe", recipe, "flags", name), value

    def curves(self, folder: Path) -> list[Curve]:
        """All points, for a sweep that lies in `folder`. Raises UsageError, naming file and line; writes nothing."""
        made = [
            self._curve(folder, variant, recipe, workload)
            for recipe in self.text.document["recipe"]
            for variant in self._variants(folder, recipe)
            for workload in self._workloads(recipe)
        ]
        runs = [point.run for curve in made for point in curve.points]
        if len(set(runs)) < len(runs):
            twice = next(run for number, run in enumerate(runs) if run in runs[:number])
            raise UsageError(f"{self.path}: two points would be called {twice.name}: give the recipes other names")
        return made

    def sha256(self, curves: list[Curve]) -> str:
        """Of all that the points depend on: the spec, its recipes and its traces."""
        whole = hashlib.sha256(json.dumps(self.text.document, sort_keys=True, default=str).encode())
        for recipe in self.text.document["recipe"].values():
            if "engine" in recipe:
                whole.update(repr(replace(load_recipe(self._engine(recipe)), path=Path())).encode())
        for trace in sorted({point.argv[0] for curve in curves for point in curve.points if point.file is None}):
            whole.update(trace_sha256(found(Path(trace))).encode())
        return whole.hexdigest()

    def _variants(self, folder: Path, name: str) -> list[Variant]:
        recipe = self.text.document["recipe"][name]
        if "url" in recipe:
            words = [("--url", "url"), ("--model", "model"), ("--gpu", "gpu"), ("--gpus", "gpus")]
            argv = [part for flag, key in words if key in recipe for part in (flag, str(recipe[key]))]
            return [Variant(name, name, URL, tuple(argv))]
        mode = recipe.get("mode", self.text.document.get("mode", VIRTUAL))
        engine = self._engine(recipe)
        try:
            load_recipe(engine)
        except UsageError as error:
            raise self.error(("recipe", name, "engine"), f": {error}") from error
        return [self._variant(folder, name, engine, mode, changes) for changes in _grid(recipe.get("set", {}))]

    def _variant(self, folder: Path, name: str, engine: str, mode: str, changes: "_Changes") -> Variant:
        called = name + "".join(f"-{keys[-1]}{_word(value)}" for keys, value in changes.varied.items())
        simulated = {VIRTUAL: ("--simulate", "--virtual"), SIMULATE: ("--simulate",)}.get(mode, ())
        if not changes.all:
            return Variant(called, name, mode, ("--engine", engine, *simulated))
        path = folder / "recipes" / f"{called}.toml"
        try:
            _, text = vary(engine, changes.all, path)
        except UsageError as error:
            says = str(error).removeprefix(f"{path}:")
            raise self.error(("recipe", name, "set"), f", for {called}: {says}") from error
        return Variant(called, name, mode, ("--engine", str(path), *simulated), (path, text))

    def _workloads(self, recipe: str) -> list[Workload]:
        tables = self.text.document["workload"]
        names = self.text.document["recipe"][recipe].get("workloads", list(tables))
        for name in names:
            if name not in tables:
                known = ", ".join(tables)
                raise self.error(("recipe", recipe, "workloads"), f": there is no workload {name}; there are {known}")
        return [Workload.of(name, tables[name], self.path.parent) for name in names]

    def _curve(self, folder: Path, variant: Variant, recipe: str, workload: Workload) -> Curve:
        by, amounts = self._loads(recipe)
        if by == RATE and not workload.is_trace and workload.requests is None:
            raise self.error(("workload", workload.name), ".requests is missing: a rate says not how many to send")
        if workload.is_trace and not found(Path(workload.trace)).exists():
            raise self.error(("workload", workload.name, "trace"), f": {workload.trace} does not exist")
        flags = [word for keys, value in self.flags(recipe) for word in _flag(keys[-1], value)]
        # In virtual time every repeat would be the same to the digit: error bars of no length would be a lie.
        repeats = 1 if variant.mode == VIRTUAL else int(self.text.document.get("repeats", 1))
        points = []
        for amount in sorted(amounts):
            trace, file = workload.trace_at(folder, by, amount, virtual=variant.mode == VIRTUAL)
            for repeat in range(1, repeats + 1):
                run = folder / workload.name / run_name(variant.name, by, amount, repeat, repeats)
                argv = (trace, *variant.argv, f"--{by}", f"{amount}", *flags, "--out", str(run))
                work = workload.work(amount, virtual=variant.mode == VIRTUAL)
                points.append(Point(variant, workload.name, by, amount, repeat, run, argv, work, file))
        return Curve(variant, workload.name, tuple(points))

    def _loads(self, recipe: str) -> tuple[str, list[float]]:
        own = self.text.document["recipe"][recipe]
        table = own if CONCURRENCY in own or RATE in own else self.text.document
        if (CONCURRENCY in table) == (RATE in table):
            what = "give either concurrency or rate, a list" + ("" if CONCURRENCY in table else ", here or at the top")
            raise self.error(("recipe", recipe), f": {what}")
        by = CONCURRENCY if CONCURRENCY in table else RATE
        return by, table[by]

    def _engine(self, recipe: Mapping[str, Any]) -> str:
        """A file beside the spec, or as it stands: a name, or a path from where we run."""
        named = str(recipe["engine"])
        beside = self.path.parent / named
        return str(beside) if named.endswith(".toml") and beside.is_file() else named


@dataclass(frozen=True, slots=True)
class _Changes:
    """One combination of what a recipe's `set` lists."""

    all: dict[tuple[str, ...], Any]
    varied: dict[tuple[str, ...], Any]
    """Those of several values: they name the variant."""


def _grid(table: Mapping[str, Any]) -> Iterator[_Changes]:
    """Every combination; a list is always several values, so a value that is a list stands in one."""
    axes = {keys: value if isinstance(value, list) else [value] for keys, value in _leaves(table)}
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        yield _Changes(chosen, {keys: value for keys, value in chosen.items() if len(axes[keys]) > 1})


def _leaves(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        keys = (*above, *key.split(".")) if not above else (*above, key)
        if isinstance(value, dict):
            yield from _leaves(value, keys)
        else:
            yield keys, value


def _word(value: object) -> str:
    """Of a folder's name."""
    text = "-".join(map(str, value)) if isinstance(value, list) else str(value).lower()
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in text)


def _flag(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}"] if value else []
    return [f"--{name}", str(value)]


class _Check:
    """Checks keys and the kind of each value."""

    def __init__(self, text: RecipeText) -> None:
        self._text = text

    def check(self) -> None:
        """Raises UsageError."""
        document = self._text.document
        self._check_keys((), document, FIELDS[""])
        for table in ("workload", "recipe"):
            if not document.get(table):
                raise self._error((table,), f" is missing: give at least one [{table}.NAME]")
            for name, values in document[table].items():
                if not isinstance(values, dict):
                    raise self._error((table, name), f" must be a table, [{table}.NAME]")
                if table == "workload" and name in _OWN_FOLDERS:
                    raise self._error((table, name), ": a sweep has a folder of that name for itself: choose another")
                if not is_name(name):
                    raise self._error((table, name), ": names are letters, digits, . _ and -; they become folders")
                self._check_keys((table, name), values, FIELDS[table])
        for name, recipe in document["recipe"].items():
            self._check_recipe(("recipe", name), recipe)
        for name, workload in document["workload"].items():
            self._check_workload(("workload", name), workload)
        for at in (("flags",), *(("recipe", name, "flags") for name in document["recipe"])):
            self._check_flags(at)

    def _check_recipe(self, at: tuple[str, ...], recipe: Mapping[str, Any]) -> None:
        if ("engine" in recipe) == ("url" in recipe):
            raise self._error(at, ": give either engine, a recipe's name or file, or url, an engine that runs")
        for key in ("mode", "set") if "url" in recipe else ("model", "gpu", "gpus"):
            if key in recipe:
                says = "is the recipe's own" if "engine" in recipe else "goes with engine, not with url"
                raise self._error((*at, key), f" {says}: leave it out")
        if ("gpu" in recipe) != ("gpus" in recipe):
            raise self._error(at, ": gpu and gpus go together")
        for keys, value in _leaves(recipe.get("set", {})):
            if value == [] or (isinstance(value, list) and len({_word(each) for each in value}) < len(value)):
                raise self._error((*at, "set", *keys), " must be a value, or a list of different ones")

    def _check_workload(self, at: tuple[str, ...], workload: Mapping[str, Any]) -> None:
        shape = [key for key in workload if key != "trace"]
        if "trace" in workload and shape:
            raise self._error((*at, shape[0]), ": a trace says that itself: leave it out, or leave trace out")
        if "trace" not in workload and not {"input_length", "output_length"} <= workload.keys():
            raise self._error(at, ": give either trace, or input_length and output_length")

    def _check_flags(self, at: tuple[str, ...]) -> None:
        table: Any = self._text.document
        for key in at:
            table = table.get(key, {})
        for name, value in table.items():
            if not isinstance(value, (bool, str, int, float)):
                raise self._error((*at, name), f" must be a text, a number or true, not {value!r}")

    def _check_keys(self, at: tuple[str, ...], values: Mapping[str, Any], fields: Mapping[str, Field]) -> None:
        for key, value in values.items():
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields)}"
                raise self._error((*at, key), f": unknown key; {hint}")
            if not fields[key].accepts(value):
                raise self._error((*at, key), f" must be {fields[key].expected}, not {value!r}")

    def _error(self, keys: tuple[str, ...], says: str) -> UsageError:
        return UsageError(f"{self._text.path}:{self._text.line_of(keys)}: {'.'.join(keys)}{says}")
