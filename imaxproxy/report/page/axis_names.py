"""What the axes of `imaxproxy frontier` are called in a report: a label, a short name for lists, a group."""

from typing import NamedTuple

from imaxproxy.runs.axes import AXES


class AxisName(NamedTuple):
    """How an axis is shown."""

    label: str
    """With its unit, beside the axis."""
    short: str
    group: str


_PER_USER, _LATENCY, _RATE, _COST, _POWER = "Speed of a user", "Latency", "Throughput", "Cost", "Power and energy"
_ALL, _OUT = "input + output tokens", "output tokens"

_NAMES: dict[str, AxisName] = {
    "interactivity": AxisName("Interactivity p50, tokens/s per user", "tokens/s per user p50", _PER_USER),
    "e2e_interactivity": AxisName("E2E-normalised p50, tokens/s per user", "E2E tokens/s per user p50", _PER_USER),
    **{
        f"interactivity_{tail}": AxisName(
            f"Interactivity {tail} (slow tail), tokens/s per user", f"tokens/s per user {tail}", _PER_USER
        )
        for tail in ("p90", "p99")
    },
    **{
        f"e2e_interactivity_{tail}": AxisName(
            f"E2E-normalised {tail} (slow tail), tokens/s per user", f"E2E tokens/s per user {tail}", _PER_USER
        )
        for tail in ("p90", "p99")
    },
    **{
        f"{metric}_{percentile}": AxisName(
            f"{metric.upper()} {percentile}, ms", f"{metric.upper()} {percentile} ms", _LATENCY
        )
        for metric in ("ttft", "e2e", "itl", "tpot")
        for percentile in ("p50", "p90", "p99")
    },
    "total_per_gpu": AxisName(f"{_ALL}/s per GPU", "tokens/s/GPU", _RATE),
    "output_per_gpu": AxisName(f"{_OUT}/s per GPU", "output tokens/s/GPU", _RATE),
    "total_rate": AxisName(f"{_ALL}/s, all GPUs", "tokens/s", _RATE),
    "output_rate": AxisName(f"{_OUT}/s, all GPUs", "output tokens/s", _RATE),
    "request_rate": AxisName("requests/s", "requests/s", _RATE),
    "usd_total": AxisName(f"$ per million {_ALL}", "$/M tokens", _COST),
    "usd_output": AxisName(f"$ per million {_OUT}", "$/M output tokens", _COST),
    "total_per_mw": AxisName(f"{_ALL}/s per provisioned facility MW", "tokens/s/MW", _POWER),
    "output_per_mw": AxisName(f"{_OUT}/s per provisioned facility MW", "output tokens/s/MW", _POWER),
    "total_per_measured_mw": AxisName(f"{_ALL}/s per measured facility MW", "tokens/s/measured MW", _POWER),
    "output_per_measured_mw": AxisName(f"{_OUT}/s per measured facility MW", "output tokens/s/measured MW", _POWER),
    "j_total": AxisName(f"J per token, {_ALL}, boards", "J/token", _POWER),
    "j_output": AxisName("J per output token, boards", "J/output token", _POWER),
}


def axis_name(name: str) -> AxisName:
    """Of an axis without a name of its own, what `AXES` says of it."""
    return _NAMES.get(name) or AxisName(AXES[name][0].unit, name.replace("_", " "), "Other")
