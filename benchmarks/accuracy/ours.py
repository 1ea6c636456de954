"""imaxproxy's two meters: the player, and the proxy while the player loads it."""

import json
from pathlib import Path
from typing import Any

from benchmarks.accuracy.cases import Case
from benchmarks.accuracy.engine import TRUTH, running
from benchmarks.accuracy.figures import Figures
from benchmarks.accuracy.meter import LIMIT_S, Job, Trial
from benchmarks.accuracy.truth import read_truth, true_figures
from benchmarks.cpu import cores, tree_cpu_s
from benchmarks.paths import free_port, imaxproxy
from benchmarks.process import Child
from benchmarks.proxies import imaxproxy_version

INPUT_TOKENS = 32
RUN, PROXY_RUN = "run", "proxy"
REPLAY_CODES = 0, 1
"""1: over 5 % of the requests failed, which some cases are about."""


class Replay:
    """`imaxproxy replay` with its defaults."""

    name = "imaxproxy replay"

    def version(self) -> str:
        return imaxproxy_version()

    def job(self, url: str, case: Case, folder: Path) -> Job:
        return Job([imaxproxy(), *replay_flags(url, case, folder), "--out", folder / RUN], codes=REPLAY_CODES)

    def said(self, folder: Path) -> Figures:
        return summary_figures(json.loads((folder / RUN / "summary.json").read_text()))


class Serve:
    """`imaxproxy serve` before the engine; the player is its client, and is not looked at."""

    name = "imaxproxy serve"

    def version(self) -> str:
        return imaxproxy_version()

    def tried(self, case: Case, folder: Path) -> Trial:
        """The load shares the engine's core, the proxy has its own."""
        folder.mkdir(parents=True)
        engine_core, own_core, load_core = cores()
        port = free_port()
        with running(case, folder, engine_core) as engine:
            flags = ["--upstream", engine.url, "--port", port, "--out", folder / PROXY_RUN]
            serve = Child(own_core, [imaxproxy(), "serve", *flags], folder / "proxy.log")
            try:
                serve.ready(f"http://127.0.0.1:{port}/health")
                replay = [imaxproxy(), *replay_flags(f"http://127.0.0.1:{port}", case, folder), "--out", folder / RUN]
                ended = Child(load_core, replay, folder / "log").wait(LIMIT_S, REPLAY_CODES)
                cpu_s = tree_cpu_s(serve.pid)
            finally:
                serve.stop()
        true = true_figures(read_truth(folder / TRUTH, case.requests), case)
        said = summary_figures(json.loads((folder / PROXY_RUN / "summary.json").read_text()))
        return Trial(case, self.name, said, true, cpu_s, ended.wall_s)


def replay_flags(url: str, case: Case, folder: Path) -> list[object]:
    """An open loop has no cap: it never waits for the engine."""
    trace = folder / "trace.jsonl"
    row = json.dumps({"timestamp": 0, "input_length": INPUT_TOKENS, "output_length": case.tokens})
    trace.write_text(f"{row}\n" * case.requests)
    pace: list[object] = ["--concurrency", case.concurrency]
    if case.rate_per_s is not None:
        pace = ["--rate", case.rate_per_s, "--arrivals", "constant"]
    return ["replay", trace, "--url", f"{url}/v1", "--model", "bench", "--calibrate", "never", *pace]


def summary_figures(summary: dict[str, dict[str, Any]]) -> Figures:
    """From summary.json. Failed by its own account: all that was sent and did not complete."""
    requests, tokens = summary["requests"], summary["tokens"]

    def ms(metric: str, name: str) -> float | None:
        return summary[metric][name] if summary[metric].get("count") else None

    uncounted = int(tokens.get("uncounted_requests") or 0)
    counted = tokens["output"]
    sent, completed = int(requests["sent"] or 0), int(requests["completed"] or 0)
    return Figures(
        ttft_p50_ms=ms("ttft_ms", "p50"),
        ttfo_p50_ms=ms("ttfo_ms", "p50"),
        tpot_mean_ms=ms("tpot_ms", "mean"),
        itl_p50_ms=ms("itl_ms", "p50"),
        itl_p99_ms=ms("itl_ms", "p99"),
        itl_max_ms=ms("itl_ms", "max"),
        event_gap_p50_ms=ms("event_gap_ms", "p50"),
        e2e_p99_ms=ms("e2e_ms", "p99"),
        from_schedule_p99_ms=ms("e2e_from_schedule_ms", "p99"),
        completed=completed,
        failed=sent - completed,
        tokens=None if counted is None else int(counted),
        reasoning_tokens=None if tokens["reasoning"] is None else int(tokens["reasoning"]),
        tokens_per_s=summary["throughput"]["output_tokens_per_s"],
        remark=f"tokens of {uncounted} unknown" if uncounted else "",
        doubts="; ".join(summary["meter"]["reasons"]),
    )
