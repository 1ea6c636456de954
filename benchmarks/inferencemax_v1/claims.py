"""What the InferenceMAX v1 announcement and those who quoted it said, and what answers it in the matrix.

Nothing in the simulation was fitted to these. Where a claim's own conditions were not published, that is said.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.inferencemax_v1.matrix import Matrix, MatrixPoint, frontier_of
from imaxproxy.economics import load_price, tokens_per_s_per_mw, usd_per_million_tokens

NVIDIA = "NVIDIA, 2025-10-09"
SEMI = "SemiAnalysis, InferenceMAX v1, 2025-10-09"
VLLM = "vLLM blog, 2025-10-09"
QUOTED = "quoted by others; not found in the primary text"
LAUNCH = "A"
"""The generation of prices and kilowatts that the announcement was made with."""
CLOSE = 0.25
"""A claim comes out when the simulation is within so much of it: twice the model's error or so (docs/simulator.md)."""
HOURS_OF_THREE_YEARS = 3 * 8760


@dataclass(frozen=True, slots=True)
class Found:
    """What the matrix says of a claim; None where it does not reach so far."""

    value: float | None
    where: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of the announcement as a number."""

    text: str
    published: float
    unit: str
    source: str
    measure: Callable[[Matrix], Found]
    note: str = ""
    """Why it need not come out, or what was assumed."""

    def error(self, found: Found) -> float | None:
        return None if found.value is None else found.value / self.published - 1

    def comes_out(self, found: Found) -> bool:
        error = self.error(found)
        return error is not None and abs(error) <= CLOSE


def most(what: str, **facts: str) -> Callable[[Matrix], Found]:
    """The highest of one figure, wherever it lies."""

    def measure(matrix: Matrix) -> Found:
        points = matrix.where(**facts)
        if not points:
            return Found(None, "not in the matrix")
        best = max(points, key=lambda point: float(getattr(point, what)))
        return Found(float(getattr(best, what)), _at(best))

    return measure


def iso(at: float, **facts: str) -> Callable[[Matrix], Found]:
    """Total tokens/s/GPU at an interactivity, on the frontier of all points that fit."""

    def measure(matrix: Matrix) -> Found:
        frontier = frontier_of(matrix.where(**facts))
        estimate = frontier.at(at) if frontier is not None else None
        if frontier is None or estimate is None:
            if frontier is None:
                return Found(None, "not in the matrix")
            low, high = frontier.reach
            return Found(None, f"wanted {at:g}, the matrix has {low:.0f} to {high:.0f} tok/s/user")
        return Found(estimate.y, f"at {at:g} tok/s/user")

    return measure


def ratio(
    of: Callable[[Matrix], Found], to: Callable[[Matrix], Found], scale: float = 1.0
) -> Callable[[Matrix], Found]:
    """Of two answers."""

    def measure(matrix: Matrix) -> Found:
        above, below = of(matrix), to(matrix)
        if above.value is None or not below.value:
            return Found(None, above.where if above.value is None else f"the other machine: {below.where}")
        return Found(above.value / below.value * scale, f"{above.value:,.0f} / {below.value:,.0f}")

    return measure


def best_ratio(of: dict[str, str], to: dict[str, str], wanted: float) -> Callable[[Matrix], Found]:
    """The highest ratio of two frontiers, over each whole tok/s/user that both reach. wanted: passed from where on?"""

    def measure(matrix: Matrix) -> Found:
        above, below = frontier_of(matrix.where(**of)), frontier_of(matrix.where(**to))
        if above is None or below is None:
            return Found(None, "not in the matrix")
        low, high = max(above.reach[0], below.reach[0]), min(above.reach[1], below.reach[1])
        found = [
            (a.y / b.y, at)
            for at in range(int(low) + 1, int(high) + 1)
            if (a := above.at(at)) is not None and (b := below.at(at)) is not None and b.y
        ]
        if not found:
            return Found(None, "the two frontiers do not overlap")
        value, at = max(found)
        first = next((at for ratio, at in found if ratio >= wanted), None)
        reached = f"{wanted:g}x is passed from {first} on" if first is not None else f"{wanted:g}x is never reached"
        return Found(value, f"at {at} of {low:.0f} to {high:.0f} tok/s/user that both reach; {reached}")

    return measure


def priced(of: Callable[[Matrix], Found], gpu: str) -> Callable[[Matrix], Found]:
    """USD per million total tokens at that throughput, by the launch's prices for a hyperscaler."""

    def measure(matrix: Matrix) -> Found:
        found = of(matrix)
        usd_per_hour = load_price(gpu, "hyperscaler", LAUNCH).usd_per_gpu_hour
        return Found(usd_per_million_tokens(usd_per_hour, found.value), f"{found.where}, {usd_per_hour:g} USD/GPU-hour")

    return measure


def per_mw(of: Callable[[Matrix], Found], gpu: str) -> Callable[[Matrix], Found]:
    """tokens/s a provisioned megawatt, by the launch's all-in kilowatts."""

    def measure(matrix: Matrix) -> Found:
        found, kw = of(matrix), load_price(gpu, "hyperscaler", LAUNCH).kw_per_gpu
        return Found(tokens_per_s_per_mw(found.value, kw), f"{found.where}, {kw:g} kW/GPU")

    return measure


