"""Runs as other tools write theirs: one module a format, all told of in `FORMATS`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imaxproxy.errors import UsageError
from imaxproxy.runs.exports.aiperf import write_aiperf
from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.exports.guidellm import write_guidellm
from imaxproxy.runs.exports.inferencex import write_inferencex
from imaxproxy.runs.exports.otel import write_otel
from imaxproxy.runs.exports.rows import write_csv, write_parquet
from imaxproxy.runs.exports.sglang import write_sglang
from imaxproxy.runs.exports.vllm import write_vllm
from imaxproxy.runs.record import RunRecord

__all__ = ["FORMATS", "Facts", "Format", "export"]

Written = tuple[list[Path], list[str]]
"""The files, and what their reader should know."""


@dataclass(frozen=True, slots=True)
class Format:
    """What is written, and where it lands when nobody says."""

    what: str
    name: str
    """Of the file, or of the folder where several are written."""
    is_folder: bool = False


FORMATS: dict[str, Format] = {
    "inferencex": Format("InferenceX's result, aggregate, gpu_metrics.csv and power sidecar", "inferencex", True),
    "vllm": Format("vllm bench serve --save-result", "vllm.json"),
    "sglang": Format("SGLang's bench_serving --output-file", "sglang.jsonl"),
    "aiperf": Format("AIPerf's profile_export.jsonl and profile_export_aiperf.json", "aiperf", True),
    "guidellm": Format("GuideLLM's benchmarks.json (imaxproxy[guidellm])", "benchmarks.json"),
    "csv": Format("one row a request", "requests.csv"),
    "parquet": Format("one row a request (imaxproxy[parquet])", "requests.parquet"),
    "otel": Format("OpenTelemetry's GenAI metrics, OTLP/JSON", "otel.json"),
    "hlog": Format("HdrHistogram's log, for its own tools", "histograms.hlog"),
}


def export(
    record: RunRecord, format_: str, said: Sequence[str], out: Path | None, *, detailed: bool = False
) -> Written:
    """Write a run in a format, to `out` or to `exports/` in its directory.

    said: `name=value` of facts that the run does not know. Raises UsageError for what the format cannot hold, for a
    place that cannot be written, and for details where the format has none.
    """
    chosen, facts = FORMATS[format_], Facts.of(record, said)
    path = out or record.directory.path / "exports" / chosen.name
    if detailed and format_ not in {"vllm", "sglang"}:
        raise UsageError(f"--detailed goes with vllm and sglang: {format_} has no such lists")
    try:
        if chosen.is_folder and path.exists() and not path.is_dir():
            raise UsageError(f"--out {path} is a file: {format_} writes several into a folder")
        if not chosen.is_folder and path.is_dir():
            path /= chosen.name
        path.parent.mkdir(parents=True, exist_ok=True)
        return _write(record, format_, facts, path, detailed=detailed)
    except OSError as error:
        raise UsageError(f"{error.filename or path} cannot be written: {error.strerror}") from error


def _write(record: RunRecord, format_: str, facts: Facts, path: Path, *, detailed: bool) -> Written:
    match format_:
        case "inferencex":
            return write_inferencex(record, facts, path)
        case "vllm":
            return write_vllm(record, facts, path, detailed=detailed)
        case "sglang":
            return write_sglang(record, facts, path, detailed=detailed)
        case "aiperf":
            return write_aiperf(record, facts, path)
        case "guidellm":
            return write_guidellm(record, facts, path)
        case "csv":
            return write_csv(record, facts, path)
        case "parquet":
            return write_parquet(record, facts, path)
        case "otel":
            return write_otel(record, facts, path)
        case "hlog":
            return _write_hlog(record, path), []
    raise ValueError(f"no format {format_!r}")


def _write_hlog(record: RunRecord, path: Path) -> list[Path]:
    """The run's own, with a comment on top where it was simulated: the format has no other room for that."""
    mark = "#[Simulated: no GPU was measured, the engine is a model of one]\n" if record.simulated else ""
    path.write_text(mark + record.directory.histograms.read_text())
    return [path]
