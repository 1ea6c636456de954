"""Whether a series has come to its level, and from where on: of the number in flight, when a run has warmed up."""

from collections.abc import Sequence

_NEARLY = 1.1
_FLAT = 1e-9
"""A spread below this share of the squares is none: a closed loop's level is flat, what is left of it is rounding."""


def mser5(values: Sequence[float]) -> tuple[int, bool]:
    """How many values to leave out at the start so that the mean of the rest is surest, and whether that is believable.

    MSER-5 (White, Cobb and Spratt 2000): over means of 5, the cut d at which the squared standard error of what is left
    is least: sum((y - mean)^2) / (n - d)^2, for d up to half. A least one at the half means that the series is still on
    its way: False. Else the earliest cut is taken that is nearly as good, for on a level the least one lies anywhere.
    """
    batches = [sum(values[at : at + 5]) / 5 for at in range(0, len(values) - 4, 5)]
    if not batches:
        return 0, False
    count, total, squares = 0, 0.0, 0.0
    errors: list[float] = []
    for value in reversed(batches):
        count, total, squares = count + 1, total + value, squares + value * value
        errors.append(max(squares - total * total / count, _FLAT * squares) / (count * count))
    errors.reverse()  # errors[d]: d batches left out
    half = len(batches) // 2
    least = min(range(half + 1), key=errors.__getitem__)
    if least == half:
        return half * 5, False
    return 5 * next(cut for cut in range(half) if errors[cut] <= _NEARLY * errors[least]), True


def backlog_growth(levels: Sequence[float], starts: int) -> float:
    """The share of the requests sent in half of the time that stayed behind in flight: what an engine does not keep up.

        growth = (mean of the last quarter - mean of the second quarter) / (starts / 2)

    levels: number in flight in equal slices of the sending time, at least 4.  starts: requests sent in all of them.
    0 where the growth is below sqrt(mean of the second quarter), the spread of a Poisson count: no trend can be seen.
    Of 100 simulated queues each, of 60 s at 5 requests/s, 0.08 is passed by 7 at 90 % of capacity, by 90 at 120 %.
    """
    quarter = len(levels) // 4
    second = sum(levels[quarter : 2 * quarter]) / quarter
    last = sum(levels[-quarter:]) / quarter
    growth = last - second
    return 2 * growth / starts if growth > max(1.0, second) ** 0.5 else 0.0
