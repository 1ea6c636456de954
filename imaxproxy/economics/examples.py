"""Headline claims as worked examples: the arithmetic behind them, and what had to be assumed to get there."""

from dataclasses import asdict, dataclass, field

from imaxproxy.economics.assumption import Assumption
from imaxproxy.economics.formulas import usd_per_million_tokens
from imaxproxy.economics.owner import HOURS_PER_YEAR
from imaxproxy.economics.price import TENURES, load_price, newest_generation
from imaxproxy.errors import UsageError

_OURS = "free: the claim does not say"
_NVIDIA = "NVIDIA, blogs.nvidia.com, InferenceMAX v1 announcement, figure 1"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the arithmetic."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Example:
    """A claim, what it gives, what it leaves open, and what follows."""

    name: str
    claim: str
    source: str
    as_of: str
    given: list[Assumption] = field(default_factory=list)
    free: list[Assumption] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    verdict: str = ""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def nvidia_15x(
    utilisation: float = 1.0, years: float = 3.0, tokens_per_s_per_gpu: float = 10_000.0, gpus: int = 72
) -> Example:
    """5 million dollars become 75 million: solved for the price of a token, which the claim does not give.

    tokens = gpus * tokens/s * utilisation * years * 8760 * 3600;  price = revenue / tokens * 1e6
    """
    _check(utilisation, years, tokens_per_s_per_gpu, gpus)
    investment_usd, revenue_usd = 5e6, 75e6
    tokens = gpus * tokens_per_s_per_gpu * utilisation * years * HOURS_PER_YEAR * 3600
    price_usd = revenue_usd / tokens * 1e6
    hours = gpus * years * HOURS_PER_YEAR
    rented = {tenure: load_price("gb200", tenure, "A").usd_per_gpu_hour for tenure in ("hyperscaler", "neocloud")}
    return Example(
        name="nvidia-15x",
        claim="an investment of $5 million in GB200 NVL72 makes $75 million of DeepSeek R1 token revenue: 15x",
        source=_NVIDIA,
        as_of="2025-10-09",
        given=[
            Assumption("investment", investment_usd, "USD", "2025-10-09", _NVIDIA),
            Assumption("token revenue", revenue_usd, "USD", "2025-10-09", _NVIDIA),
            Assumption("life", years, "years", "2025-10-09", f"{_NVIDIA}: over three years"),
            Assumption(
                "throughput",
                tokens_per_s_per_gpu,
                "total tokens/s/GPU",
                "2025-10-09",
                f"{_NVIDIA}: DeepSeek R1 8k/1k at 50 tokens/s/user",
            ),
        ],
        free=[
            Assumption("GPUs", gpus, "of one NVL72 rack", None, _OURS),
            Assumption("utilisation", utilisation, "share of time at that point", None, _OURS),
            Assumption("paid tokens", 1.0, "share of all, input and output at one price", None, _OURS),
            Assumption("running cost", 0.0, "USD: power, room and staff are not in the claim", None, _OURS),
        ],
        steps=[
            Step("tokens over the life", tokens / 1e12, "trillion"),
            Step("price that makes the revenue", price_usd, "USD per million total tokens"),
            Step("the same if only output is paid, 1 token in 9", price_usd * 9, "USD per million output tokens"),
            Step("revenue / investment", revenue_usd / investment_usd, "x"),
            Step("revenue / investment at 40 % of that load, same price", revenue_usd / investment_usd * 0.4, "x"),
            Step("investment spread over the GPU-hours", investment_usd / hours, "USD/GPU-hour"),
            *(
                Step(f"the GPU-hours at {usd:g} USD, {tenure} (2025-10)", hours * usd / 1e6, "million USD")
                for tenure, usd in rented.items()
            ),
        ],
        verdict=(
            f"The ratio is gross revenue over capital. It holds if every token of a rack that is busy "
            f"{utilisation:.0%} of {years:g} years sells at ${price_usd:.2f} a million, and nothing else costs money."
        ),
    )


def two_cents(tokens_per_s_per_gpu: float = 30_000.0, utilisation: float = 1.0) -> Example:
    """Two cents a million tokens on a B200: which throughput and whose price that is.

    usd = usd_per_gpu_hour / 3600 / tokens_per_s_per_gpu * 1e6 (`formulas.usd_per_million_tokens`), over utilisation
    """
    _check(utilisation, 1.0, tokens_per_s_per_gpu, 1)
    newest = newest_generation()
    steps = []
    for generation in ("A", newest):
        for tenure in TENURES[:3]:
            price = load_price("b200", tenure, generation)
            usd = usd_per_million_tokens(price.usd_per_gpu_hour, tokens_per_s_per_gpu * utilisation)
            assert usd is not None  # _check wants a rate above 0
            at = f"at {price.usd_per_gpu_hour:g} USD/GPU-hour, {tenure}, {price.as_of}"
            steps.append(Step(at, usd, "USD per million total tokens"))
    before = usd_per_million_tokens(load_price("b200", "neocloud", "A").usd_per_gpu_hour, tokens_per_s_per_gpu / 5)
    assert before is not None
    steps.append(Step("two months before, a fifth of the throughput, neocloud", before, "USD per million total tokens"))
    return Example(
        name="two-cents",
        claim="gpt-oss-120b on B200: two cents a million tokens, 5x less than two months before",
        source="NVIDIA, developer.nvidia.com and blogs.nvidia.com, InferenceMAX v1 announcement",
        as_of="2025-10-09",
        given=[],
        free=[
            Assumption(
                "throughput",
                tokens_per_s_per_gpu,
                "total tokens/s/GPU",
                "2025-10",
                "a secondary page (epium.com): 30,000, five times as many as before",
            ),
            Assumption("utilisation", utilisation, "share of time at that point", None, _OURS),
            Assumption("counted tokens", 1.0, "share of all: input and output", None, _OURS),
        ],
        steps=steps,
        verdict="Two cents is a price of total tokens, at about 30,000 a second and GPU, at any of 2025's prices.",
    )


EXAMPLES = {"nvidia-15x": nvidia_15x, "two-cents": two_cents}


def _check(utilisation: float, years: float, tokens_per_s_per_gpu: float, gpus: int) -> None:
    if not 0 < utilisation <= 1:
        raise UsageError(f"--utilisation is a share above 0, at most 1, not {utilisation:g}")
    if years <= 0 or tokens_per_s_per_gpu <= 0 or gpus <= 0:
        raise UsageError("years, tokens/s and GPUs of an example are above 0")
