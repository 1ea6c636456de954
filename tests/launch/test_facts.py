import sys
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.launch import Facts, gather
from tests.launch.plans import recipe
from tests.launch.test_gpus import FakeNvml


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([]))  # type: ignore[arg-type]


def gathered(name: str, folder: Path, **changes: Any) -> Facts:  # noqa: ANN401 (any argument of gather)
    known: dict[str, Any] = {"environment": {"HF_HOME": str(folder)}, "home": folder, "chosen": None}
    known |= {"port": 8000, "port_error": None, "dummy_weights": False, "bin": folder / "bin"}
    return gather(recipe(name, **changes.pop("recipe", {})), **known | changes)


def test_a_machine_with_nothing(tmp_path: Path) -> None:
    facts = gathered("gpt-oss-120b-b200-eagle3-trtllm", tmp_path)
    assert facts.gpus.why_none == "the NVIDIA driver shows no GPU"
    assert facts.installed.why == f"there is no {tmp_path}/bin/python"
    assert facts.checkpoint.lacks == f"openai/gpt-oss-120b in {tmp_path}/hub"
    assert facts.drafter is not None
    assert facts.drafter.lacks == f"nvidia/gpt-oss-120b-Eagle3 in {tmp_path}/hub"
    assert facts.hub_free_bytes > 0  # of the disk it would be on: the folder is not there yet


@pytest.mark.parametrize(
    ("name", "changes", "wants_weights"),
    [
        ("tiny-cpu-vllm", {}, True),
        ("tiny-cpu-vllm", {"dummy_weights": True}, False),
        ("tiny-cpu-vllm", {"recipe": {"weights": "dummy"}}, False),
        ("tiny-dynamo-mocker", {}, False),  # it makes up its tokens
    ],
)
def test_weights_are_wanted_where_they_are_loaded(
    tmp_path: Path, name: str, changes: dict[str, Any], wants_weights: bool
) -> None:
    (tmp_path / "config.json").touch()
    changes = {**changes, "recipe": {"model_path": str(tmp_path), **changes.get("recipe", {})}}
    lacks = gathered(name, tmp_path, **changes).checkpoint.lacks
    assert (lacks is not None) == wants_weights


def test_llama_server_is_asked_as_a_program(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "llama-server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'version: 1 (0c1e570)' >&2\n", "utf-8")
    program.chmod(0o755)
    assert gathered("tiny-cpu-llamacpp", tmp_path).installed.versions == {"llama-server": "version: 1 (0c1e570)"}
