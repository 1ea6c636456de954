from pathlib import Path
from typing import Any

import orjson
import pytest

from imaxproxy.runs.exports import export
from imaxproxy.runs.exports.otel import METRICS
from runs.made_run import ENGINE, UNIX_S, make_run


def exported(path: Path, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    (file,), _ = export(make_run(path, **more), "otel", (), None)
    (whole,) = orjson.loads(file.read_bytes())["resourceMetrics"]
    return whole


def points(whole: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    (scope,) = whole["scopeMetrics"]
    return {metric["name"]: metric["histogram"]["dataPoints"] for metric in scope["metrics"]}


def labels(point: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"]["stringValue"] for each in point["attributes"]}


def test_names_units_and_boundaries_are_the_conventions(tmp_path: Path) -> None:
    whole = exported(tmp_path)
    (scope,) = whole["scopeMetrics"]
    assert {metric["name"]: metric["unit"] for metric in scope["metrics"]} == {
        name: unit for name, (unit, _) in METRICS.items()
    }
    (ttft,) = points(whole)["gen_ai.server.time_to_first_token"]
    assert (ttft["count"], ttft["sum"]) == ("3", pytest.approx(0.25))
    assert (ttft["min"], ttft["max"]) == (0.05, 0.1)
    assert len(ttft["bucketCounts"]) == len(ttft["explicitBounds"]) + 1
    assert sum(map(int, ttft["bucketCounts"])) == 3
    assert ttft["bucketCounts"][ttft["explicitBounds"].index(0.1)] == "2"  # a bound belongs to the bucket below it
    assert int(ttft["startTimeUnixNano"]) == pytest.approx(UNIX_S * 1e9)
    assert labels(ttft)["gen_ai.provider.name"] == "vllm"
    assert METRICS["gen_ai.client.token.usage"][1][:4] == (1, 4, 16, 64)
    assert METRICS["gen_ai.client.token.usage"][1][-1] == 67_108_864


def test_failures_have_their_error_and_no_tokens(tmp_path: Path) -> None:
    found = points(exported(tmp_path))
    by_error = {labels(point).get("error.type"): point["count"] for point in found["gen_ai.client.operation.duration"]}
    assert by_error == {None: "3", "http_429": "1"}
    usage = {labels(point)["gen_ai.token.type"]: point["sum"] for point in found["gen_ai.client.token.usage"]}
    assert usage == {"input": 50, "output": 14}
    (chunks,) = found["gen_ai.client.operation.time_per_output_chunk"]
    assert chunks["count"] == "8"


def test_a_simulated_run_says_so(tmp_path: Path) -> None:
    whole = exported(tmp_path, engine=ENGINE | {"simulated": True})
    assert {"key": "imaxproxy.simulated", "value": {"boolValue": True}} in whole["resource"]["attributes"]
