"""GuideLLM's distributions: of values, of rates and of concurrency over time; each with eleven percentiles.

Its own ways (`schemas/base/statistics.py` of 0.8.1): a percentile is the value at which the cumulated weight reaches
it, nothing is interpolated; events within 0.1 ms of the first of them are one.
"""

from typing import Any

import numpy as np

Json = dict[str, Any]
Array = Any
"""A numpy array of floats, of one dimension."""

_PERCENTILES = {
    "p001": 0.001, "p01": 0.01, "p05": 0.05, "p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9,
    "p95": 0.95, "p99": 0.99, "p999": 0.999,
}  # fmt: skip
_TOGETHER_S = 1e-4
_LEAST = 1e-6
Window = tuple[float, float]


def of_values(values: Array, weights: Array | None = None, count: int | None = None) -> Json:
    """weights: how much each value counts, 1 if not given.  count: of the observations, else the sum of weights.

    Without a value all figures are 0, the count too, as there. Values without weight are left out.
    """
    if weights is None:
        weights = np.ones_like(values)
    if count is None or not len(values):
        count = round(float(weights.sum()))
    distinct, places = np.unique(values, return_inverse=True)
    shares = np.bincount(places, weights, minlength=len(distinct))
    distinct, shares = distinct[shares > 0], shares[shares > 0]
    if not len(distinct):
        return _summary(dict.fromkeys(_PERCENTILES, 0.0), 0.0, 0.0, 0.0, 0.0, 0.0, count)
    if shares.sum() <= _LEAST:
        shares = np.ones_like(distinct)
    shares = shares / shares.sum()
    reached = np.cumsum(shares)
    percentiles = {name: float(distinct[np.searchsorted(reached, rank)]) for name, rank in _PERCENTILES.items()}
    mean = float((distinct * shares).sum())
    variance = float(((distinct - mean) ** 2 * shares).sum())
    mode = float(distinct[shares.argmax()])
    return _summary(percentiles, mean, mode, variance, float(distinct[0]), float(distinct[-1]), count)


def of_rates(times: Array, weights: Array | None = None, window: Window | None = None) -> Json:
    """Events a second. An event's weight is spread from the middle before it to the middle behind it.

    times: Unix seconds.  window: begins and ends with events of no weight.
    """
    if weights is None:
        weights = np.ones_like(times)
    if window is not None:
        inside = (times >= window[0]) & (times <= window[1])
        times = np.concatenate(([window[0]], times[inside], [window[1]]))
        weights = np.concatenate(([0.0], weights[inside], [0.0]))
    times, weights = _merged(times, weights)
    if len(times) <= 1:
        return of_values(np.empty(0))
    middles = (times[1:] + times[:-1]) / 2
    edges = np.concatenate(([times[0]], middles, [max(times[-1], middles[-1] + _LEAST)]))
    spans = np.diff(edges)
    return of_values(weights / spans, spans, round(float(weights.sum())))


def of_concurrency(starts: Array, ends: Array, weights: Array | None = None, window: Window | None = None) -> Json:
    """How many (or how much weight) are under way, weighted by how long it is so.

    starts, ends: Unix seconds, of the same length.
    """
    if weights is None:
        weights = np.ones_like(starts)
    count = len(starts)
    times, changes = _merged(np.concatenate((starts, ends)), np.concatenate((weights, -weights)))
    if window is not None and len(times):
        before, behind = np.searchsorted(times, window[0]), np.searchsorted(times, window[1], side="right")
        times = np.concatenate(([window[0]], times[before:behind], [window[1]]))
        changes = np.concatenate(([changes[:before].sum()], changes[before:behind], [0.0]))
    levels = np.clip(np.cumsum(changes), 0, None)
    if len(levels) <= 1:
        return of_values(levels if count else np.empty(0))
    spans = np.clip(np.diff(times), 0, None)
    if not (spans > 0).any():
        return of_values(np.empty(0))
    return of_values(levels[:-1], spans, count)


def _merged(times: Array, weights: Array) -> tuple[Array, Array]:
    """Rising times; what follows another within 0.1 ms is added to it, and the next one after that begins anew."""
    distinct, places = np.unique(times, return_inverse=True)
    sums = np.bincount(places, weights, minlength=len(distinct))
    if len(distinct) <= 1 or (np.diff(distinct) > _TOGETHER_S).all():
        return distinct, sums
    ends: Array = np.searchsorted(distinct, distinct + _TOGETHER_S, side="right")
    firsts: list[int] = []
    place = 0
    while place < len(ends):
        firsts.append(place)
        place = int(ends[place])
    return distinct[firsts], np.add.reduceat(sums, firsts)


def _summary(
    percentiles: dict[str, float], mean: float, mode: float, variance: float, least: float, most: float, count: int
) -> Json:
    return {
        "mean": mean,
        "median": percentiles["p50"],
        "mode": mode,
        "variance": variance,
        "std_dev": variance**0.5,
        "min": least,
        "max": most,
        "count": count,
        "total_sum": mean * count,
        "percentiles": percentiles,
        "pdf": None,
        "mean_ci": None,
        "percentile_cis": None,
    }
