import sys
from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch.environment import engine_bin, for_engines


def test_an_environment_or_its_bin_is_taken(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").touch()
    assert engine_bin("vllm", tmp_path) == engine_bin("vllm", programs) == programs


def test_else_what_path_has_else_beside_us(tmp_path: Path) -> None:
    program = tmp_path / "vllm"
    program.touch(mode=0o755)
    assert engine_bin("vllm", None, str(tmp_path)) == tmp_path
    assert engine_bin("sglang", None, str(tmp_path)) == Path(sys.executable).parent


def test_what_speaks_to_our_own_interpreter_is_not_handed_on() -> None:
    ours = {"PATH": "/bin", "PYTHONWARNINGS": "error", "PYTHONHOME": "/ours", "PYTHONPATH": "/engine", "HF_TOKEN": "x"}
    assert for_engines(ours) == {"PATH": "/bin", "PYTHONPATH": "/engine", "HF_TOKEN": "x"}


def test_a_folder_without_programs_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no environment: it holds neither bin/python nor llama-server"):
        engine_bin("llamacpp", tmp_path)
