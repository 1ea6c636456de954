"""Watching `replay --ray` while it runs: feed and screen, on real raylets; a node that freezes, one that dies."""

import contextlib
import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.command import Command, Started, until, write_trace
from live.otlp.receiver import attributes, receiving
from live.screen.ptys import on_terminal

from cluster.conftest import Raylets

pytestmark = pytest.mark.ray
DEADLINE_S = 120.0
ENGINE = ("--engine", "fixed-5ms", "--simulate", "--rate", 60, "--seed", 3, "--salt", "a", "--slo", "ttft_ms<60000")
Json = dict[str, Any]


def line(folder: Path, raylets: Raylets, *flags: object) -> tuple[object, ...]:
    write_trace(folder / "trace.jsonl", 6000, output_length=100)
    (folder / "nodes").mkdir()
    asked = ("--ray", raylets.address, "--node-dir", folder / "nodes", "--out", "run")
    return ("replay", "trace.jsonl", *ENGINE, *asked, *flags)


@contextlib.contextmanager
def watched(command: Command, raylets: Raylets, *flags: object) -> "Iterator[tuple[Started, Iterator[Json]]]":
    """A replay that goes on, and what its feed says."""
    playing = command.start(*line(command.folder, raylets, "--live-port", 0, "--json", *flags))
    until(lambda: "watch it live" in playing.err, "the feed's port", deadline_s=DEADLINE_S)
    found = re.search(r"imaxproxy top (http://127\.0\.0\.1:\d+)", playing.err)
    assert found is not None
    with urllib.request.urlopen(f"{found[1]}/imax/live", timeout=60) as feed:
        yield playing, (json.loads(text[6:]) for text in feed if text.startswith(b"data: "))


def first(feed: Iterator[Json], wanted: Callable[[Json], bool], most: int = 60) -> Json:
    """The first snapshot of which that is so."""
    for number, snapshot in enumerate(feed):
        if wanted(snapshot):
            return snapshot
        assert number < most, json.dumps(snapshot["nodes"])
    raise AssertionError("the feed ended")


def states(snapshot: Json) -> list[str]:
    return [node["state"] for node in snapshot["nodes"]]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_all_nodes_are_one_view_and_one_that_freezes_stalls_nobody(command: Command, raylets: Raylets) -> None:
    with watched(command, raylets) as (playing, feed):
        full = first(feed, lambda s: (s["now"]["seconds"] or 0) > 5 and s["now"]["output_tokens_per_s"] > 0)
        nodes = full["nodes"]
        assert (full["source"], full["simulated"], states(full)) == ("replay", True, ["playing"] * 3)
        assert full["title"].endswith("on 3 nodes")
        assert sum(node["requests"] for node in nodes) == full["run"]["requests"]["sent"] > 0
        assert sum(node["in_flight"] for node in nodes) == full["in_flight"]["count"] > 0
        assert sum(node["output_tokens_per_s"] for node in nodes) == pytest.approx(full["now"]["output_tokens_per_s"])
        assert sum(node["ttft_ms"]["count"] for node in nodes) == full["run"]["ttft_ms"]["count"]
        assert full["meter"]["loop_lag_ms"]["count"] == sum(node["loop_lag_ms"]["count"] for node in nodes)
        assert full["slo"]["of"] == full["run"]["requests"]["sent"]
        assert all(node["age_s"] < 3 and node["clock_error_ms"] < 50 for node in nodes)
        worker = raylets.workers()[0]
        frozen = [worker, parent(worker)]  # a node's actor is its workers' parent
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            silent = first(feed, lambda s: "silent" in states(s))
            before_s, count = time.monotonic(), 0
            old = first(feed, lambda s: any((node["age_s"] or 0) > 6 for node in s["nodes"]))
            assert time.monotonic() - before_s < 20
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        (name,) = (node["name"] for node in old["nodes"] if node["state"] == "silent")
        then, now = (next(node for node in s["nodes"] if node["name"] == name) for s in (silent, old))
        assert (then["requests"], then["in_flight"]) == (now["requests"], now["in_flight"])
        others = [
            [node["requests"] for node in snapshot["nodes"] if node["name"] != name] for snapshot in (silent, old)
        ]
        assert all(later > earlier for earlier, later in zip(*others, strict=True))
        count = now["requests"]
        first(feed, lambda s: states(s) == ["playing"] * 3 and _of(s, name)["requests"] > count)
        playing.send(signal.SIGINT)
        with contextlib.suppress(AssertionError):
            first(feed, lambda s: False)
        done = playing.wait(DEADLINE_S).check(130)
    assert done.json["ended"] == "interrupted"
    assert [part["requests"] > 0 for part in done.json["shares"]["parts"]] == [True] * 3
    until(lambda: not raylets.workers(), "the workers to end", deadline_s=60)


