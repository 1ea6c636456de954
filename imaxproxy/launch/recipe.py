"""Recipes: which model on which GPUs with which engine and flags. TOML files in engines/, or a user's own."""

import difflib
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.shipped import shipped

SCHEMA = "imaxproxy.recipe/1"
NO_GPU = "none"


@dataclass(frozen=True, slots=True)
class GpuChoice:
    """Kind and number of GPUs; kind "none" only for a recipe that models no hardware."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Parallel:
    """How the model is split over the GPUs."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1
    dp_attention: bool = False


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine and how it is started: its own flag names, without leading dashes."""

    name: str
    version: str
    image: str | None
    flags: dict[str, Any]
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class SimulateChoice:
    """What the simulation needs beyond the rest."""

    vintage: float = 1.0
    fixed_step_ms: float | None = None
    fixed_ttft_ms: float | None = None


@dataclass(frozen=True, slots=True)
class SpeculationChoice:
    """Speculative decoding, and how often drafts are accepted: that depends on the workload, so it is said here."""

    draft_tokens: int
    acceptance_length: float | None = None
    """Mean tokens a step and stream, 1 to draft_tokens + 1."""
    acceptance: tuple[float, ...] = ()
    """Or: the chance that each draft is accepted when all before it were."""


@dataclass(frozen=True, slots=True)
class DisaggregatedChoice:
    """Workers that only read prompts beside workers that only decode; [parallel] is the split of a decode worker."""

    prefill_workers: int
    decode_workers: int
    prefill_tp: int = 1
    prefill_ep: int = 1
    prefill_dp_attention: bool = False
    kv_transfer_gb_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe, checked."""

    name: str
    path: Path
    model: str
    precision: str
    source: str
    as_of: date
    gpu: GpuChoice
    parallel: Parallel
    engine: EngineChoice
    simulate: SimulateChoice
    speculation: SpeculationChoice | None = None
    disaggregated: DisaggregatedChoice | None = None

    @property
    def wanted_gpus(self) -> int:
        """GPUs that the split needs."""
        split, apart = self.parallel, self.disaggregated
        if apart is None:
            return split.tp * split.pp * split.dp
        return apart.prefill_workers * apart.prefill_tp + apart.decode_workers * split.tp * split.pp


