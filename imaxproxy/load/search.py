"""The highest load that still meets an SLO: climb by doubling, then halve the bracket in ratio."""

import math
from collections.abc import Callable
from dataclasses import dataclass

PRECISION = 0.1
MOST_PROBES = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one probe has shown."""

    met: bool
    sure: bool
    """The 95 % interval of every share that decides lies on one side of what is asked.

    So chance within the probe is no doubt any more; bursts too rare for its time are.
    """
    meter_valid: bool
    overrun: bool = False
    """An open loop that the engine did not keep up with: missed, whatever its latencies."""
    too_little: str | None = None
    """Why the trace did not hold the load that was asked for: that it met the SLO then says nothing. None: it did."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One load that was tried: requests/s, or requests in flight."""

    load: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has come to; loads in the unit that was searched in."""

    probes: tuple[Probe, ...]
    converged: bool
    """The bracket is as narrow as was asked for."""

    @property
    def highest_met(self) -> float | None:
        """The answer: the highest load below everything that missed. None when nothing met."""
        missed = self.lowest_missed
        return max((load for load in self._loads(met=True) if missed is None or load < missed), default=None)

    @property
    def lowest_missed(self) -> float | None:
        return min(self._loads(met=False), default=None)

    @property
    def surely_met(self) -> float | None:
        """The lower end of the interval: the highest load below every miss that surely met."""
        missed = self.lowest_missed
        held = (probe for probe in self.probes if not probe.verdict.too_little)
        sure = (probe.load for probe in held if probe.verdict.met and probe.verdict.sure)
        return max((load for load in sure if missed is None or load < missed), default=None)

    @property
    def surely_missed(self) -> float | None:
        """The upper end of the interval: the lowest load that surely missed. None: it may lie anywhere above."""
        sure = (probe.load for probe in self.probes if not probe.verdict.met and probe.verdict.sure)
        return min(sure, default=None)

    @property
    def answer_meter_valid(self) -> bool | None:
        """Whether the meter believes its figures at the answer; None without one."""
        answer = self.highest_met
        return next((probe.verdict.meter_valid for probe in self.probes if probe.load == answer), None)

    @property
    def limited_by_meter(self) -> bool:
        """The probe that set the limit was one that the meter itself does not believe."""
        missed = self.lowest_missed
        return any(probe.load == missed and not probe.verdict.meter_valid for probe in self.probes)

    @property
    def limited_by_trace(self) -> str | None:
        """Why the search ended at a load that the trace does not hold; None where it did not."""
        return next((why for probe in self.probes if probe.verdict.met and (why := probe.verdict.too_little)), None)

    def _loads(self, *, met: bool) -> list[float]:
        """A load that was met and not there counts as neither."""
        return [
            probe.load for probe in self.probes if probe.verdict.met is met and not (met and probe.verdict.too_little)
        ]


def search(
    probe: Callable[[float], Verdict],
    lowest: float,
    highest: float,
    *,
    whole: bool,
    precision: float = PRECISION,
    most_probes: int = MOST_PROBES,
) -> Found:
    """Try loads from `lowest` to `highest` until the answer is known within a share of `precision`.

    Doubles while the SLO is met, then takes the geometric middle of the bracket: 2 log2(range) probes at most.
    A probe that met and whose trace did not hold the load ends it: more of that load cannot be offered either.
    `whole`: loads are whole numbers. Assumes that less load is served no worse; where it is not so, the answer is the
    highest load that met below the lowest one that missed.
    """
    probes: list[Probe] = []
    met, missed = 0.0, math.inf
    load = lowest
    while len(probes) < most_probes:
        probes.append(Probe(load, probe(load)))
        if probes[-1].verdict.met and probes[-1].verdict.too_little:
            return Found(tuple(probes), converged=False)
        if probes[-1].verdict.met:
            met = load
        else:
            missed = load
        if not met or met >= highest or _is_narrow(met, missed, precision, whole=whole):
            return Found(tuple(probes), converged=True)
        load = min(met * 2, highest) if math.isinf(missed) else math.sqrt(met * missed)
        if whole:
            load = min(max(round(load), met + 1), missed - 1 if math.isfinite(missed) else highest)
    return Found(tuple(probes), converged=False)


def _is_narrow(met: float, missed: float, precision: float, *, whole: bool) -> bool:
    return missed / met <= 1 + precision or (whole and missed - met <= 1)
