"""Other projects' load clients on the same cases, with the flags that their users would take. Usage is asked for."""

import json
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.accuracy.cases import Case
from benchmarks.accuracy.figures import Figures
from benchmarks.accuracy.meter import Job
from benchmarks.accuracy.ours import INPUT_TOKENS
from benchmarks.paths import HERE

Json = dict[str, Any]
ASK_USAGE = '{"stream_options":{"include_usage":true}}'
RESULT = "result.json"


class Vllm:
    """`vllm bench serve`, the client alone (vllm_client.py)."""

    name = "vLLM bench"

    def version(self) -> str:
        peers.vllm_benchmarks()
        return peers.VLLM

    def job(self, url: str, case: Case, folder: Path) -> Job:
        flags: list[object] = ["--backend", "openai-chat", "--endpoint", "/v1/chat/completions", "--ignore-eos"]
        flags += ["--dataset-name", "random", "--save-result", "--save-detailed", "--result-dir", folder]
        flags += ["--result-filename", RESULT, "--metric-percentiles", "50,99"]
        flags += ["--percentile-metrics", "ttft,tpot,itl,e2el,e2el_including_client_queue"]
        if case.rate_per_s is not None:
            flags += ["--burstiness", 10_000]  # as good as constant
        command = [peers.python(), HERE / "vllm_client.py", *flags, *common_flags(url, case)]
        return Job(command, peers.OFFLINE | {"PYTHONPATH": str(peers.vllm_benchmarks())})

    def said(self, folder: Path) -> Figures:
        found = json.loads((folder / RESULT).read_text())
        return bench_figures(found, "e2el", found["failed"], found.get("p99_e2el_including_client_queue_ms"))


class SglangPython:
    """`sglang.bench_serving`, the client alone (sglang_client.py)."""

    name = "SGLang"

    def version(self) -> str:
        peers.sglang_python()
        return peers.SGLANG

    def job(self, url: str, case: Case, folder: Path) -> Job:
        command = [peers.python(), HERE / "sglang_client.py", *sglang_flags(url, case, folder)]
        return Job(command, peers.OFFLINE | {"PYTHONPATH": str(peers.sglang_python())})

    def said(self, folder: Path) -> Figures:
        return bench_figures(json.loads((folder / RESULT).read_text()), "e2e_latency")


class SglangRust(SglangPython):
    """Its Rust client: the same flags, the same result file."""

    name = "SGLang Rust"

    def version(self) -> str:
        peers.sglang_rust()
        return peers.SGLANG

    def job(self, url: str, case: Case, folder: Path) -> Job:
        start = "import sys, _bench; _bench.run_argv(['sglang-bench', *sys.argv[1:]])"
        command = [peers.python(), "-c", start, *sglang_flags(url, case, folder)]
        return Job(command, peers.OFFLINE | {"PYTHONPATH": str(peers.sglang_rust())})


class Aiperf:
    name = "AIPerf"

    def version(self) -> str:
        peers.aiperf()
        return peers.AIPERF

    def job(self, url: str, case: Case, folder: Path) -> Job:
        flags: list[object] = ["--model", "bench", "--url", url, "--endpoint-type", "chat", "--streaming"]
        flags += ["--tokenizer", peers.HUB_NAME, "--isl", INPUT_TOKENS, "--osl", case.tokens, "--random-seed", 42]
        flags += ["--concurrency", case.concurrency, "--request-count", case.requests, "--ui", "none"]
        flags += ["--no-gpu-telemetry", "--no-server-metrics", "--output-artifact-dir", folder / "aiperf"]
        if case.rate_per_s is not None:
            flags += ["--request-rate", case.rate_per_s, "--arrival-pattern", "constant"]
        return Job([peers.aiperf(), "profile", *flags], peers.OFFLINE | {"HF_HOME": str(peers.hub())})

    def said(self, folder: Path) -> Figures:
        found = json.loads((folder / "aiperf/profile_export_aiperf.json").read_text())

        def value(metric: str, name: str = "avg") -> float | None:
            return found.get(metric, {}).get(name)

        return Figures(
            ttft_p50_ms=value("time_to_first_token", "p50"),
            ttfo_p50_ms=value("time_to_first_output_token", "p50"),
            tpot_mean_ms=value("inter_token_latency"),
            itl_p50_ms=value("inter_token_latency", "p50"),
            itl_p99_ms=value("inter_token_latency", "p99"),
            itl_max_ms=value("inter_token_latency", "max"),
            event_gap_p50_ms=value("inter_chunk_latency", "p50"),
            e2e_p99_ms=value("request_latency", "p99"),
            from_schedule_p99_ms=value("effective_latency", "p99"),
            completed=whole(value("request_count")) or 0,
            failed=whole(value("error_request_count")) or 0,
            tokens=whole(value("total_osl")),
            reasoning_tokens=whole(value("total_reasoning_tokens") or value("reasoning_token_count", "sum")),
            tokens_per_s=value("output_token_throughput"),
        )