def revenue_musd(of: Callable[[Matrix], Found], gpus: int, usd_per_million: float) -> Callable[[Matrix], Found]:
    """Million USD of a rack that is busy for three years at that throughput, every token sold at that price."""

    def measure(matrix: Matrix) -> Found:
        found = of(matrix)
        if found.value is None:
            return found
        tokens = gpus * found.value * HOURS_OF_THREE_YEARS * 3600
        return Found(tokens * usd_per_million / 1e12, f"{gpus} x {found.value:,.0f} tok/s, {usd_per_million:g} USD/M")

    return measure


def _kw(gpu: str) -> float:
    return load_price(gpu, "hyperscaler", LAUNCH).kw_per_gpu


def _usd(gpu: str) -> float:
    return load_price(gpu, "hyperscaler", LAUNCH).usd_per_gpu_hour


def _at(point: MatrixPoint) -> str:
    return f"{point.run}, {point.workload}, {point.interactivity:.0f} tok/s/user"


GPTOSS, LLAMA, R1 = ({"model": name} for name in ("gpt-oss-120b", "Llama-3.3-70B", "DeepSeek-R1"))
B200_GPTOSS = {**GPTOSS, "gpu": "b200"}
LLAMA_FP4, LLAMA_FP8 = {**LLAMA, "gpu": "b200", "precision": "fp4"}, {**LLAMA, "gpu": "h200", "precision": "fp8"}
R1_GB200 = {**R1, "gpu": "gb200", "precision": "fp4", "workload": "8k1k"}
R1_H200 = {**R1, "gpu": "h200", "precision": "fp8", "workload": "8k1k"}
_NO_DRAFTS = "the matrix has no speculative decoding"

