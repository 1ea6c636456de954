from typing import Any

import pytest

from imaxproxy.live.snapshot import Snapshot, SnapshotError
from live.samples import MEASURED, row, snapshot


def test_what_a_proxy_told_is_held_whole() -> None:
    told, held = row(), snapshot()
    assert held.now.output_tokens_per_s == told["now"]["output_tokens_per_s"]
    assert held.run.block("ttft_ms").p99 == told["run"]["ttft_ms"]["p99"]
    assert held.run.block("ttft_ms").count == sum(count for _, count in held.run.block("ttft_ms").buckets)
    assert held.in_flight == told["in_flight"]["count"]
    assert [stream.id for stream in held.streams] == [stream["id"] for stream in told["in_flight"]["streams"]]
    assert {group.name for group in held.by["client"]} == {"search", "agents", "batch"}
    assert {group.name: group.up for group in held.by["upstream"]} == {"a": True, "b": False}
    assert held.errors == told["errors"]
    assert held.simulated


def test_what_is_not_known_is_none_or_empty() -> None:
    held = Snapshot.of({"schema": "imaxproxy.live/1", "now": {"ttft_ms": None}, "progress": None})
    assert held.now.block("ttft_ms").p50 is None
    assert held.now.output_tokens_per_s is None
    assert held.streams == held.slowest == held.by["tag"] == ()
    assert held.power is held.cost is held.slo is held.progress is None


@pytest.mark.parametrize("told", [[], {"schema": "imaxproxy.live/2"}, {}, None])
def test_another_schema_is_named(told: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError, match=r"not 'imaxproxy\.live/1'"):
        Snapshot.of(told)


@pytest.mark.parametrize(
    "broken",
    [
        {"run": [1]},
        {"elapsed_s": "soon"},
        {"in_flight": {"streams": [3]}},
        {"run": {"ttft_ms": {"buckets": [[1.0]]}}},
        {"errors": {"cut": "many"}},
        {"by": {"model": [1]}},
    ],
)
def test_another_shape_is_one_line_and_no_traceback(broken: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError, match="broken"):
        Snapshot.of({"schema": "imaxproxy.live/1"} | broken)


def test_names_from_the_network_command_no_terminal() -> None:
    streams = {"count": 1, "streams": [{"id": "\x1b[2J\x07", "tag": ["a=b", "c=d"]}]}
    (stream,) = snapshot(in_flight=streams).streams
    assert stream.id == "�[2J�"
    assert stream.tag == "a=b, c=d"


def test_everything_that_can_be_measured_is_there() -> None:
    held = snapshot(**MEASURED)
    assert held.power is not None
    assert held.power["watts"] == 6214.0
    assert held.engine == MEASURED["engine_metrics"]
    assert held.remaining_s == 83.0
