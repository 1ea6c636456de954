"""Other projects' gateways, from PyPI, each in a venv of its own under .cache/: they stand where imaxproxy stands."""

import json
import sys
import urllib.request
from functools import cache
from pathlib import Path

from benchmarks.paths import CACHE, HERE, free_port
from benchmarks.peers import checked, python
from benchmarks.process import Child
from benchmarks.truth import Figures

SMG, LITELLM = "0.3.2", "1.108.7"
NOTHING = Figures(), "reports nothing"


@cache
def venv(name: str, requirement: str) -> Path:
    """The folder of a venv with one gateway in it."""
    folder = CACHE / name
    if not (folder / "complete").exists():
        checked(sys.executable, "-m", "venv", folder)
        checked(folder / "bin/python", "-m", "pip", "install", "-q", requirement)
        (folder / "complete").touch()
    return folder


class BareRelay:
    """The least that a Python relay can cost (bare_relay.py)."""

    name = "bare uvloop relay"
    most_streams = None

    def version(self) -> str:
        python()
        return "bare_relay.py"

    def start(self, core: int, upstream: str, folder: Path) -> tuple[Child, int]:
        port = free_port()
        command = [python(), HERE / "bare_relay.py", port, upstream.rpartition(":")[2]]
        child = Child(core, command, folder / "relay.log")
        child.ready(f"http://127.0.0.1:{port}/ready")
        return child, port

    def reported(self, folder: Path) -> tuple[Figures, str]:
        return NOTHING


class Smg:
    """SGLang's gateway in Rust: round robin, its default of as many threads as it likes, all on the one core."""

    name = "SMG"
    most_streams = None

    def version(self) -> str:
        venv("smg", f"sglang-router=={SMG}")
        return SMG

    def start(self, core: int, upstream: str, folder: Path) -> tuple[Child, int]:
        port = free_port()
        command = [venv("smg", f"sglang-router=={SMG}") / "bin/python", "-m", "sglang_router.launch_router"]
        flags = ["--worker-urls", upstream, "--policy", "round_robin", "--host", "127.0.0.1", "--port", port]
        flags += ["--log-level", "warn", "--prometheus-port", free_port(), "--max-concurrent-requests", -1]
        child = Child(core, [*command, *flags], folder / "smg.log")
        child.ready(f"http://127.0.0.1:{port}/readiness", limit_s=60)
        return child, port

    def reported(self, folder: Path) -> tuple[Figures, str]:
        return NOTHING


class LiteLlm:
    """LiteLLM's proxy with one worker, no database, no callbacks, one model."""

    name = "LiteLLM"
    most_streams = 20
    """Saturated there already; more would only take longer."""

    def version(self) -> str:
        venv("litellm", f"litellm[proxy]=={LITELLM}")
        return LITELLM

    def start(self, core: int, upstream: str, folder: Path) -> tuple[Child, int]:
        port = free_port()
        config = folder / "litellm.yaml"  # JSON is YAML
        open_door = {"dangerously_permit_weak_or_unset_master_key": True}
        config.write_text(json.dumps({"model_list": [model("bench", upstream)], "general_settings": open_door}))
        command = [venv("litellm", f"litellm[proxy]=={LITELLM}") / "bin/litellm", "--config", config, "--port", port]
        env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        child = Child(core, [*command, "--host", "127.0.0.1", "--num_workers", 1], folder / "litellm.log", env)
        child.ready(f"http://127.0.0.1:{port}/health/liveliness", limit_s=120)
        ask_once(f"http://127.0.0.1:{port}/v1/chat/completions", "bench")
        return child, port

    def reported(self, folder: Path) -> tuple[Figures, str]:
        return NOTHING


def ask_once(url: str, name: str) -> None:
    """The first request has it import for seconds, which no later one pays for."""
    body = {"model": name, "messages": [{"role": "user", "content": "x"}], "max_tokens": 2, "stream": True}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        answer.read()


def model(name: str, upstream: str) -> dict[str, object]:
    where = {"model": f"openai/{name}", "api_base": f"{upstream}/v1", "api_key": "none"}
    return {"model_name": name, "litellm_params": where}
