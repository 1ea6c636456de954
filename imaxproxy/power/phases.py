"""What reading a prompt token and making an output token cost, seen from outside: a regression over slices of a run."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from imaxproxy.clock import NS_PER_S
from imaxproxy.power.curve import EnergyCurve
from imaxproxy.power.ticks import TokenTicks

_LEAST_SLICES = 12
_SLICE_NS, _MOST_SLICES = NS_PER_S, 400
_LEAST_SPREAD = 0.02
_MOST_ALIKE = 0.98
_BLOCK, _RESAMPLES = 5, 400
Row = tuple[float, float, float, float]
"""Energy above idle (J), busy time (s), prompt tokens read, output tokens made."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A coefficient with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Phases:
    """E = idle_w * T + busy_w * T_busy + prefill * N_in + decode * N_out (energy.md 2, M5)."""

    slices: int
    slice_s: float
    busy_w: Estimate
    """Drawn above idle whenever anything runs, however little is made: what batching spreads over its streams."""
    prefill_j_per_input_token: Estimate
    decode_j_per_output_token: Estimate
    """The marginal output token: what one more costs while the machine runs anyway."""
    r2: float

    @property
    def prefill_weight(self) -> float | None:
        """A prompt token in output tokens; None where either is not clear of zero."""
        prefill, decode = self.prefill_j_per_input_token, self.decode_j_per_output_token
        return prefill.value / decode.value if prefill.low > 0 and decode.low > 0 else None


class NoPhases(Exception):
    """The run cannot tell them apart; the text says why."""


def find_phases(ticks: TokenTicks, curve: EnergyCurve, idle_w: float | None, seed: int = 0) -> Phases:
    """Raises NoPhases for a run that is too short, or whose mix of prompts and answers does not vary.

    idle_w: of all counted boards; None: not known, busy_w then includes it. Intervals are of a block bootstrap, for
    neighbouring slices are alike.
    """
    rows, slice_s = _rows(ticks, curve, idle_w or 0.0)
    if len(rows) < _LEAST_SLICES:
        raise NoPhases(f"{len(rows)} slices of {slice_s:g} s, at least {_LEAST_SLICES} are needed")
    _check_mix(rows)
    sums = [_products(row) for row in rows]
    found = _fit(_added(sums))
    draws = _resampled(sums, random.Random(seed))
    busy_w, prefill, decode = (
        Estimate(value, *_interval([draw[at] for draw in draws])) for at, value in enumerate(found)
    )
    return Phases(len(rows), slice_s, busy_w, prefill, decode, _r2(rows, found))


def _rows(ticks: TokenTicks, curve: EnergyCurve, idle_w: float) -> tuple[list[Row], float]:
    grid = ticks.grid
    length_ns = grid.end_ns - grid.begin_ns
    per_slice = max(1, round(max(_SLICE_NS, length_ns / _MOST_SLICES) / grid.tick_ns))
    slice_s = per_slice * grid.tick_ns / NS_PER_S
    energy_j = curve.slices_j(grid.edges_ns)
    prefill, output, present = ticks.prefill, ticks.output, ticks.present
    rows = []
    for first in range(0, len(energy_j) - per_slice + 1, per_slice):
        part = slice(first, first + per_slice)
        busy_s = sum(min(each, 1.0) for each in present[part]) * grid.tick_ns / NS_PER_S
        above_idle_j = sum(energy_j[part]) - idle_w * slice_s
        rows.append((above_idle_j, busy_s, sum(prefill[part]), sum(output[part])))
    return rows, slice_s


def _check_mix(rows: Sequence[Row]) -> None:
    given, made = [row[2] for row in rows], [row[3] for row in rows]
    for name, values in (("prompt", given), ("output", made)):
        mean = sum(values) / len(values)
        if not mean or math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)) < _LEAST_SPREAD * mean:
            raise NoPhases(f"the number of {name} tokens a second does not vary")
    if abs(_correlation(given, made)) > _MOST_ALIKE:
        raise NoPhases("prompt and output tokens rise and fall together")


def _correlation(x: Sequence[float], y: Sequence[float]) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    xy = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    xx, yy = sum((a - mean_x) ** 2 for a in x), sum((b - mean_y) ** 2 for b in y)
    return xy / math.sqrt(xx * yy) if xx and yy else 0.0


Products = tuple[float, ...]
"""Upper triangle of x x', then x y, then y y, of one row or a sum of rows: all that least squares needs."""


def _products(row: Row) -> Products:
    y, a, b, c = row
    return (a * a, a * b, a * c, b * b, b * c, c * c, a * y, b * y, c * y, y * y)


def _added(parts: Sequence[Products]) -> Products:
    return tuple(map(sum, zip(*parts, strict=True)))


def _fit(sums: Products) -> tuple[float, float, float]:
    """Least squares with no coefficient below zero: the best of the unconstrained fits of all subsets that has none."""
    a_a, a_b, a_c, b_b, b_c, c_c, a_y, b_y, c_y, y_y = sums
    gram = ((a_a, a_b, a_c), (a_b, b_b, b_c), (a_c, b_c, c_c))
    right = (a_y, b_y, c_y)
    best, best_left = (0.0, 0.0, 0.0), y_y
    for size in (1, 2, 3):
        for chosen in combinations(range(3), size):
            solved = _solve([[gram[i][j] for j in chosen] for i in chosen], [right[i] for i in chosen])
            if solved is None or min(solved) < 0:
                continue
            left = y_y - sum(value * right[i] for value, i in zip(solved, chosen, strict=True))
            if left < best_left:
                whole = [0.0, 0.0, 0.0]
                for value, i in zip(solved, chosen, strict=True):
                    whole[i] = value
                best, best_left = (whole[0], whole[1], whole[2]), left
    return best


def _solve(matrix: list[list[float]], right: list[float]) -> list[float] | None:
    """Gauss with pivoting, on columns scaled to one (seconds beside thousands of tokens); None when singular."""
    size = len(right)
    scales = [math.sqrt(matrix[i][i]) or 1.0 for i in range(size)]
    rows = [[matrix[i][j] / scales[i] / scales[j] for j in range(size)] + [right[i] / scales[i]] for i in range(size)]
    for at in range(size):
        pivot = max(range(at, size), key=lambda i: abs(rows[i][at]))
        if abs(rows[pivot][at]) < 1e-10:
            return None
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for i in range(size):
            if i != at:
                factor = rows[i][at] / rows[at][at]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[at], strict=True)]
    return [rows[i][size] / rows[i][i] / scales[i] for i in range(size)]


def _resampled(sums: Sequence[Products], rng: random.Random) -> list[tuple[float, float, float]]:
    """Fits of runs made of this run's blocks, drawn with replacement; the last block goes on at the beginning."""
    count = len(sums)
    around = [*sums, *sums[:_BLOCK]]
    blocks = [_added(around[at : at + _BLOCK]) for at in range(count)]
    return [_fit(_added(rng.choices(blocks, k=-(-count // _BLOCK)))) for _ in range(_RESAMPLES)]


def _interval(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[round(0.025 * (len(ordered) - 1))], ordered[round(0.975 * (len(ordered) - 1))]


def _r2(rows: Sequence[Row], found: tuple[float, float, float]) -> float:
    mean = sum(row[0] for row in rows) / len(rows)
    total = sum((row[0] - mean) ** 2 for row in rows)
    left = sum((row[0] - sum(k * x for k, x in zip(found, row[1:], strict=True))) ** 2 for row in rows)
    return 1 - left / total if total else 0.0
