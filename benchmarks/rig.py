"""What a run is made of: how many streams of how many tokens, the source that sends them, and its truth."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.build import program
from benchmarks.cpu import cores
from benchmarks.paths import free_port
from benchmarks.process import Child
from benchmarks.truth import Truth, read_truth

PHASES = {
    "spread": "the first requests come over 0.5 s: each stream at its own phase",
    "together": "the first requests come at once, as from a closed loop: phases lie as close as they arrived",
    "step": "the source sends all streams in one burst, as an engine's step does",
}
SPREAD_MS = 500


@dataclass(frozen=True)
class Load:
    """Closed loop: `streams` at once, `requests` in all, of `tokens` each."""

    streams: int
    requests: int
    tokens: int
    ttft_ms: float = 20
    itl_ms: float = 5
    phases: str = "together"

    @property
    def stream_s(self) -> float:
        return (self.ttft_ms + (self.tokens - 1) * self.itl_ms) / 1000

    @property
    def limit_s(self) -> float:
        """Long enough for a contestant that is ten times late; after that it has failed."""
        return 30 + 10 * self.stream_s * self.requests / self.streams


def write_trace(load: Load, folder: Path) -> Path:
    """What `imaxproxy replay` needs for this load, alone in a folder made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    trace = folder / "trace.jsonl"
    trace.write_text(f"{json.dumps({'input_length': 32, 'output_length': load.tokens})}\n" * load.requests)
    return trace


def lasting(seconds: float, one_round: Load) -> Load:
    """As many rounds of all streams as come closest to `seconds`, at least two."""
    rounds = max(2, round(seconds / one_round.stream_s))
    return replace(one_round, requests=one_round.streams * rounds)


class Source:
    """The running source; `stop` gives its truth."""

    def __init__(self, load: Load, folder: Path, stamp: bool = False) -> None:
        self.load = load
        self.port = free_port()
        self._truth = folder / "truth.jsonl"
        flags = ["--stamp"] * stamp + ["--step"] * (load.phases == "step")
        command = [program("source"), "--port", self.port, "--ttft-ms", load.ttft_ms, "--itl-ms", load.itl_ms]
        self._child = Child(cores()[0], [*command, "--truth", self._truth, *flags], folder / "source.log")
        self._child.ready(f"{self.url}/health")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._child.stop()

    def truth(self) -> Truth:
        """Stop, then read. The file goes: it is large."""
        self.stop()
        truth = read_truth(self._truth, self.load.requests)
        self._truth.unlink()
        return truth


def c_client(core: int, port: int, load: Load, folder: Path) -> Child:
    """The C client as a proxy's load; it reads the source's stamps."""
    command = [program("client"), "--port", port, "--streams", load.streams, "--requests", load.requests]
    ramp_ms = SPREAD_MS if load.phases == "spread" else 0
    return Child(core, [*command, "--tokens", load.tokens, "--stamp", "--ramp-ms", ramp_ms], folder / "client.log")
