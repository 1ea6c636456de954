"""How an engine ended that nobody had asked to."""

import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Death:
    """An end that nobody asked for."""

    process: str
    code: int | None
    """None: it still ran when one of its inner processes ended."""
    seen_s: float
    """time.monotonic() when we heard of it."""
    part: str | None = None
    """That inner process."""

    def __str__(self) -> str:
        if self.code is None:
            return f"{self.process} lost its {self.part}"
        how = f"was killed by {_signal_name(-self.code)}" if self.code < 0 else f"ended with code {self.code}"
        return f"{self.process} {how}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
