"""Random draws that are the same on every Python: built on `random()` alone, whose sequence is part of its contract.

`random.gauss`, `gammavariate` and the like may change their algorithm from one version to the next; these do not.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence

from imaxproxy.traces.seed import stream


class Draws:
    """One named stream of a seed."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = stream(seed, name).random

    def share(self) -> float:
        """Even on [0, 1)."""
        return self._random()

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._random()

    def whole(self, low: int, high: int) -> int:
        """Each whole number from low to high with the same probability."""
        return low + int(self._random() * (high - low + 1))

    def exponential(self, mean: float) -> float:
        return -mean * math.log(1.0 - self._random())

    def normal(self) -> float:
        """Standard normal, by Box and Muller; two uniforms a draw, none kept back."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self._random()))
        return radius * math.cos(2.0 * math.pi * self._random())

    def gamma(self, shape: float) -> float:
        """Of scale 1, by Marsaglia and Tsang (ACM TOMS 26, 2000); below shape 1 with their power of a uniform."""
        if shape < 1.0:
            return float(self.gamma(shape + 1.0) * (1.0 - self._random()) ** (1.0 / shape))
        d = shape - 1.0 / 3.0
        c = 1.0 / math.sqrt(9.0 * d)
        while True:
            x = self.normal()
            v = (1.0 + c * x) ** 3
            if v > 0.0 and math.log(1.0 - self._random()) < 0.5 * x * x + d - d * v + d * math.log(v):
                return d * v

    def beta(self, a: float, b: float) -> float:
        x = self.gamma(a)
        return x / (x + self.gamma(b))

    def poisson(self, mean: float) -> int:
        """Arrivals in a time of `mean`, counted gap by gap: for means of up to some thousands."""
        count, at = 0, self.exponential(1.0)
        while at <= mean:
            count += 1
            at += self.exponential(1.0)
        return count

    def place(self, cumulative: Sequence[float]) -> int:
        """An index, drawn with weights that are given as their running sum."""
        return min(bisect_right(cumulative, self._random() * cumulative[-1]), len(cumulative) - 1)
