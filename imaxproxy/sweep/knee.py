"""When a curve has nothing more to show: more load gives no more throughput, only more waiting."""

from collections.abc import Sequence

_LEAST_GAIN = 0.05
_IN_A_ROW = 2
"""One load may fall short by chance, or where a batch limit is crossed; a second one beside it does not."""

KNEE_RULE = (
    f"past the knee: {_IN_A_ROW} loads in a row whose tokens/s were less than "
    f"{_LEAST_GAIN:.0%} above the best before them"
)


def is_past_knee(rates_per_s: Sequence[float]) -> bool:
    """rates_per_s: input + output tokens/s at each load, the loads rising. See KNEE_RULE."""
    if len(rates_per_s) <= _IN_A_ROW:
        return False
    best_per_s = max(rates_per_s[:-_IN_A_ROW])
    return all(rate_per_s < best_per_s * (1 + _LEAST_GAIN) for rate_per_s in rates_per_s[-_IN_A_ROW:])