def _of(snapshot: Json, name: str) -> Json:
    return next(node for node in snapshot["nodes"] if node["name"] == name)


def test_what_engines_on_nodes_draw_and_say_is_seen_while_they_run(command: Command, raylets: Raylets) -> None:
    """Two replicas, simulated: their power in the view and at a collector, what they say of themselves, both as one."""
    engine = ("--engine", "gpt-oss-120b-b200-vllm", "--engine-replicas", 2, "--nodes", 2, "--power", "sim")
    with (
        receiving() as collector,
        watched(command, raylets, *engine, "--engine-metrics", "--otlp", collector.url) as (playing, feed),
    ):
        shown = first(
            feed, lambda s: bool(s["power"] and s["power"]["j_per_output_token"] and s["engine_metrics"]) and ended(s)
        )
        assert (shown["power"]["boards"], shown["power"]["simulated"], shown["engine_metrics"]["engines"]) == (
            2,
            True,
            2,
        )
        assert len({node["engine"] for node in shown["nodes"]}) == 2
        assert 0 < shown["power"]["energy_j"] < 60 * shown["power"]["watts"]
        playing.send(signal.SIGINT)
        done = playing.wait(DEADLINE_S).check(130).json
        assert not (command.folder / "run" / "power-now.json").exists()
        newest = {request_instance(request): request for request in collector.requests}
    assert set(newest) == {"run", "run/node-0", "run/node-1"}
    ended_there = sum(
        point.count
        for name in ("run/node-0", "run/node-1")
        for point in metrics_of(newest[name])["gen_ai.server.request.duration"].histogram.data_points
    )
    assert ended_there == done["requests"]["sent"]
    assert set(metrics_of(newest["run"])) == {"imaxproxy.power", "imaxproxy.energy"}


def ended(snapshot: Json) -> bool:
    return all(node["requests"] for node in snapshot["nodes"])


def request_instance(request: Any) -> str:  # noqa: ANN401 (a protobuf message)
    (resource,) = request.resource_metrics
    return str(attributes(resource.resource)["service.instance.id"])


def metrics_of(request: Any) -> Json:  # noqa: ANN401
    (resource,) = request.resource_metrics
    return {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}


def test_the_screen_shows_the_nodes_and_ctrl_c_reports(raylets: Raylets, tmp_path: Path) -> None:
    asked = line(tmp_path, raylets, "--nodes", 2)
    with on_terminal(tmp_path, *asked, width=120, height=40) as terminal:
        terminal.until(lambda: b"on 2 nodes" in terminal.written)
        terminal.until(lambda: terminal.written.count("●".encode()) > 20)
        assert b"TTFT p50" in terminal.written
        assert b"SIMULATED" in terminal.written
        terminal.press(b"\x03")
        assert terminal.wait() == 130
        assert b"what users felt" in terminal.written
        assert terminal.is_as_before()
    until(lambda: not raylets.workers(), "the workers to end", deadline_s=60)


def test_a_node_that_dies_is_marked_and_counts_no_more(command: Command, raylets: Raylets) -> None:
    """The last one here: it takes a node with it."""
    with watched(command, raylets, "--on-node-loss", "go-on") as (playing, feed):
        first(feed, lambda s: s["run"]["requests"]["sent"] > 30)
        raylets.tell("kill 1")
        lost = first(feed, lambda s: "lost" in states(s))
        row = next(node for node in lost["nodes"] if node["state"] == "lost")
        assert row["why"] == "it died"
        living = [node for node in lost["nodes"] if node["state"] == "playing"]
        assert sum(node["requests"] for node in living) == lost["run"]["requests"]["sent"]
        assert sum(node["in_flight"] for node in living) == lost["in_flight"]["count"]
        assert any("1 of 3 workers were lost" in reason for reason in lost["meter"]["reasons"])
        playing.send(signal.SIGINT)
        with contextlib.suppress(AssertionError):
            first(feed, lambda s: False)
        assert playing.wait(DEADLINE_S).code == 130
