"""Distributions of lengths and times, as a spec writes them.

A number is a constant. A table names its `distribution` (the words of vLLM's multi-turn benchmark, and more) and may
have `min` and `max`: a draw beyond them is drawn again, since clamping would pile mass at the edge.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.table import Table

Draw = Callable[[Draws], float]

_LARGEST = 1e15
_TRIES = 1_000
_ZIPF_RANKS = 1_000_000
_MAX_POISSON_MEAN = 10_000


@dataclass(frozen=True, slots=True)
class Distribution:
    """What to draw, and between which bounds."""

    draw: Draw
    where: str
    low: float = -math.inf
    high: float = math.inf

    def __call__(self, draws: Draws) -> float:
        """One draw within the bounds. Raises UsageError when they are hardly ever met."""
        for _ in range(_TRIES):
            value = self.draw(draws)
            if self.low <= value <= self.high:
                return value
        raise UsageError(
            f"{self.where}: {_TRIES} draws lay outside [{self.low:g}, {self.high:g}]; widen `min` and `max`"
        )

    def tokens(self, draws: Draws) -> int:
        """A length: whole, and at least 1."""
        return max(1, round(self(draws)))


def parse_distribution(value: Any, where: str) -> Distribution:  # noqa: ANN401 (a number or a table)
    """Raises UsageError, naming `where`."""
    if type(value) in (int, float) and abs(value) < _LARGEST:
        return Distribution(lambda draws: float(value), where)
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected a number, a preset's name or a table with `distribution`, found {value!r}")
    table = Table(value, where)
    name = table.choice("distribution", tuple(_PARSERS))
    draw = _PARSERS[name](table)
    low, high = -math.inf, math.inf
    if name not in ("uniform", "constant"):  # their own parameters are bounds already
        low = table.number("min", least=-math.inf) if table.has("min") else low
        high = table.number("max", least=-math.inf) if table.has("max") else high
    table.close()
    if low > high:
        raise UsageError(f"{where}: `min` {low:g} is above `max` {high:g}")
    return Distribution(draw, where, low, high)


def _constant(table: Table) -> Draw:
    value = table.number("value")
    return lambda draws: value


def _uniform(table: Table) -> Draw:
    low = table.number("min")
    high = table.number("max", least=low)
    return lambda draws: draws.uniform(low, high)


def _range_ratio(table: Table) -> Draw:
    """InferenceMAX's: whole numbers, evenly from low x length to length. vLLM's flag of that name means L(1 +- r)."""
    length = table.whole("length", least=1)
    low = math.floor(table.number("low", 0.8, most=1.0) * length)
    return lambda draws: float(draws.whole(max(1, low), length))


def _normal(table: Table) -> Draw:
    mean, stddev = table.number("mean"), table.number("stddev")
    return lambda draws: mean + stddev * draws.normal()


def _lognormal(table: Table) -> Draw:
    """By mean and sigma of the logarithm, by median and sigma, or by average and median / average (vLLM's words)."""
    if table.has("average"):
        average, ratio = table.number("average", least=1e-9), table.number("median_ratio", least=1e-9, most=1.0)
        mu, sigma = math.log(average * ratio), math.sqrt(-2.0 * math.log(ratio))
    else:
        by_median = table.has("median")
        mu = math.log(table.number("median", least=1e-9)) if by_median else table.number("mean", least=-50, most=50)
        sigma = table.number("sigma", most=20)
    return lambda draws: math.exp(min(mu + sigma * draws.normal(), 600.0))


def _zipf(table: Table) -> Draw:
    alpha, most = table.number("alpha", least=1e-9), table.whole("ranks", least=1, most=_ZIPF_RANKS)
    cumulative = zipf_weights(alpha, most)
    return lambda draws: float(1 + draws.place(cumulative))


def zipf_weights(alpha: float, ranks: int) -> list[float]:
    """Running sum of rank ** -alpha."""
    return list(accumulate(rank**-alpha for rank in range(1, ranks + 1)))


def _poisson(table: Table) -> Draw:
    mean = table.number("mean", most=_MAX_POISSON_MEAN)
    return lambda draws: float(draws.poisson(mean))


def _exponential(table: Table) -> Draw:
    mean = table.number("mean")
    return lambda draws: draws.exponential(mean)


def _gamma(table: Table) -> Draw:
    shape, scale = table.number("shape", least=1e-6), table.number("scale")
    return lambda draws: scale * draws.gamma(shape)


def _beta(table: Table) -> Draw:
    a, b = table.number("a", least=1e-6), table.number("b", least=1e-6)
    return lambda draws: draws.beta(a, b)


def _mixture(table: Table) -> Draw:
    parts = table.tables("parts")
    cumulative = list(accumulate(part.number("weight", least=1e-12) for part in parts))
    members = [parse_distribution({name: part.raw(name) for name in part.names()}, part.where) for part in parts]
    return lambda draws: members[draws.place(cumulative)](draws)


def _empirical(table: Table) -> Draw:
    """Quantiles at equal steps of probability from 0 to 1, and finer ones of the tail as [[share, value], ...].

    Linear in between. Without a tail the last step spreads evenly up to the maximum, which overstates the mean.
    """
    quantiles = table.raw("quantiles")
    if not isinstance(quantiles, list) or len(quantiles) < 2 or not all(type(q) in (int, float) for q in quantiles):
        raise table.wrong("quantiles", "a list of two or more numbers", quantiles)
    last = len(quantiles) - 1
    known = {place / last: float(value) for place, value in enumerate(quantiles)}
    try:
        points = sorted((known | {float(share): float(value) for share, value in table.raw("tail", [])}).items())
    except (TypeError, ValueError):
        raise table.wrong("tail", "pairs of share and value", None) from None
    if any(after[1] < before[1] for before, after in pairwise(points)):
        raise table.wrong("quantiles", "numbers that never fall, the tail among them", quantiles)
    shares = [share for share, _ in points]
    return lambda draws: _interpolated(points, shares, draws)


def _interpolated(points: list[tuple[float, float]], shares: list[float], draws: Draws) -> float:
    share = draws.share()
    place = min(max(1, bisect_right(shares, share)), len(points) - 1)
    (low_share, low), (high_share, high) = points[place - 1], points[place]
    return low + (high - low) * (share - low_share) / (high_share - low_share)


_PARSERS: dict[str, Callable[[Table], Draw]] = {
    "constant": _constant,
    "uniform": _uniform,
    "range_ratio": _range_ratio,
    "normal": _normal,
    "lognormal": _lognormal,
    "exponential": _exponential,
    "gamma": _gamma,
    "beta": _beta,
    "zipf": _zipf,
    "poisson": _poisson,
    "mixture": _mixture,
    "empirical": _empirical,
}
