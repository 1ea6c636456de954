"""A place of a sweep on a node, as an object of this process."""

from pathlib import Path

import pytest

from imaxproxy.conduct.sweeps.on_cluster import Wants, _engine_of
from imaxproxy.conduct.sweeps.sweeper import PointJob, RaySweeper, name_of
from imaxproxy.sweep import Variant
from imaxproxy.sweep.point import REAL, SIMULATE, URL, VIRTUAL


def job(*argv: str, mode: str = VIRTUAL) -> PointJob:
    return PointJob(("fixed-1k1k", "--engine", "fixed-5ms", "--simulate", *argv), 0, "fixed", mode)


def test_a_point_leaves_its_run_and_a_failed_one_its_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = RaySweeper()
    answer = place.play(job("--virtual", "--concurrency", "4", "--limit", "8"))
    assert answer.error is None
    names = {Path(facts.name).name for facts in answer.files}
    assert {"manifest.json", "summary.json", "histograms.hlog"} <= names
    piece = place.read(answer.files[0].name, 0)
    assert len(piece) == answer.files[0].size_bytes
    failed = place.play(job("--virtual", "--concurrency", "4", "--rate", "3"))
    assert failed.error is not None
    assert "--rate is an open loop" in failed.error
    place.close()
    assert not list(tmp_path.iterdir())


def test_what_a_point_takes_of_a_node() -> None:
    simulated = ("--engine", "gpt-oss-120b-b200-vllm", "--simulate")
    assert Wants.of(Variant("a", "a", VIRTUAL, simulated)) == Wants(1.0)
    assert Wants.of(Variant("a", "a", SIMULATE, simulated)) == Wants(2.0)
    assert Wants.of(Variant("a", "a", URL, ("--url", "http://x"))) == Wants(1.0)
    assert Wants.of(Variant("a", "a", REAL, ("--engine", "gpt-oss-120b-b200-tp8-vllm"))) == Wants(1.0, 8)


def test_one_engine_is_not_loaded_from_two_places() -> None:
    one = Variant("a", "a", URL, ("--url", "http://x", "--model", "m"))
    same = Variant("b", "b", URL, ("--url", "http://x"))
    assert _engine_of(one) == _engine_of(same) != _engine_of(Variant("c", "c", REAL, ("--engine", "e")))


def test_a_shipped_file_keeps_its_name() -> None:
    assert name_of(Path("/a/trace.jsonl"), "s").endswith("/trace.jsonl")
    assert name_of(Path("/a/t.jsonl"), "s") != name_of(Path("/a/t.jsonl"), "other")
