"""Our exports read by the tools whose formats they are: scripts/test-peers, which fetches those once (4 GB)."""

import json
import math
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import peers
from benchmarks.paths import ROOT, Unavailable
from imaxproxy.metrics import Outcome, Timeline, Usage
from imaxproxy.runs.exports import export
from runs.made_run import answered, make_run, refused

pytestmark = pytest.mark.peers
HERE = Path(__file__).parent
EXCHANGES = [answered(number * 0.2, [20 + number] * (5 + number), ttft_ms=90 + 7 * number) for number in range(12)]
EXCHANGES.append(refused(2.5))


def read_by(script: str, file: Path, python: Callable[[], Path], *paths: Callable[[], Path]) -> dict[str, Any]:
    """What the script prints, in that interpreter. Skips where the tool cannot be had."""
    try:
        found = [str(ROOT), *(str(path()) for path in paths)]
        command = [str(python()), str(HERE / script), str(file)]
    except Unavailable as why:
        pytest.skip(str(why))
    environment = peers.OFFLINE | {"PYTHONPATH": ":".join(found), "HOME": str(file.parent), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 (a RunRecord)
    trace = {"path": "trace.jsonl", "skipped": 0, "clamped": 0}
    return make_run(tmp_path_factory.mktemp("run"), EXCHANGES, trace=trace)


def test_vllm_finds_in_our_lists_what_our_result_says(made: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (path,), _ = export(made, "vllm", (), tmp_path / "vllm.json", detailed=True)
    theirs, ours = read_by("their_vllm.py", path, peers.python, peers.vllm_benchmarks), json.loads(path.read_text())
    same = {"total_input": "total_input_tokens", "total_output": "total_output_tokens", "completed": "completed"}
    same |= {name: name for name in ("failed", "request_throughput", "output_throughput", "total_token_throughput")}
    for metric in ("ttft", "tpot", "itl", "e2el"):
        same |= {f"{stat}_{metric}_ms": f"{stat}_{metric}_ms" for stat in ("mean", "median", "std")}
        for percent, value in theirs[f"percentiles_{metric}_ms"]:
            assert ours[f"p{percent:g}_{metric}_ms"] == pytest.approx(value, rel=1e-6), (metric, percent)
    for name, key in same.items():
        assert ours[key] == pytest.approx(theirs[name], rel=1e-6), key
    assert theirs["users"] == math.inf  # what its Pareto plot makes of the "inf" that its own results hold


def test_sglang_finds_in_our_lists_what_our_line_says(made: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (path,), _ = export(made, "sglang", (), tmp_path / "sglang.jsonl", detailed=True)
    theirs, ours = read_by("their_sglang.py", path, peers.python, peers.sglang_python), json.loads(path.read_text())
    same = {"total_input": "total_input_tokens", "total_output": "total_output_tokens", "completed": "completed"}
    same |= {name: name for name in ("request_throughput", "input_throughput", "output_throughput", "total_throughput")}
    for metric in ("ttft", "tpot", "itl", "e2e_latency"):
        same |= {f"{stat}_{metric}_ms": f"{stat}_{metric}_ms" for stat in ("mean", "median", "std", "p99")}
    for name, key in same.items():
        if name in theirs:
            assert ours[key] == pytest.approx(theirs[name], rel=1e-6), key
    assert {"mean_ttft_ms", "p99_ttft_ms", "mean_itl_ms", "mean_tpot_ms"} <= theirs.keys()


def test_aiperf_loads_ours_as_one_of_its_own_runs(made: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (rows, _), _ = export(made, "aiperf", (), tmp_path / "aiperf")
    interpreter = lambda: peers.aiperf().with_name("python")  # noqa: E731
    theirs = read_by("their_aiperf.py", rows.parent, interpreter)
    assert (theirs["model"], theirs["concurrency"], theirs["requests"]) == ("openai/gpt-oss-120b", 4, 13)
    assert (theirs["rows"], theirs["failed"], theirs["schema"]) == (13, 1, "1.4")
    assert theirs["latency"]["unit"] == "ms"
    assert theirs["ttft_p50_ms"] == pytest.approx(90 + 7 * 5.5)


def test_guidellm_reads_ours_and_reckons_the_same_of_the_requests_in_it(tmp_path: Path) -> None:
    """Every figure: what its models derive when they read the report, and what its metrics are of those requests."""
    sessions = [replace(each, ask=replace(each.ask, session_id=f"s{n % 3}")) for n, each in enumerate(EXCHANGES)]
    left = replace(sessions[0], outcome=Outcome.ABORTED, error="client_left", usage=Usage(10))
    whole = replace(sessions[1], timeline=Timeline(), streamed=False)
    settings = {"rate": 5.0, "endpoint": "chat", "model": "m", "url": "http://127.0.0.1:8000/v1"}
    made = make_run(tmp_path / "run", [*sessions, left, whole], settings=settings)
    (path,), _ = export(made, "guidellm", (), tmp_path / "benchmarks.json")
    theirs = read_by("their_guidellm.py", path, lambda: peers.guidellm().with_name("python"))
    ours = json.loads(path.read_text())
    assert list(differences(ours, theirs["read"], "the report")) == []
    assert list(differences(ours["benchmarks"][0]["metrics"], theirs["reckoned"], "metrics")) == []
    assert theirs["reckoned"].keys() == ours["benchmarks"][0]["metrics"].keys()
    assert theirs["csv_lines"] > 3


def differences(ours: Any, theirs: Any, where: str) -> Iterator[str]:  # noqa: ANN401 (JSON)
    """Of what we wrote; what they add are defaults of theirs. Unix seconds have a quarter of a microsecond."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            yield from differences(value, theirs.get(name, "nothing"), f"{where}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, other, f"{where}[{number}]")
    elif isinstance(ours, float) and isinstance(theirs, (int, float)):
        if not math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-9):
            yield f"{where}: {ours} and {theirs}"
    elif ours != theirs:
        yield f"{where}: {ours!r} and {theirs!r}"


def test_opentelemetry_knows_every_field_metric_and_attribute(made: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (path,), _ = export(made, "otel", (), tmp_path / "otel.json")
    theirs = read_by("their_opentelemetry.py", path, peers.opentelemetry)
    assert theirs["unknown_attributes"] == []
    assert theirs["unknown_metrics"] == []
    assert theirs["metrics"]["gen_ai.client.operation.duration"] == len(EXCHANGES)
