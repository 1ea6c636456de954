"""How much requests of one run depend on each other, by how the shares of its stretches scatter."""

from imaxproxy.metrics.interval import Z_975, t_975
from imaxproxy.metrics.window import Window

COUNT = 20
"""Stretches of a run: each longer than what one burst does to its neighbours, and enough to tell how they scatter."""


class Batches:
    """Trials that hit or not, in equal stretches of a run by when they began. Mergeable: whole numbers."""

    def __init__(self, run: Window) -> None:
        self._run = run
        self._trials, self._hits = [0] * COUNT, [0] * COUNT

    def add(self, started_ns: int, *, hit: bool) -> None:
        place = (started_ns - self._run.start_ns) * COUNT // max(1, self._run.duration_ns)
        place = min(max(place, 0), COUNT - 1)
        self._trials[place] += 1
        self._hits[place] += hit

    def merge(self, other: "Batches") -> None:
        """Add what was counted elsewhere in the same run."""
        self._trials = [ours + theirs for ours, theirs in zip(self._trials, other._trials, strict=True)]
        self._hits = [ours + theirs for ours, theirs in zip(self._hits, other._hits, strict=True)]

    def effective_trials(self) -> float:
        """As many independent trials would leave the share as uncertain as these do; all of them at most.

        Trials over the design effect, which is the variance of the share as a ratio over stretches (Cochran, Sampling
        Techniques, 6.4) by that of as many independent trials, times (z / t)^2 for the few stretches that it is known
        from (Korn and Graubard 1998). Where all hit, or none did, nothing scatters and nothing is known of it: all.
        """
        filled = [(hits, trials) for hits, trials in zip(self._hits, self._trials, strict=True) if trials]
        trials, hits, count = sum(self._trials), sum(self._hits), len(filled)
        if count < 2 or hits in (0, trials):
            return float(trials)
        share = hits / trials
        scatter = sum((part_hits - share * part_trials) ** 2 for part_hits, part_trials in filled)
        variance = count / (count - 1) * scatter / trials**2
        design_effect = variance / (share * (1 - share) / trials)
        return min(float(trials), trials / max(1.0, design_effect) * (Z_975 / t_975(count - 1)) ** 2)
