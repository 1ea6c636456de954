import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from imaxproxy.launch.installed import Installed, ask_program, ask_python


def program(folder: Path, text: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_an_environment_tells_what_it_holds() -> None:
    found = ask_python(Path(sys.executable), ["click", "no-such-package"])
    assert found.versions["click"] == version("click")
    assert found.versions["no-such-package"] is None
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.why is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("exit 3", "does not answer: CalledProcessError"),
        ("echo no JSON", "does not answer: JSONDecodeError"),
        ("echo '{}'", "does not answer: KeyError"),
    ],
)
def test_a_broken_interpreter_is_an_answer_too(tmp_path: Path, text: str, why: str) -> None:
    assert why in (ask_python(program(tmp_path, text), ["vllm"]).why or "")


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    assert ask_python(tmp_path / "python", ["vllm"]).why == f"there is no {tmp_path}/python"


def test_a_program_tells_its_version(tmp_path: Path) -> None:
    told = ask_program(program(tmp_path, "echo built with cc >&2; echo 'version: 1 (0c1e570)' >&2"))
    assert told.versions == {"program": "version: 1 (0c1e570)"}
    assert ask_program(tmp_path / "none").why == f"there is no {tmp_path}/none"
    assert "does not answer" in (ask_program(program(tmp_path, "exit 1")).why or "")


def test_the_cuda_that_wheels_bring() -> None:
    assert Installed(versions={"nvidia-cuda-runtime-cu12": "12.8.90"}).cuda_major == 12
    assert Installed(versions={"nvidia-cuda-runtime": "13.0.48", "nvidia-cuda-runtime-cu12": None}).cuda_major == 13
    assert Installed(versions={"vllm": "0.32.0"}).cuda_major is None
