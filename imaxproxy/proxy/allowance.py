"""What a client may ask for, and the account that says what it has."""

import math
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import UsageError
from imaxproxy.proxy.refused import Refused

_UNIT_S = {"s": 1, "min": 60, "h": 3600}
_RATE = re.compile(r"([0-9]+)/(s|min|h)")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds: a bucket of `requests`, filled evenly over `per_s`."""

    requests: int
    per_s: int

    @classmethod
    def parse(cls, text: str, where: str) -> "Rate":
        """Of `10/s`, `600/min`, `1000/h`. Raises UsageError, which says `where`."""
        found = _RATE.fullmatch(text)
        if not found or not int(found[1]):
            raise UsageError(f"{where} must be like 10/s, 600/min or 1000/h, not {text!r}")
        return cls(int(found[1]), _UNIT_S[found[2]])

    @property
    def gap_ns(self) -> int:
        """Time in which one more request is earned."""
        return self.per_s * NS_PER_S // self.requests


@dataclass(frozen=True, slots=True)
class Allowance:
    """None: as many as it likes."""

    in_flight: int | None = None
    rate: Rate | None = None


class Standing(Protocol):
    """What a client has under way and has used up."""

    full_at_ns: int
    """When its bucket will be full again."""

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Held from a look at the figures to their change."""

    @property
    def in_flight(self) -> int: ...

    def count(self, change: int) -> None:
        """So many more are under way, or fewer."""


class OwnStanding:
    """Of a client that is limited in this process alone, or not at all."""

    lock = nullcontext()

    def __init__(self) -> None:
        self.in_flight = self.full_at_ns = 0

    def count(self, change: int) -> None:
        self.in_flight += change


class Account:
    """One client's requests under way, and the rate it has used up. Nothing waits: who has no room is told when."""

    __slots__ = ("allowance", "name", "standing")

    def __init__(self, name: str | None, allowance: Allowance) -> None:
        self.name = name
        """Of the client's key; None where nobody shows one."""
        self.allowance = allowance
        self.standing: Standing = OwnStanding()

    def __repr__(self) -> str:
        return f"<Account {self.name or 'anonymous'} | {self.in_flight} in flight>"

    @property
    def in_flight(self) -> int:
        return self.standing.in_flight

    def enter(self, now_ns: int) -> None:
        """Take up one request. Raises Refused; else `leave` must follow when the request has ended."""
        allowance, standing = self.allowance, self.standing
        with standing.lock:
            if allowance.in_flight is not None and standing.in_flight >= allowance.in_flight:
                what = f"{allowance.in_flight} requests of this client are under way, and no more are allowed at once"
                raise Refused("too_many_in_flight", what, retry_after_s=1)
            if allowance.rate is not None:
                self._take(allowance.rate, now_ns)
            standing.count(1)

    def leave(self) -> None:
        self.standing.count(-1)

    def _take(self, rate: Rate, now_ns: int) -> None:
        """The bucket as one number, the time at which it will be full again (the generic cell rate algorithm)."""
        full_at_ns = max(self.standing.full_at_ns, now_ns) + rate.gap_ns
        late_ns = full_at_ns - now_ns - rate.gap_ns * rate.requests
        if late_ns > 0:
            what = f"this client may send {rate.requests} requests in {rate.per_s} s"
            raise Refused("rate_limited", what, retry_after_s=math.ceil(late_ns / NS_PER_S))
        self.standing.full_at_ns = full_at_ns
