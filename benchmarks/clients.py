"""The load clients compared. Each is a command for a load against a source, and a reader of what it reported."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks import peers
from benchmarks.build import program
from benchmarks.paths import HERE, imaxproxy
from benchmarks.proxies import imaxproxy_reported, imaxproxy_version
from benchmarks.rig import Load
from benchmarks.truth import Figures

INPUT_TOKENS = 32


@dataclass(frozen=True)
class Job:
    """A command with its environment."""

    command: Sequence[object]
    env: dict[str, str]


class Client(Protocol):
    name: str

    def version(self) -> str:
        """Raises Unavailable when it is not installed."""

    def job(self, url: str, load: Load, folder: Path) -> Job: ...

    def reported(self, output: str, folder: Path) -> tuple[Figures, str]:
        """What it says it saw, and its own remark on how far to trust that."""


class CounterInC:
    """The floor: counts events and stamps reads, nothing more."""

    name = "C, only counts"

    def version(self) -> str:
        program("client")
        return "client.c"

    def job(self, url: str, load: Load, folder: Path) -> Job:
        port = url.rpartition(":")[2]
        counts = ["--streams", load.streams, "--requests", load.requests, "--tokens", load.tokens]
        return Job([program("client"), "--port", port, *counts], {})

    def reported(self, output: str, folder: Path) -> tuple[Figures, str]:
        return own_json(output), ""


class BareUvloop:
    """The least that Python can do: a Protocol that stamps and counts."""

    name = "bare uvloop"

    def version(self) -> str:
        peers.python()
        return "bare_uvloop.py"

    def job(self, url: str, load: Load, folder: Path) -> Job:
        port = url.rpartition(":")[2]
        return Job([peers.python(), HERE / "bare_uvloop.py", port, load.streams, load.requests, load.tokens], {})

    def reported(self, output: str, folder: Path) -> tuple[Figures, str]:
        return own_json(output), ""


class ImaxproxyReplay:
    """The player under test, with its defaults, on a trace of equal rows."""

    name = "imaxproxy replay"

    def version(self) -> str:
        return imaxproxy_version()

    def job(self, url: str, load: Load, folder: Path) -> Job:
        trace = folder / "trace.jsonl"
        row = json.dumps({"input_length": INPUT_TOKENS, "output_length": load.tokens})
        trace.write_text(f"{row}\n" * load.requests)
        flags = ["--concurrency", load.streams, "--limit", load.requests, "--model", "bench", "--out", folder / "run"]
        return Job([imaxproxy(), "replay", trace, "--url", f"{url}/v1", *flags], {})

    def reported(self, output: str, folder: Path) -> tuple[Figures, str]:
        return imaxproxy_reported(folder / "run")


class SglangRust:
    """SGLang's Rust client, on as many threads as it likes (all on the one core)."""

    name = "SGLang Rust"

    def version(self) -> str:
        peers.sglang_rust()
        return peers.SGLANG

    def job(self, url: str, load: Load, folder: Path) -> Job:
        start = "import sys, _bench; _bench.run_argv(['sglang-bench', *sys.argv[1:]])"
        flags = [
            "--backend",
            "sglang-oai-chat",
            "--dataset-name",
            "random-ids",
            "--random-range-ratio",
            1,
            "--output-file",
            folder / "result.json",
        ]
        flags += ["--extra-request-body", '{"stream_options":{"include_usage":true}}']
        command = [peers.python(), "-c", start, *flags, *common_flags(url, load)]
        return Job(command, peers.OFFLINE | {"PYTHONPATH": str(peers.sglang_rust())})

    def reported(self, output: str, folder: Path) -> tuple[Figures, str]:
        return bench_json(json.loads((folder / "result.json").read_text())), ""


class Vllm:
    """`vllm bench serve`, the client alone (vllm_client.py)."""

    name = "vLLM"

    def version(self) -> str:
        peers.vllm_benchmarks()
        return peers.VLLM

    def job(self, url: str, load: Load, folder: Path) -> Job:
        flags: list[object] = ["--backend", "openai-chat", "--endpoint", "/v1/chat/completions", "--ignore-eos"]
        flags += ["--dataset-name", "random"]
        flags += ["--percentile-metrics", "ttft,tpot,itl", "--metric-percentiles", "50,99"]
        flags += ["--save-result", "--result-dir", folder, "--result-filename", "result.json"]
        command = [peers.python(), HERE / "vllm_client.py", *flags, *common_flags(url, load)]
        return Job(command, peers.OFFLINE | {"PYTHONPATH": str(peers.vllm_benchmarks())})

    def reported(self, output: str, folder: Path) -> tuple[Figures, str]:
        return bench_json(json.loads((folder / "result.json").read_text())), ""


