"""Reads recipes: the file, the one it extends, and every check that needs no machine."""

import copy
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.launch.limits import limit_flags
from imaxproxy.launch.options import merged
from imaxproxy.launch.recipe import (
    NO_GPU,
    NO_HARDWARE,
    DisaggregatedChoice,
    EngineChoice,
    GpuChoice,
    Limits,
    Parallel,
    ReadinessChoice,
    Recipe,
    SimulateChoice,
    SpeculationChoice,
)
from imaxproxy.launch.recipe_fields import FIELDS, FREE_TABLES, NEEDED_TABLES, SAID_ELSEWHERE, TABLES, Field
from imaxproxy.launch.recipe_text import RecipeText, read_recipe_text
from imaxproxy.shipped import shipped


def recipe_names() -> list[str]:
    """The recipes that ship."""
    return sorted(path.stem for path in shipped("engines").glob("*.toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A shipped recipe by name, or a file (what ends in .toml or has a slash).

    Raises UsageError that names the file, the line, the field and what was expected there, or the recipes that ship.
    """
    own = read_recipe_text(_find(name_or_path))
    return _Reader(own, _base_of(own)).recipe()


def recipe_of(text: RecipeText) -> Recipe:
    """A recipe that may be no file yet. Raises UsageError as `load_recipe` does."""
    return _Reader(text, _base_of(text)).recipe()


def whole_document(name_or_path: str | Path) -> dict[str, Any]:
    """All that a recipe says, with what it extends; a copy. Raises UsageError where it or its base is no recipe."""
    own = read_recipe_text(_find(name_or_path))
    base = _base_of(own)
    _Reader(own, base).recipe()
    document = copy.deepcopy(own.document if base is None else merged(base.document, own.document))
    document.pop("extends", None)
    return document


def _find(name_or_path: str | Path, beside: Path | None = None) -> Path:
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text:
        path = Path(text).expanduser()
        return path if beside is None else beside / path
    path = shipped("engines") / f"{text}.toml"
    if not path.is_file():
        near = difflib.get_close_matches(text, recipe_names(), n=3, cutoff=0.4)
        hint = f"near it: {', '.join(near)}; " if near else ""
        raise UsageError(
            f"unknown recipe {text!r}; {hint}`imaxproxy engine list` has all; or give a path to a .toml file"
        )
    return path


def _base_of(own: RecipeText) -> RecipeText | None:
    """The recipe that this one extends; that one may extend no other."""
    name = own.document.get("extends")
    if not isinstance(name, str):  # absent, or a mistake that the fields' check names
        return None
    try:
        base = read_recipe_text(_find(name, beside=own.path.parent))
    except UsageError as error:
        raise UsageError(f"{own.path}:{own.line_of(['extends'])}: extends {name}: {error}") from error
    if "extends" in base.document:
        says = f"extends goes one level deep: {name} itself extends {base.document['extends']}; extend that, or copy"
        raise UsageError(f"{own.path}:{own.line_of(['extends'])}: {says}")
    return base


class _Reader:
    """Checks a file and its base, merges them and builds the Recipe; says in which file and line a mistake stands."""

    def __init__(self, own: RecipeText, base: RecipeText | None) -> None:
        self._files = [own] if base is None else [own, base]
        for file in self._files:
            _FileCheck(file).check()
        self._document = own.document if base is None else merged(base.document, own.document)

    def recipe(self) -> Recipe:
        """The checked recipe. Raises UsageError."""
        self._check_missing()
        self._check_engine()
        top = self._document
        recipe = Recipe(
            name=self._files[0].path.stem,
            path=self._files[0].path,
            gpu=GpuChoice(**top["gpu"]),
            parallel=Parallel(**top.get("parallel", {})),
            engine=EngineChoice(**top["engine"]),
            limits=Limits(**top.get("limits", {})),
            readiness=ReadinessChoice(**top.get("readiness", {})),
            simulate=SimulateChoice(**top.get("simulate", {})),
            speculation=_speculation(top.get("speculation")),
            disaggregated=_disaggregated(top.get("disaggregated")),
            **{key: value for key, value in top.items() if key != "schema" and key not in TABLES},
        )
        self._check_gpus(recipe)
        self._check_parts(recipe)
        return recipe

    def _check_missing(self) -> None:
        for table in NEEDED_TABLES:
            if table not in self._document:
                raise self._error((table,), f"[{table}] is missing")
        for table, fields in FIELDS.items():
            values = self._document.get(table) if table else self._document
            for key, field in fields.items():
                if values is not None and field.required and key not in values:
                    raise self._error(_keys(table, key), f"{_dotted(table, key)} is missing: {field.expected}")

    def _check_engine(self) -> None:
        """What only some engines have, and what is said twice."""
        engine = self._document["engine"]
        name, backend = engine["name"], engine.get("backend")
        if (name == "dynamo") != (backend is not None):
            says = "dynamo needs it: the engine of its workers" if backend is None else f"{name} has none, only dynamo"
            raise self._error(("engine", "backend"), f"engine.backend: {says}")
        if len(self._files) > 1 and self._files[1].document.get("engine", {}).get("name", name) != name:
            raise self._error(("engine", "name"), "engine.name: extends a recipe of another engine, whose flags differ")
        if "frontend_flags" in engine and name != "dynamo":
            raise self._error(("engine", "frontend_flags"), f"engine.frontend_flags: {name} has no frontend of its own")
        if "options" in engine and "trtllm" not in (name, backend):
            raise self._error(("engine", "options"), f"engine.options is TensorRT-LLM's; {name} takes engine.flags")
        self._check_limits(limit_flags(name, backend), engine, backend or name)

    def _check_limits(self, called: dict[str, str], engine: dict[str, Any], name: str) -> None:
        limits = self._document.get("limits", {})
        prefill = self._document.get("disaggregated", {}).get("prefill_limits", {})
        for keys in (
            *(("limits", limit) for limit in limits),
            *(("disaggregated", "prefill_limits", p) for p in prefill),
        ):
            if keys[-1] not in called:
                raise self._error(keys, f"{'.'.join(keys)}: {name} has none; it has {', '.join(called)}")
        for limit in limits:
            flag = called[limit].strip("!")
            if flag in engine.get("flags", {}):
                says = f"engine.flags.{flag} is said already by limits.{limit}: leave one out"
                raise self._error(("engine", "flags", flag), says)

    def _check_gpus(self, recipe: Recipe) -> None:
        if recipe.simulate.fixed_ttft_ms and not recipe.simulate.fixed_step_ms:
            raise self._error(
                ("simulate", "fixed_ttft_ms"), "simulate.fixed_ttft_ms needs simulate.fixed_step_ms beside it"
            )
        if recipe.gpu.kind == NO_GPU and (recipe.gpu.count or not recipe.simulate.fixed_step_ms):
            raise self._error(("gpu", "kind"), 'gpu.kind "none" needs gpu.count 0 and simulate.fixed_step_ms')
        if recipe.gpu.count != recipe.wanted_gpus:
            what = "prefill_workers * prefill_tp + decode_workers * tp * pp" if recipe.disaggregated else "tp * pp * dp"
            what = f'0 for kind "{recipe.gpu.kind}"' if recipe.gpu.kind in NO_HARDWARE else f"{what} ="
            says = f"gpu.count must be {what} {recipe.wanted_gpus or ''}".rstrip()
            raise self._error(("gpu", "count"), f"{says}, not {recipe.gpu.count}")

    def _check_parts(self, recipe: Recipe) -> None:
        split, drafts = recipe.parallel, recipe.speculation
        if split.tp * split.dp % split.ep:
            says = f"parallel.ep must divide tp * dp = {split.tp * split.dp}, not {split.ep}"
            raise self._error(("parallel", "ep"), says)
        self._check_nodes(recipe)
        if drafts is None:
            return
        if drafts.acceptance_length is not None and drafts.acceptance:
            raise self._error(
                ("speculation", "acceptance"), "speculation needs acceptance_length or acceptance, not both"
            )
        if drafts.acceptance_length is not None and not 1 <= drafts.acceptance_length <= drafts.draft_tokens + 1:
            says = f"speculation.acceptance_length is 1 to draft_tokens + 1 = {drafts.draft_tokens + 1}"
            raise self._error(("speculation", "acceptance_length"), f"{says}, not {drafts.acceptance_length:g}")
        if drafts.method in ("eagle3", "draft_model") and drafts.model is None:
            says = f"speculation.model is missing: {drafts.method} needs a drafter's checkpoint"
            raise self._error(("speculation", "model"), says)

    def _check_nodes(self, recipe: Recipe) -> None:
        nodes, says = recipe.parallel.nodes, None
        if nodes == 1:
            return
        if recipe.disaggregated:
            says = "workers that are apart are placed by Dynamo's own tools: leave it out"
        elif recipe.gpu.kind == NO_GPU:
            says = 'gpu.kind "none" runs nowhere: leave it out'
        elif recipe.parallel.ranks % nodes:
            says = f"each node has as many ranks: it must divide tp * pp * dp = {recipe.parallel.ranks}, not be {nodes}"
        if says:
            raise self._error(("parallel", "nodes"), f"parallel.nodes: {says}")

    def _error(self, keys: tuple[str, ...], message: str) -> UsageError:
        """In the file that says it; what nobody says is missing in our own."""
        for file in self._files:
            if _holds(file.document, keys):
                return UsageError(f"{file.path}:{file.line_of(keys)}: {message}")
        own = self._files[0]
        return UsageError(f"{own.path}:{own.line_of(keys)}: {message}")


class _FileCheck:
    """Checks what one file says, whatever it leaves to another: its keys and the kind of each value."""

    def __init__(self, file: RecipeText) -> None:
        self._file = file

    def check(self) -> None:
        """Raises UsageError."""
        document = self._file.document
        tables = dict.fromkeys(TABLES, Field("a table", lambda value: isinstance(value, dict)))
        self._check_keys((), document, {**FIELDS[""], **tables})
        for table in TABLES:
            if table in document:
                self._check_keys((table,), document[table], FIELDS[table])
        prefill_limits = document.get("disaggregated", {}).get("prefill_limits", {})
        self._check_keys(("disaggregated", "prefill_limits"), prefill_limits, FIELDS["limits"])
        for dotted, field in FREE_TABLES.items():
            table, name = dotted.split(".")
            self._check_values((table, name), document.get(table, {}).get(name, {}), field)

    def _check_keys(self, at: tuple[str, ...], values: dict[str, Any], fields: dict[str, Field]) -> None:
        for key, value in values.items():
            if key not in fields:
                hint = _nearest(key, fields)
                raise self._error((*at, key), f"unknown key {'.'.join((*at, key))}{hint}")
            if not fields[key].accepts(value):
                says = f"{'.'.join((*at, key))} must be {fields[key].expected}, not {value!r}"
                raise self._error((*at, key), says)

    def _check_values(self, at: tuple[str, ...], values: dict[str, Any], field: Field) -> None:
        """Of a table whose keys are the engine's own."""
        for key, value in values.items():
            name = ".".join((*at, key))
            if at[1].endswith("flags") and key.startswith("-"):
                raise self._error((*at, key), f"{name}: flags are written without leading dashes: {key.lstrip('-')}")
            if at[1].endswith("flags") and key in SAID_ELSEWHERE:
                raise self._error((*at, key), f"{name}: say it as {SAID_ELSEWHERE[key]}")
            if not field.accepts(value):
                raise self._error((*at, key), f"{name} must be {field.expected}, not {value!r}")

    def _error(self, keys: tuple[str, ...], message: str) -> UsageError:
        return UsageError(f"{self._file.path}:{self._file.line_of(keys)}: {message}")


def _speculation(table: dict[str, Any] | None) -> SpeculationChoice | None:
    if table is None:
        return None
    return SpeculationChoice(**{**table, "acceptance": tuple(table.get("acceptance", ()))})


def _disaggregated(table: dict[str, Any] | None) -> DisaggregatedChoice | None:
    if table is None:
        return None
    return DisaggregatedChoice(**{**table, "prefill_limits": Limits(**table.get("prefill_limits", {}))})


def _nearest(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"


def _holds(document: dict[str, Any], keys: tuple[str, ...]) -> bool:
    found: Any = document
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True


def _keys(table: str, key: str) -> tuple[str, ...]:
    return (table, key) if table else (key,)


def _dotted(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key
