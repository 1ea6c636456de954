"""Real engines, each started once for a module's tests by `imaxproxy engine launch`, from the shipped recipe.

Their environments are made by `scripts/engine-envs`, outside the repository; a test whose engine is not there is
skipped, and says so.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cli.command import Command

from imaxproxy.launch import free_port

ROOT = Path(os.environ.get("IMAXPROXY_ENGINES") or Path.home() / ".cache" / "imaxproxy" / "engines")
RECIPES = {
    "dynamo": "tiny-dynamo-mocker",
    "transformers": "tiny-cpu-transformers",
    "vllm": "tiny-cpu-vllm",
    "sglang": "tiny-cpu-sglang",
    "llamacpp": "tiny-cpu-llamacpp",
}
MAKER = Path(__file__).with_name("make_tiny_model.py")
GGUF_MAKER = MAKER.with_name("make_tiny_gguf.py")
MODEL = "tiny-qwen3"
"""Where the recipes look for it, from where the command runs."""


def environment_of(engine: str) -> Path:
    """Skips the test where there is none."""
    environment = ROOT / engine
    if not list(environment.glob(".made-*")):
        pytest.skip(f"no environment of {engine} in {ROOT}: scripts/engine-envs {engine}")
    return environment


def make_model(environment: Path, folder: Path) -> None:
    """In a folder where commands will run; llama.cpp's is one file."""
    python = environment / "bin" / "python3"
    subprocess.run([python, MAKER, folder / MODEL, "--arch", "qwen3"], check=True, capture_output=True, timeout=120)
    if environment.name == "llamacpp":
        argv = [python, GGUF_MAKER, folder / MODEL, folder / f"{MODEL}.gguf"]
        subprocess.run(argv, check=True, capture_output=True, timeout=120)


def command_in(folder: Path) -> Command:
    """Commands with a runtime folder of their own."""
    # llama.cpp closes connections as it likes, and urllib leaves such a socket to the collector.
    return Command(folder, {"XDG_RUNTIME_DIR": str(folder), "PYTHONWARNINGS": "error,ignore::ResourceWarning"})


START_S = 300.0
"""Some 25 s on two quiet cores; much more when others work on them."""


@dataclass
class Running:
    """An engine that `imaxproxy engine launch --detach` keeps."""

    name: str
    command: Command
    url: str
    model: str

    @property
    def host_port(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port


@pytest.fixture(scope="module", params=list(RECIPES))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Launched once for all tests of a module; the last of them may kill it."""
    engine = request.param
    environment = environment_of(engine)
    folder = tmp_path_factory.mktemp(engine)
    make_model(environment, folder)
    command = command_in(folder)
    arguments = (
        "--engine-env",
        environment,
        "--engine-port",
        free_port("127.0.0.1"),
        "--detach",
        "--json",
        "--out",
        "engine",
    )
    try:
        found = command.start("engine", "launch", RECIPES[engine], *arguments).wait(START_S).check(0).json
        assert found["state"] == "ready"
        yield Running(engine, command, found["url"], found["model"])
        if command.family():
            command.run("engine", "stop").check(0)
        assert command.family() == []
    finally:
        command.close()
