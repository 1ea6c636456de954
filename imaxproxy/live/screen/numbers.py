"""Numbers as the screen writes them: three digits that matter, thousands apart, never wider than seven characters."""

UNKNOWN = "–"
_BIG = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def figure(value: float | None) -> str:
    """0.0421, 0.42, 4.21, 42.1, 421, 4,210, 42,100, 421,000, 4.21M."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    for unit, letter in _BIG:
        if size >= unit * 0.9995:
            return f"{_three(value / unit)}{letter}"
    return _three(value)


def whole(value: float | None) -> str:
    """A count: 42, 4,210, 421,000, 4.21M."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) < 999_500 else figure(value)


def milliseconds(value_ms: float | None) -> str:
    """As `figure`; from 100 s on in seconds, since nobody counts milliseconds there."""
    if value_ms is not None and value_ms >= 99_950:
        return f"{value_ms / 1000:,.0f}s"
    return figure(value_ms)


def percent(share: float | None) -> str:
    """A share of 1: 0 %, 0.42 %, 12.3 %, 99.9 %, 100 %."""
    if share is None:
        return UNKNOWN
    if share <= 0 or share >= 1:
        return f"{share * 100:.0f} %"
    text = f"{share * 100:.1f}" if share >= 0.0095 else f"{share * 100:.2f}"
    if text in ("100.0", "0.00"):  # all but a few, and a few, are not all and none
        return "> 99.9 %" if share > 0.5 else "< 0.01 %"
    return f"{text} %"


def clock(seconds: float) -> str:
    """0:42, 12:04, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def age(seconds: float | None) -> str:
    """0.04 s, 4.2 s, 42 s, 12:04."""
    if seconds is None:
        return UNKNOWN
    if seconds >= 99.5:
        return clock(seconds)
    return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def _three(value: float) -> str:
    size = abs(value)
    if size >= 99.95 or value == 0:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    if size >= 0.0995:
        return f"{value:.2f}"
    return f"{value:.4f}" if size >= 0.00095 else f"{value:.1e}"
