"""Published headline claims beside the closed form, as a Markdown table:  .venv/bin/python -m benchmarks.claims

Best total tokens/s/GPU at an interactivity is searched over TP and concurrency, interpolated between neighbours.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise, product

from imaxproxy.economics import load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim import Deployment, SteadyState, StepModel, load_architecture, steady_state
from imaxproxy.sim.disaggregated import Disaggregated, disaggregated_state
from imaxproxy.sim.speculation import NO_SPECULATION, Speculation, by_length

_LOADS = [round(2 ** (half / 2)) for half in range(24)]
ALL_IN_KW = {"gb200": 2.10, "h200": 1.73}
"""Provisioned, InferenceX's table of April 2026: what the claim a megawatt was made with."""

Curve = list[tuple[float, float]]
"""(tokens/s/user, total tokens/s/GPU)."""


def model(name: str, gpu: str, precision: str, tp: int, drafts: Speculation, **split: object) -> StepModel:
    shape, board = load_architecture(name), load_gpu(gpu)
    return StepModel(Deployment(shape, board, "trtllm", precision, tp=tp, speculation=drafts, **split))  # type: ignore[arg-type]


def curve(solve: Callable[[int], SteadyState], gpus: int) -> Curve:
    points = []
    for concurrency in _LOADS:
        try:
            state = solve(concurrency)
        except UsageError:
            return []
        points.append((1 / state.tpot_s, state.total_tokens_per_s / gpus))
    return points


def together(name: str, gpu: str, precision: str, isl: int, drafts: Speculation, tps: Sequence[int]) -> list[Curve]:
    """Curves of one kind of worker, by TP."""
    models = {tp: model(name, gpu, precision, tp, drafts) for tp in tps}
    return [curve(lambda c, one=one: steady_state(one, c, isl, 1024), tp) for tp, one in models.items()]  # type: ignore[misc]


def apart(drafts: Speculation) -> Iterable[Curve]:
    """DeepSeek-R1 on GB200 NVL72: prefill workers of 4 GPUs, decode workers of 8 to 32 with wide EP."""
    for tp, readers in product((8, 16, 32), (1, 2, 4, 6, 8)):
        split = {"dp_attention": True}
        prefill = model("deepseek-r1", "gb200", "fp4", 4, NO_SPECULATION, ep=4, **split)
        decode = model("deepseek-r1", "gb200", "fp4", tp, drafts, ep=tp, **split)
        system = Disaggregated(prefill, readers, decode, 1)
        solve = lambda c, system=system: disaggregated_state(system, c, 8192, 1024)  # noqa: E731
        yield curve(solve, system.gpus)


def best_at(curves: Iterable[Curve], tps_per_user: float) -> float:
    """Highest throughput a GPU at that interactivity; 0 when no curve gets there."""
    found = [0.0]
    for points in curves:
        for (fast, low), (slow, high) in pairwise(points):
            if slow <= tps_per_user <= fast and fast > slow:
                found.append(low + (high - low) * (fast - tps_per_user) / (fast - slow))
    return max(found)


def row(claim: str, published: float, simulated: float, free: str) -> None:
    print(f"| {claim} | {published:,.0f} | {simulated:,.1f} | {simulated / published - 1:+.0%} | {free} |")


def main() -> None:
    none = NO_SPECULATION
    gpt = together("gpt-oss-120b", "b200", "fp4", 1024, none, (1, 2, 4, 8))
    print("| claim | published | simulated | error | free in it |\n|---|---|---|---|---|")
    row(
        "gpt-oss-120b, B200, best total tok/s/GPU",
        60_000,
        max(y for x in gpt for _, y in x),
        "batch limit, 1K/1K assumed",
    )
    for length in (0.0, 2.5, 3.2):
        drafts = by_length(3, length) if length else none
        fastest = max(x for one in together("gpt-oss-120b", "b200", "fp4", 1024, drafts, (8,)) for x, _ in one)
        said = f"acceptance length {length:g} of 3 drafts" if length else "nothing: no speculation"
        row("gpt-oss-120b, B200, best tok/s/user", 1000, fastest, said)
    for length in (2.0, 2.9):
        fast = together("gpt-oss-120b", "b200", "fp4", 1024, by_length(3, length), (1, 2, 4, 8))
        row(
            "gpt-oss-120b, EAGLE3, tok/s/GPU at 100 tok/s/user",
            30_000,
            best_at(fast, 100),
            f"acceptance length {length:g}",
        )
    b200 = best_at(together("llama-3.3-70b", "b200", "fp4", 1024, none, (1, 2, 4, 8)), 50)
    h200 = best_at(together("llama-3.3-70b", "h200", "fp8", 1024, none, (1, 2, 4, 8)), 50)
    row("Llama-3.3-70B FP4, B200, tok/s/GPU at 50 tok/s/user", 10_000, b200, "nothing; 1K/1K")
    row("... times H200 (FP8)", 4, b200 / h200, "nothing")
    old = best_at(together("deepseek-r1", "h200", "fp8", 8192, none, (8,)), 50)
    for length in (0.0, 1.8, 2.4):
        new = best_at(apart(by_length(1 if length < 2 else 3, length) if length else none), 50)
        said = f"split, acceptance length {length:g}" if length else "split; no speculation"
        row("DeepSeek-R1 8K/1K at 50: GB200 NVL72 FP4 disaggregated, times H200 FP8", 15, new / old, said)
        row("... the same per megawatt, provisioned", 10, new / old * ALL_IN_KW["h200"] / ALL_IN_KW["gb200"], said)


if __name__ == "__main__":
    main()
