"""The schedule's zero as a wall time that several machines are told, and how far each trusts its wall clock."""

import ctypes
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.errors import UsageError

_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""


@dataclass(frozen=True, slots=True)
class StartTime:
    """When the schedule starts: on the wall, and by this host's monotonic clock."""

    unix_s: float
    zero_ns: int
    error_ms: float | None
    """At most so far off is the wall clock, as the kernel reckons from its NTP client; None: nobody keeps it."""

    @classmethod
    def at(cls, unix_s: float, clock_ns: Clock = monotonic_ns) -> "StartTime":
        """Fix it now: a wall clock that is set while the run waits moves nothing."""
        return cls(unix_s, clock_ns() + round((unix_s - time.time()) * NS_PER_S), wall_clock_error_ms())

    def check(self, now_ns: int) -> None:
        """Raises UsageError when it has passed: a share that starts late would send all that it missed at once."""
        late_s = (now_ns - self.zero_ns) / NS_PER_S
        if late_s > 0:
            raise UsageError(
                f"--start-time passed {late_s:.1f} s before this share was ready to send; nothing was sent: "
                "choose a later one, for all shares"
            )

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {"by": "wall_clock", "unix_s": self.unix_s, "error_ms": self.error_ms}


def unix_s_of(text: str) -> float:
    """Read Unix seconds or ISO 8601 with its zone. Raises UsageError for what is neither."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(
            f"--start-time {text}: give Unix seconds ($(date +%s) + 60), or a time with its zone: 2026-11-26T08:00:00Z"
        )
    return at.timestamp()


class _Timex(ctypes.Structure):
    """The head of Linux's struct timex, adjtimex(2); the rest is room."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("rest", ctypes.c_byte * 512),
    ]


def wall_clock_error_ms() -> float | None:
    """The kernel's bound on the wall clock's error; None where no NTP client keeps it, or nobody can be asked."""
    if sys.platform != "linux":
        return None
    asked = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    return None if state < 0 or state == _TIME_ERROR else asked.maxerror / 1000