class Guidellm:
    name = "GuideLLM"

    def version(self) -> str:
        peers.guidellm()
        return peers.GUIDELLM

    def job(self, url: str, case: Case, folder: Path) -> Job:
        backend = f"kind=openai_http,target={url},model=bench,request_format=/v1/chat/completions,http2=false"
        profile = f"kind=concurrent,streams={case.concurrency}"
        if case.rate_per_s is not None:
            profile = f"kind=constant,rate={case.rate_per_s:g},max_concurrency={case.concurrency}"
        flags = ["--backend", backend, "--profile", profile]
        flags += ["--constraint", f"kind=max_requests,count={case.requests}"]
        flags += ["--tokenizer", f"kind=huggingface_auto,model={peers.tokenizer()}"]
        flags += ["--data", f"kind=synthetic_text,prompt_tokens={INPUT_TOKENS},output_tokens={case.tokens}"]
        flags += ["--output", f"kind=json,path={folder / RESULT}", "--disable-console-interactive"]
        return Job([peers.guidellm(), "run", *flags], peers.OFFLINE | {"GUIDELLM__MAX_WORKER_PROCESSES": "1"})

    def said(self, folder: Path) -> Figures:
        (found,) = json.loads((folder / RESULT).read_text())["benchmarks"]
        metrics: Json = found["metrics"]
        totals = metrics["request_totals"]

        def of(metric: str, name: str, part: str = "successful") -> float | None:
            """Of the successful ones, as in its tables; throughput is of all."""
            figures = (metrics.get(metric) or {}).get(part)
            if not figures or not figures["count"]:
                return None
            return figures["percentiles"][name] if name[0] == "p" else figures[name]

        e2e_s = of("request_latency", "p99")
        return Figures(
            ttft_p50_ms=of("time_to_first_token_ms", "p50"),
            ttfo_p50_ms=of("time_to_first_output_token_ms", "p50"),
            tpot_mean_ms=of("time_per_output_token_ms", "mean"),
            itl_p50_ms=of("inter_token_latency_ms", "p50"),
            itl_p99_ms=of("inter_token_latency_ms", "p99"),
            itl_max_ms=of("inter_token_latency_ms", "max"),
            e2e_p99_ms=None if e2e_s is None else e2e_s * 1000,
            from_schedule_p99_ms=in_ms(of("request_scheduled_latency", "p99")),
            completed=totals["successful"],
            failed=totals["errored"] + totals["incomplete"],
            tokens=whole(of("output_token_count", "total_sum", "total")),
            tokens_per_s=of("output_tokens_per_second", "mean", "total"),
        )


def common_flags(url: str, case: Case) -> list[object]:
    """What SGLang's and vLLM's clients call the same."""
    where: list[object] = ["--base-url", url, "--model", "bench", "--tokenizer", peers.tokenizer(), "--disable-tqdm"]
    lengths = ["--random-input-len", INPUT_TOKENS, "--random-output-len", case.tokens]
    load: list[object] = ["--num-prompts", case.requests, "--max-concurrency", case.concurrency]
    if case.rate_per_s is not None:
        load += ["--request-rate", case.rate_per_s]
    return [*where, *lengths, *load]


def sglang_flags(url: str, case: Case, folder: Path) -> list[object]:
    flags: list[object] = ["--backend", "sglang-oai-chat", "--dataset-name", "random-ids", "--random-range-ratio", 1]
    flags += ["--output-file", folder / RESULT, "--output-details", "--extra-request-body", ASK_USAGE]
    return [*flags, *common_flags(url, case)]


def bench_figures(
    found: Json, e2e: str, failed: int | None = None, from_schedule_p99_ms: float | None = None
) -> Figures:
    """SGLang's and vLLM's result files name nearly all the same; lists are in seconds."""
    gaps_s = [gap for gaps in found.get("itls", ()) for gap in gaps]
    return Figures(
        ttft_p50_ms=found["median_ttft_ms"],
        tpot_mean_ms=found["mean_tpot_ms"],
        itl_p50_ms=found["median_itl_ms"],
        itl_p99_ms=found["p99_itl_ms"],
        itl_max_ms=max(gaps_s) * 1000 if gaps_s else None,
        event_gap_p50_ms=found["median_itl_ms"],
        e2e_p99_ms=found[f"p99_{e2e}_ms"],
        from_schedule_p99_ms=from_schedule_p99_ms,
        completed=found["completed"],
        failed=failed,
        tokens=found["total_output_tokens"],
        tokens_per_s=found["output_throughput"],
    )


def whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


PEERS = (Vllm(), SglangPython(), SglangRust(), Aiperf(), Guidellm())
