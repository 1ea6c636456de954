"""Who carries the streams is said wherever a user may look, and can be chosen."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_engine import Script, ScriptedEngine, answering, whole_stream

from cli.command import Command, lines_of
from cli.test_serve import get_json
from imaxproxy.wire import hot_path

StartEngine = Callable[[Script], ScriptedEngine]


@pytest.mark.parametrize(("wanted", "found", "said"), [("", hot_path(), None), ("python", "python", "Python (slower")])
def test_it_is_said(
    command: Command, start_engine: StartEngine, tmp_path: Path, wanted: str, found: str, said: str | None
) -> None:
    command.environment["IMAXPROXY_HOT_PATH"] = wanted
    engine = start_engine(answering(*whole_stream(3)))
    serving = command.start("serve", "--upstream", engine.url, "--port", 0, "--out", "run")
    url = serving.url()
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"timestamp": 0, "input_length": 10, "output_length": 3}\n')
    command.run("replay", trace, "--url", f"{url}/v1", "--model", "m", "--out", "played")
    assert f"streams carried by {said or ('C' if found == 'c' else 'Python (slower')}" in serving.err
    assert get_json(f"{url}/imax/stats")["hot_path"] == found
    serving.send(signal.SIGTERM)
    assert serving.wait().code == 0
    for run in ("run", "played"):
        assert json.loads((tmp_path / run / "manifest.json").read_text())["hot_path"] == found
        exchanges = lines_of(tmp_path / run / "exchanges-0.jsonl")
        assert [["c", 1, 3]] in [exchange.get("marks") for exchange in exchanges]


def test_what_cannot_be_is_one_line(command: Command) -> None:
    command.environment["IMAXPROXY_HOT_PATH"] = "rust"
    done = command.run("serve", "--upstream", "http://127.0.0.1:1", "--port", 0)
    assert done.code == 2
    assert done.err.strip().splitlines()[-1].endswith("unset it for c where that was built")
