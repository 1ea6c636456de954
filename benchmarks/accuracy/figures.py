"""The figures that meters are compared by. None: the meter has no such figure, or says that it does not know."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Figures:
    """Times in ms; of all measured requests, whatever became of them, as far as the meter counts them."""

    ttft_p50_ms: float | None = None
    ttfo_p50_ms: float | None = None
    """To the first token of the answer."""
    tpot_mean_ms: float | None = None
    itl_p50_ms: float | None = None
    itl_p99_ms: float | None = None
    itl_max_ms: float | None = None
    event_gap_p50_ms: float | None = None
    e2e_p99_ms: float | None = None
    from_schedule_p99_ms: float | None = None
    """E2E from when the request was meant to leave."""
    completed: int | None = None
    failed: int | None = None
    """All that did not complete."""
    tokens: int | None = None
    """Of all answers."""
    reasoning_tokens: int | None = None
    tokens_per_s: float | None = None
    remark: str = ""
    doubts: str = ""
    """Why it is not to be believed, by the meter's own account."""

    def value(self, name: str) -> float | None:
        found = getattr(self, name)
        assert found is None or isinstance(found, int | float)
        return found


LABELS = {
    "ttft_p50_ms": "TTFT p50, ms",
    "ttfo_p50_ms": "TTFO p50, ms",
    "tpot_mean_ms": "TPOT mean, ms",
    "itl_p50_ms": "ITL p50, ms",
    "itl_p99_ms": "ITL p99, ms",
    "itl_max_ms": "ITL max, ms",
    "event_gap_p50_ms": "event gap p50, ms",
    "e2e_p99_ms": "E2E p99, ms",
    "from_schedule_p99_ms": "E2E from schedule p99, ms",
    "completed": "completed",
    "failed": "failed or cut",
    "tokens": "output tokens",
    "reasoning_tokens": "reasoning tokens",
    "tokens_per_s": "output tokens/s",
}
assert [*LABELS, "remark", "doubts"] == [field.name for field in fields(Figures)]


def is_close(name: str, said: float, true: float) -> bool:
    """Counts exactly; rates within 2 %; times within 2 % or 1 ms, whichever is more."""
    if name in ("completed", "failed", "tokens", "reasoning_tokens"):
        return said == true
    return abs(said - true) <= max(0.02 * abs(true), 1.0 if name.endswith("_ms") else 0.0)
