from dataclasses import replace
from datetime import datetime
from pathlib import Path

import orjson
import pytest

from imaxproxy import __version__
from imaxproxy.clock import monotonic_ns
from imaxproxy.errors import ImaxproxyError
from imaxproxy.runs import Manifest, RunDirectory
from imaxproxy.runs.manifest import SCHEMA, write_json

MANIFEST = Manifest("replay", ["imaxproxy", "replay", "x"], {"seed": 0}, engine={"gpus": 2}, trace={"sha256": "0"})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert Manifest.read(run) is None
    MANIFEST.write(run)
    assert Manifest.read(run) == MANIFEST


def test_a_run_that_never_wrote_its_end_was_killed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    MANIFEST.write(run)
    killed = Manifest.read(run)
    assert killed is not None
    assert killed.ended == "killed"
    replace(MANIFEST, ended="finished", lost_lines=3).write(run)
    ended = Manifest.read(run)
    assert ended is not None
    assert (ended.ended, ended.lost_lines, ended.started_at) == ("finished", 3, MANIFEST.started_at)


def test_it_holds_what_one_needs_to_run_it_again_and_to_read_its_clock() -> None:
    assert (MANIFEST.schema, MANIFEST.version) == (SCHEMA, __version__)
    assert datetime.fromisoformat(MANIFEST.started_at).tzinfo is not None
    assert MANIFEST.clock["source"] == "CLOCK_MONOTONIC"
    assert 0 < MANIFEST.clock["monotonic_ns"] <= monotonic_ns()
    assert MANIFEST.host["cpus"] >= 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "not a manifest"),
        (b"[]", "not a manifest"),
        (b"{}", "not a manifest"),
        (b'{"schema":"imaxproxy.manifest/9"}', "this version reads 'imaxproxy.manifest/1'"),
        (b'{"schema":"imaxproxy.manifest/1","new":1}', "not a manifest"),
    ],
)
def test_another_file_is_told_from_a_manifest(tmp_path: Path, data: bytes, message: str) -> None:
    run = RunDirectory(tmp_path)
    run.manifest.write_bytes(data)
    with pytest.raises(ImaxproxyError, match=message):
        Manifest.read(run)


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert orjson.loads(path.read_bytes()) == {"a": 1}