CLAIMS: tuple[tuple[str, Sequence[Claim]], ...] = (
    (
        "gpt-oss-120b",
        (
            Claim(
                "B200: 60,000 tok/s/GPU at most", 60_000, "tok/s/GPU", NVIDIA, most("total_per_gpu", **B200_GPTOSS),
                "shape and load were not published; InferenceX later measured 61,613 at 8k/1k, concurrency 256",
            ),
            Claim(
                "B200: 1,000 tok/s/user at most", 1000, "tok/s/user", NVIDIA, most("interactivity", **B200_GPTOSS),
                f"{_NO_DRAFTS} and no load below 4; the closed form with drafts gives 954 (docs/simulator.md)",
            ),
            Claim(
                "B200: 30,000 tok/s/GPU at 100 tok/s/user", 30_000, "tok/s/GPU", QUOTED,
                iso(100, workload="1k1k", **B200_GPTOSS),
                f"made with EAGLE3, and {_NO_DRAFTS}: that it comes out proves nothing; 1k/1k assumed",
            ),
            Claim(
                "B200: 6,000 tok/s/GPU at 100 tok/s/user on launch day", 6_000, "tok/s/GPU", QUOTED,
                iso(100, workload="1k1k", **B200_GPTOSS),
                "the constants are fitted to 2026's software; launch day's was several times slower; 1k/1k assumed",
            ),
            Claim(
                "B200: $0.02 per million tokens", 0.02, "USD/M", NVIDIA,
                priced(iso(100, workload="1k1k", **B200_GPTOSS), "b200"),
                "which operating point was not published: 30,000 tok/s/GPU give $0.018, so 100 tok/s/user at 1k/1k is "
                "assumed; the matrix has cheaper ones",
            ),
            Claim(
                "B200 / H200 under vLLM at 1k/1k: up to 4.3x", 4.3, "x", VLLM,
                best_ratio(
                    {**B200_GPTOSS, "engine": "vllm", "workload": "1k1k"},
                    {**GPTOSS, "gpu": "h200", "engine": "vllm", "workload": "1k1k"},
                    4.3,
                ),
                "where the slower machine's curve ends it gives next to nothing, and a ratio has no bound",
            ),
            Claim(
                "B200 at 1k/8k, 90 tok/s/user: 2.8 million tok/s/MW", 2.8e6, "tok/s/MW", SEMI,
                per_mw(iso(90, workload="1k8k", **B200_GPTOSS), "b200"),
                "launch-day software; the matrix has no H100 and no MI300X to compare with",
            ),
        ),
    ),
    (
        "Llama-3.3-70B",
        (
            Claim(
                "B200 (FP4): over 10,000 tok/s/GPU at 50 tok/s/user", 10_000, "tok/s/GPU", QUOTED,
                iso(50, workload="1k1k", **LLAMA_FP4), "1k/1k assumed",
            ),
            Claim(
                "... 4 times an H200 (FP8)", 4, "x", QUOTED,
                ratio(iso(50, workload="1k1k", **LLAMA_FP4), iso(50, workload="1k1k", **LLAMA_FP8)), "1k/1k assumed",
            ),
            Claim(
                "B200 / H200 under vLLM at 1k/8k: up to 3.7x", 3.7, "x", VLLM,
                best_ratio(
                    {**LLAMA_FP4, "engine": "vllm", "workload": "1k8k"},
                    {**LLAMA_FP8, "engine": "vllm", "workload": "1k8k"},
                    3.7,
                ),
                "FP4 against FP8; the same remark",
            ),
        ),
    ),
    (
        "DeepSeek-R1, 8k/1k",
        (
            Claim(
                "GB200: 10,000 tok/s/GPU at 50 tok/s/user", 10_000, "tok/s/GPU", NVIDIA, iso(50, **R1_GB200),
                f"disaggregated, FP4; {_NO_DRAFTS}, and few of the many splits were tried",
            ),
            Claim(
                "... 15 times an H200", 15, "x", NVIDIA, ratio(iso(50, **R1_GB200), iso(50, **R1_H200)),
                "the closed form, which searches all splits, gives 13.7 (docs/simulator.md)",
            ),
            Claim(
                "... 10 times per megawatt", 10, "x", NVIDIA,
                ratio(iso(50, **R1_GB200), iso(50, **R1_H200), _kw("h200") / _kw("gb200")),
                "provisioned, 1.73 and 2.10 kW a GPU",
            ),
            Claim(
                "... a fifteenth of the cost per token", 15, "x", NVIDIA,
                ratio(iso(50, **R1_GB200), iso(50, **R1_H200), _usd("h200") / _usd("gb200")),
                "at the prices of the day a GB200 costs 1.57 times an H200: 15x of throughput is no 15x of cost",
            ),
            Claim(
                "GB200 FP4 / H200 FP8 at 30 tok/s/user: about 8x per megawatt", 8, "x", SEMI,
                ratio(iso(30, **R1_GB200), iso(30, **R1_H200), _kw("h200") / _kw("gb200")),
                "shape not published; 8k/1k assumed",
            ),
            Claim(
                "GB200 FP8 at about 35 tok/s/user: 4x better total cost", 4, "x", SEMI,
                ratio(
                    iso(35, **{**R1_GB200, "precision": "fp8"}), iso(35, **R1_H200), _usd("h200") / _usd("gb200")
                ),
                "against an H200 and at 8k/1k: both assumed",
            ),
            Claim(
                "$75 million of tokens in three years from one GB200 NVL72", 75, "million USD", NVIDIA,
                revenue_musd(iso(50, **R1_GB200), 72, 1.10),
                "the price, 1.10 USD per million of all tokens at 100 % load, is the claim's own, solved for "
                "(`imaxproxy cost`): only the throughput is tested",
            ),
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """A row that InferenceX measured later (its blogs of 2026-04-06): one of the matrix's own operating points."""

    workload: str
    model: str
    gpu: str
    precision: str
    engine: str
    concurrency: int
    total_per_gpu: float
    ttft_p50_ms: float
    tpot_p50_ms: float | None = None


MEASURED = (
    Measured("8k1k", "gpt-oss-120b", "b200", "fp4", "trtllm", 256, 61_612.7, 244.5, 36.7),
    Measured("8k1k", "gpt-oss-120b", "b200", "fp4", "vllm", 128, 51_523.0, 172.6),
    Measured("8k1k", "gpt-oss-120b", "gb200", "fp4", "trtllm", 512, 53_952.5, 5_027.7, 14.7),
    Measured("8k1k", "gpt-oss-120b", "h200", "fp4", "trtllm", 64, 15_202.1, 4_286.9, 31.3),
    Measured("1k1k", "gpt-oss-120b", "b200", "fp4", "trtllm", 256, 28_012.9, 72.9, 17.9),
    Measured("1k1k", "gpt-oss-120b", "h200", "fp4", "trtllm", 64, 6_063.8, 96.1, 20.6),
    Measured("8k1k", "Llama-3.3-70B", "b200", "fp4", "trtllm", 128, 12_981.3, 18_571.0, 63.9),
    Measured("8k1k", "Llama-3.3-70B", "b200", "fp4", "vllm", 64, 10_852.1, 509.0),
    Measured("8k1k", "Llama-3.3-70B", "h200", "fp8", "trtllm", 128, 5_101.6, 133_099.0, 81.5),
    Measured("1k1k", "Llama-3.3-70B", "b200", "fp4", "trtllm", 128, 10_967.8, 467.8, 22.2),
    Measured("1k1k", "Llama-3.3-70B", "h200", "fp8", "trtllm", 128, 5_312.2, 1_165.0, 45.8),
    Measured("8k1k", "DeepSeek-R1", "gb200", "fp4", "trtllm", 4301, 14_952.0, 2_298.0, 36.9),
)


def beside(matrix: Matrix) -> Iterator[tuple[Measured, MatrixPoint | None]]:
    """Each measured row and the simulated point of the same machine, shape and load; of several TPs the best one."""
    for row in MEASURED:
        names = ("workload", "model", "gpu", "precision", "engine")
        points = matrix.where(**{name: getattr(row, name) for name in names})
        found = [point for point in points if point.concurrency == row.concurrency]
        yield row, max(found, key=lambda point: point.total_per_gpu, default=None)