@dataclass(frozen=True, slots=True)
class _Field:
    """What may stand at one key."""

    expected: str
    accepts: Callable[[Any], bool]
    required: bool = False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_above_zero(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _one_of(*names: str) -> _Field:
    return _Field(f"one of {', '.join(names)}", lambda value: value in names, required=True)


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _are_shares(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(share, (int, float)) and 0 <= share <= 1 for share in value)


_TEXT = _Field("a text", _is_text, required=True)
_COUNT = _Field("a whole number of 1 or more", _is_count)
_ABOVE_ZERO = _Field("a number above 0", _is_above_zero)
_FLAG = _Field("true or false", lambda value: isinstance(value, bool))
_NEEDED_COUNT = _Field(_COUNT.expected, _is_count, required=True)

_FIELDS: dict[str, dict[str, _Field]] = {
    "": {
        "schema": _one_of(SCHEMA),
        "model": _TEXT,
        "precision": _one_of("bf16", "fp8", "fp4"),
        "source": _TEXT,
        "as_of": _Field("a date, 2026-08-22", lambda value: isinstance(value, date), required=True),
    },
    "gpu": {
        "kind": _TEXT,
        "count": _Field("a whole number of 0 or more", lambda value: _is_count(value, 0), required=True),
    },
    "parallel": {
        **dict.fromkeys(("tp", "pp", "dp", "ep"), _COUNT),
        "dp_attention": _FLAG,
    },
    "engine": {
        "name": _one_of("vllm", "sglang", "trtllm"),
        "version": _TEXT,
        "image": _Field("a text", _is_text),
        "flags": _Field("a table of the engine's flags", lambda value: isinstance(value, dict)),
        "env": _Field("a table of texts", _is_texts),
    },
    "simulate": dict.fromkeys(("vintage", "fixed_step_ms", "fixed_ttft_ms"), _ABOVE_ZERO),
    "speculation": {
        "draft_tokens": _NEEDED_COUNT,
        "acceptance_length": _ABOVE_ZERO,
        "acceptance": _Field("a list of shares from 0 to 1", _are_shares),
    },
    "disaggregated": {
        **dict.fromkeys(("prefill_workers", "decode_workers"), _NEEDED_COUNT),
        **dict.fromkeys(("prefill_tp", "prefill_ep"), _COUNT),
        "prefill_dp_attention": _FLAG,
        "kv_transfer_gb_per_s": _ABOVE_ZERO,
    },
}
_OPTIONAL_TABLES = ("parallel", "simulate", "speculation", "disaggregated")


def recipe_names() -> list[str]:
    """The recipes that ship."""
    return sorted(path.stem for path in shipped("engines").glob("*.toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A shipped recipe by name, or a file (what ends in .toml or has a slash).

    Raises UsageError that names the file, the line, the field and what was expected there, or the recipes that ship.
    """
    path = _find(name_or_path)
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"cannot read recipe {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: a recipe is UTF-8 text: {error.reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    return _Reader(path, text, document).recipe()


def _find(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text:
        return Path(text)
    path = shipped("engines") / f"{text}.toml"
    if not path.is_file():
        raise UsageError(
            f"unknown recipe {text!r}; shipped: {', '.join(recipe_names())}; or give a path to a .toml file"
        )
    return path


class _Reader:
    """Checks one parsed file and builds the Recipe; knows the text to say in which line a mistake stands."""

    def __init__(self, path: Path, text: str, document: dict[str, Any]) -> None:
        self._path = path
        self._lines = text.splitlines()
        self._document = document

    def recipe(self) -> Recipe:
        """The checked recipe. Raises UsageError."""
        self._check_fields()
        top, engine = self._document, self._document["engine"]
        recipe = Recipe(
            name=self._path.stem,
            path=self._path,
            model=top["model"],
            precision=top["precision"],
            source=top["source"],
            as_of=top["as_of"],
            gpu=GpuChoice(**top["gpu"]),
            parallel=Parallel(**top.get("parallel", {})),
            engine=EngineChoice(
                name=engine["name"],
                version=engine["version"],
                image=engine.get("image"),
                flags=engine.get("flags", {}),
                env=engine.get("env", {}),
            ),
            simulate=SimulateChoice(**top.get("simulate", {})),
            speculation=_speculation(top.get("speculation")),
            disaggregated=DisaggregatedChoice(**top["disaggregated"]) if "disaggregated" in top else None,
        )
        self._check_gpus(recipe)
        return recipe

    def _check_fields(self) -> None:
        tables = [name for name in _FIELDS if name]
        self._check_keys("", {**_FIELDS[""], **dict.fromkeys(tables, _Field("a table", lambda _value: True))})
        for table in tables:
            if table not in self._document and table not in _OPTIONAL_TABLES:
                raise self._error("", "", f"[{table}] is missing")
            if not isinstance(self._document.get(table, {}), dict):
                raise self._error("", table, f"{table} must be a table, [{table}]")
            if table in self._document or table not in _OPTIONAL_TABLES:
                self._check_keys(table, _FIELDS[table])

    def _check_keys(self, table: str, fields: dict[str, _Field]) -> None:
        values = self._document.get(table, {}) if table else self._document
        for key in values:
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(fields)}"
                raise self._error(table, key, f"unknown key {_dotted(table, key)}{hint}")
        for key, field in fields.items():
            if key not in values:
                if field.required:
                    raise self._error("", table, f"{_dotted(table, key)} is missing: {field.expected}")
            elif not field.accepts(values[key]):
                raise self._error(table, key, f"{_dotted(table, key)} must be {field.expected}, not {values[key]!r}")

    def _check_gpus(self, recipe: Recipe) -> None:
        if recipe.simulate.fixed_ttft_ms and not recipe.simulate.fixed_step_ms:
            raise self._error("simulate", "fixed_ttft_ms", "simulate.fixed_ttft_ms needs simulate.fixed_step_ms")
        if recipe.gpu.kind == NO_GPU:
            if recipe.gpu.count or not recipe.simulate.fixed_step_ms:
                raise self._error("gpu", "kind", 'gpu.kind "none" needs gpu.count 0 and simulate.fixed_step_ms')
            return
        if recipe.gpu.count != recipe.wanted_gpus:
            what = "prefill_workers * prefill_tp + decode_workers * tp" if recipe.disaggregated else "tp * pp * dp"
            says = f"gpu.count must be {what} = {recipe.wanted_gpus}, not {recipe.gpu.count}"
            raise self._error("gpu", "count", says)
        drafts = recipe.speculation
        if drafts and (drafts.acceptance_length is None) == (not drafts.acceptance):
            says = "speculation needs either acceptance_length or acceptance: how often drafts are taken"
            raise self._error("", "speculation", says)

    def _error(self, table: str, key: str, message: str) -> UsageError:
        return UsageError(f"{self._path}:{self._line_of(table, key)}: {message}")

    def _line_of(self, table: str, key: str) -> int:
        """The line, from 1, where a key stands; where its table begins if it is not there; else the first."""
        at, found = "", 1
        for number, line in enumerate(self._lines, start=1):
            header = re.match(r"\s*\[\s*([\w.\-]+)\s*\]", line)
            if header:
                at = header[1]
                if at in (table, _dotted(table, key)):
                    found = number
            elif at == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
                return number
        return found


def _speculation(table: dict[str, Any] | None) -> SpeculationChoice | None:
    if table is None:
        return None
    return SpeculationChoice(**{**table, "acceptance": tuple(table.get("acceptance", ()))})


def _dotted(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key
