"""The streams that meters have been seen to misread, each a simulated engine set so and a load. Tests use the same."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Case:
    """One kind of stream. A closed loop of `concurrency`, or an open one of `rate_per_s`."""

    name: str
    says: str
    """What the engine does."""
    figures: tuple[str, ...]
    """What shows whether a meter understood it, the most telling first: names of `figures.Figures`."""
    engine: tuple[str, ...] = ()
    """Flags of the simulated engine beside its pace; `{half}`: half of an answer's tokens, `{step}`: a step, in ms."""
    trap: str = ""
    """How it is misread."""
    requests: int = 40
    tokens: int = 50
    """Asked of each answer."""
    concurrency: int = 10
    rate_per_s: float | None = None
    """Open loop. Peers are held to `concurrency` in flight besides, as one does to spare a small engine."""
    step_ms: float = 20
    ttft_ms: float = 200

    @property
    def engine_flags(self) -> list[str]:
        pace = ["--model", "bench", "--fixed-step-ms", f"{self.step_ms:g}", "--fixed-ttft-ms", f"{self.ttft_ms:g}"]
        return pace + [flag.format(half=self.tokens // 2, step=self.step_ms) for flag in self.engine]

    def quick(self) -> "Case":
        """The same stream in a fraction of the time, where only what no delay can change is looked at."""
        rate = None if self.rate_per_s is None else 100
        ttft_ms = min(self.ttft_ms, 30)
        smaller = {"requests": 12, "tokens": 20, "concurrency": min(self.concurrency, 6)}
        return replace(self, **smaller, rate_per_s=rate, step_ms=5, ttft_ms=ttft_ms)


TIMES = ("ttft_p50_ms", "tpot_mean_ms", "itl_p50_ms", "itl_p99_ms")
COUNTS = ("completed", "failed", "tokens", "tokens_per_s")

CASES = (
    Case(
        "clean",
        "one token an event, usage at the end",
        ("tpot_mean_ms", "ttft_p50_ms", "itl_p50_ms", "itl_p99_ms", "completed", "tokens", "tokens_per_s"),
    ),
    Case(
        "role first",
        "the role comes as soon as the request was read, 200 ms before the first token",
        TIMES,
        ("--role", "admitted"),
        trap="the role is taken for a token",
    ),
    Case(
        "several tokens an event",
        "the first token alone, then four at a time, as with speculative decoding or --stream-interval 4",
        ("itl_p50_ms", "ttft_p50_ms", "tpot_mean_ms", "itl_p99_ms", "tokens"),
        ("--tokens-per-event", "4"),
        trap="an event is taken for a token",
    ),
    Case(
        "no usage",
        "the engine counts no tokens",
        ("tokens", "tokens_per_s", "ttft_p50_ms", "event_gap_p50_ms", "tpot_mean_ms"),
        ("--usage", "never"),
        trap="the requested length, or nothing, is taken for what came",
    ),
    Case(
        "early stop",
        "the model stops after half of what it was asked for; usage at the end",
        ("tokens", "tokens_per_s", "tpot_mean_ms", "completed"),
        ("--early-stop", "0.5"),
        trap="the requested length is taken for what came",
    ),
    Case(
        "early stop without usage",
        "the same, and the engine counts no tokens",
        ("tokens", "tokens_per_s", "tpot_mean_ms", "completed"),
        ("--early-stop", "0.5", "--usage", "never"),
        trap="the requested length is taken for what came",
    ),
    Case(
        "error in mid-stream",
        "every fourth stream has an error object after half of its tokens, then [DONE]; status 200",
        (*COUNTS, "ttft_p50_ms"),
        ("--fault", "error_event={half},nth=4"),
        trap="it counts as completed; or what it had delivered is lost",
    ),
    Case(
        "cut stream",
        "every fourth connection is closed after half of the tokens, without the last chunk",
        ("tokens", "tokens_per_s", "completed", "failed", "ttft_p50_ms"),
        ("--fault", "disconnect={half},how=fin,nth=4"),
        trap="it counts as completed; or what it had delivered is lost",
    ),
    Case(
        "stream without an end",
        "every fourth body ends as HTTP wants after half of the tokens: no finish reason, no usage, no [DONE]",
        (*COUNTS, "ttft_p50_ms"),
        ("--fault", "truncate={half},nth=4"),
        trap="it counts as completed",
    ),
    Case(
        "reasoning then an answer",
        "60 % of the tokens come as reasoning_content",
        ("ttfo_p50_ms", "ttft_p50_ms", "tpot_mean_ms", "tokens", "reasoning_tokens"),
        ("--reasoning-share", "0.6", "--reasoning-field", "reasoning_content"),
        trap="reasoning is no token, or the first of it the first of the answer",
    ),
    Case(
        "tool call beside content",
        "events of five tokens: four in content, one in a tool call's arguments, in one delta",
        ("tokens", "ttft_p50_ms", "tpot_mean_ms"),
        ("--tokens-per-event", "5", "--fault", "tool_beside_content"),
        trap="one of the two is overlooked",
    ),
    Case(
        "slow server and a capped client",
        "an engine that takes two at a time, 0.3 s each, is offered 50 requests/s for 0.8 s",
        ("from_schedule_p99_ms", "e2e_p99_ms", "completed"),
        ("--max-num-seqs", "2"),
        trap="coordinated omission: requests that wait for a place of the client's are not counted as waiting",
        tokens=15,
        concurrency=2,
        rate_per_s=50,
        ttft_ms=20,
    ),
    Case(
        "stall in mid-run",
        "four times one step of the engine takes 1 s instead of 20 ms",
        ("itl_p99_ms", "itl_max_ms", "itl_p50_ms", "tpot_mean_ms"),
        ("--fault", "one_slow_rank=50,ms={step},nth=10"),
        trap="a mean over each request hides it",
        concurrency=40,
        rate_per_s=8,
    ),
)

BUSY = Case(
    "a hundred streams at 200 tokens/s",
    "one token an event each 5 ms, 100 streams at once: 20,000 events/s",
    (*TIMES, "tokens", "tokens_per_s"),
    trap="a busy client stamps late, reads several events at once, and leaves places of its closed loop empty",
    requests=300,
    tokens=200,
    concurrency=100,
    step_ms=5,
    ttft_ms=20,
)
"""Not in the tests: a shared machine delays all alike."""
