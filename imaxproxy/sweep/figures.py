"""What a sweep's table shows of a run."""

from typing import Any

from imaxproxy.runs.axes import AXES

COLUMNS = {
    "total_per_gpu": "tok/s/GPU",
    "output_per_gpu": "output",
    "interactivity": "tok/s/user",
    "ttft_p50": "TTFT ms",
    "ttft_p99": "p99",
    "e2e_p50": "E2E ms",
    "usd_total": "$/M",
}
"""Names as `imaxproxy frontier --x` has them, and what heads their columns."""


def figures_of(summary: dict[str, Any]) -> dict[str, float | None]:
    """Of the whole run, by the names of COLUMNS; None for what is not known, such as a rate a GPU without GPUs."""
    return {name: AXES[name][1](summary, summary) for name in COLUMNS}
