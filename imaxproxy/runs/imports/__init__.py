"""What others published or measured, as baselines beside our own runs: one reader for each format, found by itself."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs.imports.baseline import Baseline
from imaxproxy.runs.imports.clients import is_sglang, is_vllm, read_sglang, read_vllm
from imaxproxy.runs.imports.inferencex import is_inferencex, read_row

__all__ = ["Baseline", "read_baselines"]

FACTS = ("model", "gpu", "gpus", "engine", "precision", "isl", "osl", "spec_decoding", "conc", "disagg")


def read_baselines(spec: str) -> list[Baseline]:
    """`FILE[,NAME=VALUE,...]`: where a row says NAME, only those with that VALUE are taken; else it is taken as said.

    Of rows that share machine and load the newest is taken. Raises UsageError for a file that cannot be read or is of
    no known format, and where no row is left; ImaxproxyError for a row that is broken.
    """
    name, _, rest = spec.partition(",")
    path, said = Path(name), _said(rest, spec)
    baselines = [
        baseline
        for number, fields in enumerate(_rows(path), 1)
        if _matches(baseline := _read(fields, f"{path}:{number}", said), said)
    ]
    if not baselines:
        raise UsageError(f"--baseline {spec}: no row of {path} is left")
    newest: dict[tuple[str, str], Baseline] = {}
    for baseline in sorted(baselines, key=lambda each: each.as_of or ""):
        newest[baseline.machine, baseline.load] = baseline
    return list(newest.values())


def _said(text: str, spec: str) -> dict[str, str]:
    said = {}
    for word in filter(None, text.split(",")):
        name, equals, value = word.partition("=")
        if not equals or name not in FACTS or not value:
            raise UsageError(f"--baseline {spec}: after the file come NAME=VALUE with a name of {', '.join(FACTS)}")
        said[name] = value
    return said


def _rows(path: Path) -> Iterator[Any]:
    """Of one JSON document (an array, an object, an object with `data`), or of JSON lines."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--baseline {path} cannot be read: {error.strerror}") from error
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError:
        yield from _lines(path, text)
        return
    if isinstance(whole, dict) and isinstance(whole.get("data"), list):
        whole = whole["data"]
    yield from whole if isinstance(whole, list) else [whole]


def _lines(path: Path, text: bytes) -> Iterator[Any]:
    """SGLang's Python client writes an endless rate as `Infinity`, which is no JSON."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield orjson.loads(line.replace(b": Infinity", b': "inf"'))
            except orjson.JSONDecodeError as error:
                raise ImaxproxyError(f"{path}:{number}: not JSON: {error}") from error


def _read(fields: Any, where: str, said: dict[str, str]) -> Baseline:  # noqa: ANN401 (as JSON has it)
    if is_inferencex(fields):
        return read_row(fields, where)
    if is_vllm(fields):
        return read_vllm(fields, where, said)
    if is_sglang(fields):
        return read_sglang(fields, where, said)
    raise UsageError(
        f"{where}: of no format that is known here: a row of InferenceX's API, its aggregate, a result of `vllm bench "
        f"serve` or a line of SGLang's"
    )


def _matches(baseline: Baseline, said: dict[str, str]) -> bool:
    facts: Sequence[tuple[str, object]] = [(name, baseline.facts.get(name)) for name in said]
    return all(fact is None or str(fact).lower() == said[name].lower() for name, fact in facts)
