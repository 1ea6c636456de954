"""The metrics that operating points are compared on: how each is read from a summary, and which way is better."""

from collections.abc import Callable
from typing import Any

from imaxproxy.economics import Axis

Read = Callable[[dict[str, Any], dict[str, Any]], float | None]
"""From the summary and the part of it that counts: the summary itself, or its steady window."""


def _speed(percentile: str) -> Read:
    """tokens/s a user = 1000 / TPOT, so that a high percentile is the slow tail, as InferenceX publishes it."""

    def read(summary: dict[str, Any], part: dict[str, Any]) -> float | None:
        tpot_ms = part["tpot_ms"][percentile]
        return 1000 / tpot_ms if tpot_ms else None

    return read


def _latency(metric: str, percentile: str) -> Read:
    return lambda summary, part: part[metric][percentile]


def _slow_tail(percentile: str) -> Read:
    """p90 is what 90 % of the requests reach or beat. None of summaries from before there was such a key."""
    return lambda summary, part: part["e2e_tps_per_user"].get(percentile)


def _rate(name: str) -> Read:
    return lambda summary, part: part["throughput"][name]


def _usd(what: str) -> Read:
    def read(summary: dict[str, Any], part: dict[str, Any]) -> float | None:
        cost = summary["cost"]
        found = cost if cost is None or part is summary else cost["steady"]
        return None if found is None else found[f"usd_per_million_{what}_tokens"]

    return read


def _per_mw(what: str) -> Read:
    """Per provisioned megawatt of the facility: the part's throughput over the power that the cost object names."""

    def read(summary: dict[str, Any], part: dict[str, Any]) -> float | None:
        power = (summary["cost"] or {}).get("power")
        per_gpu = part["throughput"][f"{what}_tokens_per_s_per_gpu"]
        return None if power is None or per_gpu is None else per_gpu * 1000 / power["facility_kw_per_gpu"]

    return read


def _joules(what: str) -> Read:
    """Of the boards, as measured; None where that is not valid."""
    return lambda summary, part: _measured(summary, part, f"j_per_{what}_token")


def _per_measured_mw(what: str) -> Read:
    """Per megawatt of the facility: measured boards, what is provisioned beside them, and the PUE."""

    def read(summary: dict[str, Any], part: dict[str, Any]) -> float | None:
        found = _measured(summary, part, f"{what}_tokens_per_s_per_mw")
        return None if found is None else found["facility"]

    return read


def _measured(summary: dict[str, Any], part: dict[str, Any], key: str) -> Any:  # noqa: ANN401 (as JSON has it)
    window = ((summary["energy"] or {}).get("windows") or {}).get("whole" if part is summary else "steady")
    return window[key] if window is not None and window["valid"] else None


AXES: dict[str, tuple[Axis, Read]] = {
    axis.name: (axis, read)
    for axis, read in (
        (Axis("interactivity", "tokens/s/user, 1/TPOT p50"), _speed("p50")),
        (Axis("interactivity_p90", "tokens/s/user, 1/TPOT p90: the slow tail"), _speed("p90")),
        (Axis("interactivity_p99", "tokens/s/user, 1/TPOT p99: the slow tail"), _speed("p99")),
        (Axis("e2e_interactivity", "tokens/s/user over all of E2E, p50"), _latency("e2e_tps_per_user", "p50")),
        (Axis("e2e_interactivity_p90", "tokens/s/user over all of E2E, p90: the slow tail"), _slow_tail("p10")),
        (Axis("e2e_interactivity_p99", "tokens/s/user over all of E2E, p99: the slow tail"), _slow_tail("p01")),
        *(
            (Axis(f"{metric}_{percentile}", f"ms, {metric.upper()} {percentile}", higher_is_better=False), read)
            for metric in ("ttft", "e2e", "itl", "tpot")
            for percentile in ("p50", "p90", "p99")
            for read in (_latency(f"{metric}_ms", percentile),)
        ),
        (Axis("total_per_gpu", "input + output tokens/s/GPU"), _rate("total_tokens_per_s_per_gpu")),
        (Axis("output_per_gpu", "output tokens/s/GPU"), _rate("output_tokens_per_s_per_gpu")),
        (Axis("total_rate", "input + output tokens/s"), _rate("total_tokens_per_s")),
        (Axis("output_rate", "output tokens/s"), _rate("output_tokens_per_s")),
        (Axis("request_rate", "requests/s"), _rate("requests_per_s")),
        (Axis("usd_total", "USD per million tokens", higher_is_better=False, is_inverse=True), _usd("total")),
        (Axis("usd_output", "USD per million output tokens", higher_is_better=False, is_inverse=True), _usd("output")),
        (Axis("total_per_mw", "input + output tokens/s per provisioned facility MW"), _per_mw("total")),
        (Axis("output_per_mw", "output tokens/s per provisioned facility MW"), _per_mw("output")),
        (Axis("total_per_measured_mw", "input + output tokens/s per measured facility MW"), _per_measured_mw("total")),
        (Axis("output_per_measured_mw", "output tokens/s per measured facility MW"), _per_measured_mw("output")),
        (Axis("j_total", "J/token of the boards", higher_is_better=False, is_inverse=True), _joules("total")),
        (Axis("j_output", "J/output token of the boards", higher_is_better=False, is_inverse=True), _joules("output")),
    )
}
"""By the name that `imaxproxy frontier --x` and `--y` take."""
