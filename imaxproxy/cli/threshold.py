"""A change that matters, as flags give it."""

from imaxproxy.errors import UsageError


def threshold_of(text: str) -> float:
    """5% or 0.05. Raises UsageError for what is neither."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 10:
        raise UsageError(f"--threshold is a share such as 5% or 0.05, not {text}")
    return value
