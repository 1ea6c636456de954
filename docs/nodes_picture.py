"""Draws docs/live/nodes-120x40.svg: `replay --ray` on three raylets of this machine, one of them frozen.

`scripts/pictures --nodes` runs it. Needs the ray extra and Debian's tmux.
"""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from live_pictures import TMUX, take_screen

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT, NAME = 120, 40, "nodes-120x40"
SETTLE_S, FROZEN_S = 40.0, 8.0
FLAGS = ("--engine", "gpt-oss-120b-b200-vllm", "--simulate", "--concurrency", "60", "--slo", "ttft_ms<500@p90",
         "--engine-replicas", "3", "--power", "sim", "--engine-metrics")  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as name, _raylets() as address:
        folder = Path(name)
        rows = (
            json.dumps({"input_length": 300 + 7 * n % 900, "output_length": 200 + 13 * n % 500}) for n in range(9000)
        )
        (folder / "trace.jsonl").write_text("".join(f"{row}\n" for row in rows))
        words = [
            sys.executable,
            "-m",
            "imaxproxy.cli.main",
            "replay",
            "trace.jsonl",
            *FLAGS,
            "--ray",
            address,
            "--out",
            "run",
        ]
        environment = ["-e", f"PYTHONPATH={ROOT}", "-e", "TERM=xterm-256color", "-e", "COLORTERM=truecolor"]
        size = ["-x", str(WIDTH), "-y", str(HEIGHT), "-c", str(folder)]
        subprocess.run([*TMUX, "new-session", "-d", "-s", NAME, *size, *environment, shlex.join(words)], check=True)
        try:
            time.sleep(SETTLE_S)
            with _frozen(_a_node()):
                time.sleep(FROZEN_S)
                take_screen(NAME, NAME, WIDTH, HEIGHT, "imaxproxy replay --ray")
        finally:
            subprocess.run([*TMUX, "send-keys", "-t", NAME, "C-c"], check=False)
            time.sleep(5)
            subprocess.run([*TMUX, "kill-server"], check=False)


@contextlib.contextmanager
def _raylets() -> Iterator[str]:
    asked = json.dumps({"raylets": 3, "cpus": 4, "gpus": 0, "environments": []})
    line = [sys.executable, str(ROOT / "tests" / "cluster" / "raylets.py"), asked]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IMAXPROXY_PICTURE": "1"}
    with subprocess.Popen(line, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, env=environment, text=True) as raylets:
        assert raylets.stdin is not None
        assert raylets.stdout is not None
        yield json.loads(raylets.stdout.readline())["address"]
        raylets.stdin.close()


def _a_node() -> list[int]:
    """A worker of one of them, and the actor above it."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_ours = b"IMAXPROXY_PICTURE=1" in (folder / "environ").read_bytes()
            if is_ours and b"conduct.replay.worker" in (folder / "cmdline").read_bytes():
                actor = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                return [int(folder.name), actor]
    raise SystemExit("no node plays: see what the command says")


@contextlib.contextmanager
def _frozen(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    main()
