"""A small run made by hand: what each tool would say of it can be worked out on paper."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.metrics import ANSWER, REASONING, Ask, CountedBy, Exchange, HealthSample, Outcome, Timeline, Usage, mark
from imaxproxy.power import Boundary, Device, PowerLine, PowerLog, PowerSample
from imaxproxy.runs import Journal, Manifest, RunDirectory, RunRecord, summarize

ZERO_NS = 1_000 * NS_PER_S
UNIX_S = 1_795_000_000.0
"""The wall clock at ZERO_NS."""
ENGINE: dict[str, Any] = {
    "simulated": False, "model": "openai/gpt-oss-120b", "gpu": "b200", "gpus": 2, "engine": "vllm", "precision": "fp4",
    "tp": 2, "ep": 1, "dp_attention": False, "draft_tokens": None, "disaggregated": None,
    "image": "vllm/vllm-openai:v1",
}  # fmt: skip


def answered(
    at_s: float,
    gaps_ms: Iterable[float] = (10, 10, 10),
    *,
    request_id: str | None = None,
    ttft_ms: float = 100,
    tokens_each: int = 1,
    input_tokens: int = 10,
    **more: Any,  # noqa: ANN401
) -> Exchange:
    """Sent at `at_s`; the first event after `ttft_ms`, the others after their gaps; the first one is reasoning."""
    sent_ns = ZERO_NS + round(at_s * NS_PER_S)
    times_ns = [sent_ns + round(ttft_ms * NS_PER_MS)]
    for gap_ms in gaps_ms:
        times_ns.append(times_ns[-1] + round(gap_ms * NS_PER_MS))
    marks = [mark(REASONING, tokens_each)] + [mark(ANSWER, tokens_each)] * (len(times_ns) - 1)
    made = len(times_ns) * tokens_each
    ask = Ask(
        request_id or f"r{at_s:g}", "/v1/chat/completions", sent_ns, sent_ns, sent_ns - 2 * NS_PER_MS, dialect="chat",
        planned_input_tokens=input_tokens, planned_output_tokens=made,
    )  # fmt: skip
    return Exchange(
        ask, Outcome.COMPLETED, times_ns[-1] + NS_PER_MS, 200, streamed=True, model="m", finish_reason="stop",
        first_byte_ns=times_ns[0], first_event_ns=times_ns[0],
        usage=Usage(input_tokens, made, tokens_each, 6), counted_by=CountedBy.USAGE,
        timeline=Timeline(times_ns, marks), **more,
    )  # fmt: skip


def refused(at_s: float, request_id: str | None = None) -> Exchange:
    """Answered 429 after 5 ms."""
    sent_ns = ZERO_NS + round(at_s * NS_PER_S)
    ask = Ask(request_id or f"r{at_s:g}", "/v1/chat/completions", sent_ns, sent_ns, sent_ns, dialect="chat")
    return Exchange(ask, Outcome.FAILED, sent_ns + 5 * NS_PER_MS, 429, "http_429", "slow down")


EXCHANGES = [
    answered(0.0),
    answered(1.0, [20, 20, 20]),
    answered(1.05, [10, 30], ttft_ms=50, tokens_each=2, input_tokens=30),
    refused(2.0),
]


def steady_power(
    watts: Iterable[float] = (400.0, 600.0), until_s: float = 5.0, every_s: float = 0.5
) -> list[PowerLine]:
    """Boards that draw the same all the time, from 3 s before the run on."""
    lines: list[PowerLine] = []
    for index, power_w in enumerate(watts):
        lines.append(
            Device(f"GPU-{index}", "nvml", Boundary.BOARD, index=index, counter_update_ms=0.0, counted_by="recipe")
        )
        at_s = -3.0
        while at_s <= until_s:
            time_ns = ZERO_NS + round(at_s * NS_PER_S)
            made = PowerSample(time_ns, f"GPU-{index}", power_w=power_w, energy_mj=power_w * (at_s + 10) * 1000)
            lines.append(replace(made, sm_clock_mhz=1_900.0, utilization=0.5))
            at_s += every_s
    return lines


def make_run(
    path: Path,
    exchanges: Iterable[Exchange] = EXCHANGES,
    *,
    engine: dict[str, Any] | None = ENGINE,
    settings: dict[str, Any] | None = None,
    power: Iterable[PowerLine] | None = None,
    manifest: bool = True,
    trace: dict[str, Any] | None = None,
) -> RunRecord:
    """Journal, manifest, power and summary, as a command leaves them."""
    path.mkdir(exist_ok=True)
    run = RunDirectory(path)
    journal = Journal(run)
    for exchange in exchanges:
        journal.add(exchange)
    journal.add_health(HealthSample(0, ZERO_NS, NS_PER_S, 10 * NS_PER_MS, {50: 50}))
    journal.close()
    if manifest:
        clock = {"source": "CLOCK_MONOTONIC", "monotonic_ns": ZERO_NS, "unix_s": UNIX_S}
        asked = {"concurrency": 4, "endpoint": "chat"} if settings is None else settings
        Manifest("replay", [], asked, engine=engine, trace=trace, ended="finished", clock=clock).write(run)
    if power is not None:
        with run.power.open("wb") as file:
            log = PowerLog(file)
            for line in power:
                log.add(line)
            log.flush()
    summarize(run)
    return RunRecord.open(path)
