"""When requests are meant to leave: a schedule fixed beforehand, from one seed, that never waits for the engine."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import UsageError
from imaxproxy.traces.seed import stream

T = TypeVar("T")
_HOW = "poisson, constant, gamma:SHAPE or onoff:ON_S,OFF_S[,SHARE]"


class Arrivals(Protocol):
    """When requests are meant to leave. Knows no socket, no worker, and not how late we are."""

    def offsets_ns(self) -> Iterator[int]:
        """Yield offsets from the start of the run, in ns, never decreasing."""


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent users at a steady mean rate: gaps are exponential, the first one included. Endless."""

    rate_per_s: float
    seed: int

    def __post_init__(self) -> None:
        _check_rate(self.rate_per_s)

    def offsets_ns(self) -> Iterator[int]:
        rng, at_s = stream(self.seed, "arrivals"), 0.0
        while True:
            at_s += rng.expovariate(self.rate_per_s)
            yield round(at_s * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Constant:
    """One request each 1/rate seconds, the first at once. Endless."""

    rate_per_s: float

    def __post_init__(self) -> None:
        _check_rate(self.rate_per_s)

    def offsets_ns(self) -> Iterator[int]:
        number = 0
        while True:
            yield round(number * NS_PER_S / self.rate_per_s)  # from the number, so that rounding does not add up
            number += 1


@dataclass(frozen=True, slots=True)
class Gamma:
    """Gaps are gamma distributed with the mean 1/rate: vLLM's `--burstiness` is the shape. Endless.

    Their coefficient of variation is 1 / sqrt(shape): 1 is Poisson, below it bursts, above it evener than Poisson.
    """

    rate_per_s: float
    shape: float
    seed: int

    def __post_init__(self) -> None:
        _check_rate(self.rate_per_s)
        if not (self.shape > 0 and math.isfinite(self.shape)):
            raise UsageError(f"--arrivals gamma:SHAPE needs a shape above 0, not {self.shape:g}")

    def offsets_ns(self) -> Iterator[int]:
        rng, at_s = stream(self.seed, "arrivals"), 0.0
        scale_s = 1 / (self.rate_per_s * self.shape)
        while True:
            at_s += rng.gammavariate(self.shape, scale_s)
            yield round(at_s * NS_PER_S)


@dataclass(frozen=True, slots=True)
class OnOff:
    """Poisson arrivals whose rate switches between two values at random: a Markov-modulated process (MMPP-2). Endless.

        mean rate = on_rate * (on_s + share * off_s) / (on_s + off_s)

    on_s, off_s: mean length of the two states, exponential; it starts in `on`.  share: the rate while off, as a share
    of that while on.  rate_per_s: the mean over both.
    """

    rate_per_s: float
    on_s: float
    off_s: float
    share: float
    seed: int

    def __post_init__(self) -> None:
        _check_rate(self.rate_per_s)
        if not (self.on_s > 0 and self.off_s > 0 and math.isfinite(self.on_s + self.off_s)):
            raise UsageError(f"--arrivals onoff needs two lengths above 0 s, not {self.on_s:g},{self.off_s:g}")
        if not 0 <= self.share <= 1:
            raise UsageError(f"--arrivals onoff:ON_S,OFF_S,SHARE needs a share from 0 to 1, not {self.share:g}")

    def offsets_ns(self) -> Iterator[int]:
        gaps, sojourns = stream(self.seed, "arrivals"), stream(self.seed, "arrivals/states")
        on_rate = self.rate_per_s * (self.on_s + self.off_s) / (self.on_s + self.share * self.off_s)
        at_s, state_ends_s, is_on = 0.0, sojourns.expovariate(1 / self.on_s), True
        unit_gaps = gaps.expovariate(1.0)  # what is left of a gap goes on at the next state's rate
        while True:
            rate = on_rate if is_on else on_rate * self.share
            if rate and at_s + unit_gaps / rate < state_ends_s:
                at_s += unit_gaps / rate
                yield round(at_s * NS_PER_S)
                unit_gaps = gaps.expovariate(1.0)
            else:
                unit_gaps -= (state_ends_s - at_s) * rate
                at_s, is_on = state_ends_s, not is_on
                state_ends_s += sojourns.expovariate(1 / (self.on_s if is_on else self.off_s))


def arrivals_of(text: str, rate_per_s: float, seed: int) -> Arrivals:
    """Read what `--arrivals` says of a rate. Raises UsageError."""
    name, _, parameters = text.partition(":")
    try:
        numbers = [float(number) for number in parameters.split(",")] if parameters else []
    except ValueError:
        raise UsageError(f"--arrivals {text}: {parameters} are no numbers; {_HOW}") from None
    match name, numbers:
        case "poisson", []:
            return Poisson(rate_per_s, seed)
        case "constant", []:
            return Constant(rate_per_s)
        case "gamma", [shape]:
            return Gamma(rate_per_s, shape, seed)
        case "onoff", [on_s, off_s]:
            return OnOff(rate_per_s, on_s, off_s, 0.0, seed)
        case "onoff", [on_s, off_s, share]:
            return OnOff(rate_per_s, on_s, off_s, share, seed)
    raise UsageError(f"--arrivals must be {_HOW}, not {text}")


def share(schedule: Iterator[T], worker: int, workers: int) -> Iterator[T]:
    """One worker's part; all parts together are the schedule, none missing, none twice."""
    return islice(schedule, worker, None, workers)


def _check_rate(rate_per_s: float) -> None:
    if not (rate_per_s > 0 and math.isfinite(rate_per_s)):
        raise UsageError(f"--rate must be above 0 requests/s, not {rate_per_s:g}")