class Aiperf:
    """`aiperf profile`; several processes, all on the one core."""

    name = "AIPerf"

    def version(self) -> str:
        peers.aiperf()
        return peers.AIPERF

    def job(self, url: str, load: Load, folder: Path) -> Job:
        flags: list[object] = ["--model", "bench", "--url", url, "--endpoint-type", "chat", "--streaming"]
        flags += ["--tokenizer", peers.HUB_NAME, "--isl", INPUT_TOKENS, "--osl", load.tokens, "--random-seed", 42]
        flags += ["--concurrency", load.streams, "--request-count", load.requests, "--ui", "none"]
        flags += ["--no-gpu-telemetry", "--no-server-metrics", "--output-artifact-dir", folder / "aiperf"]
        return Job([peers.aiperf(), "profile", *flags], peers.OFFLINE | {"HF_HOME": str(peers.hub())})

    def reported(self, output: str, folder: Path) -> tuple[Figures, str]:
        found = json.loads((folder / "aiperf/profile_export_aiperf.json").read_text())
        ttft, itl = found["time_to_first_token"], found["inter_token_latency"]
        return Figures(ttft["p50"], ttft["p99"], itl["p50"], itl["p99"], round(found["total_osl"]["avg"])), ""


class Guidellm:
    """`guidellm run` with one worker process, beside its main one."""

    name = "GuideLLM"

    def version(self) -> str:
        peers.guidellm()
        return peers.GUIDELLM

    def job(self, url: str, load: Load, folder: Path) -> Job:
        flags = [
            "--backend",
            f"kind=openai_http,target={url},model=bench,request_format=/v1/chat/completions,http2=false",
        ]
        flags += ["--profile", f"kind=concurrent,streams={load.streams}"]
        flags += ["--constraint", f"kind=max_requests,count={load.requests}"]
        flags += ["--tokenizer", f"kind=huggingface_auto,model={peers.tokenizer()}"]
        flags += ["--data", f"kind=synthetic_text,prompt_tokens={INPUT_TOKENS},output_tokens={load.tokens}"]
        flags += ["--output", f"kind=json,path={folder / 'result.json'}", "--disable-console-interactive"]
        return Job([peers.guidellm(), "run", *flags], peers.OFFLINE | {"GUIDELLM__MAX_WORKER_PROCESSES": "1"})

    def reported(self, output: str, folder: Path) -> tuple[Figures, str]:
        (found,) = json.loads((folder / "result.json").read_text())["benchmarks"]
        metrics = found["metrics"]
        ttft, itl = (
            metrics[name]["successful"]["percentiles"] for name in ("time_to_first_token_ms", "inter_token_latency_ms")
        )
        tokens = round(metrics["output_token_count"]["total"]["total_sum"])
        return Figures(ttft["p50"], ttft["p99"], itl["p50"], itl["p99"], tokens), ""


def common_flags(url: str, load: Load) -> list[object]:
    """What SGLang's and vLLM's clients call the same."""
    where: list[object] = ["--base-url", url, "--model", "bench", "--tokenizer", peers.tokenizer(), "--disable-tqdm"]
    lengths = ["--random-input-len", INPUT_TOKENS, "--random-output-len", load.tokens]
    return [*where, *lengths, "--num-prompts", load.requests, "--max-concurrency", load.streams]


def own_json(output: str) -> Figures:
    found = json.loads(output)
    ttft, itl = found["ttft_ms"], found["itl_ms"] or {}
    return Figures(ttft["p50"], ttft["p99"], itl.get("p50"), itl.get("p99"), found["events"])


def bench_json(found: dict[str, Any]) -> Figures:
    """SGLang's and vLLM's result files name these the same."""
    ttft, itl = ((found[f"median_{metric}_ms"], found[f"p99_{metric}_ms"]) for metric in ("ttft", "itl"))
    return Figures(*ttft, *itl, found["total_output_tokens"])


CLIENTS: tuple[Client, ...] = (
    CounterInC(),
    BareUvloop(),
    ImaxproxyReplay(),
    SglangRust(),
    Vllm(),
    Aiperf(),
    Guidellm(),
)
