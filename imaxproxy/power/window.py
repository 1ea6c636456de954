"""The energy of a stretch of time: by counter where there is one, checked against the integral of power, with its error
and with the reasons not to believe it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.power.reasons import Reason, Warn
from imaxproxy.power.series import Series

COUNTER, BY_AVERAGE, BY_INSTANT = "counter", "integral_average", "integral_instant"
GOOD, FAIR = 0.03, 0.05
"""Differences between counter and integral that need no word, and that are still believed (energy.md 1.4)."""
_SHORTEST_NS, _SHORT_NS = NS_PER_S, 5 * NS_PER_S
_GAP_NS = 3 * NS_PER_S
_OVER_LIMIT = 1.3
_DEFAULT_GAIN = 0.05
_SLOW = 10
"""A source should move so often within a window."""
_METHOD_ERRORS = {COUNTER: 0.0, BY_AVERAGE: 0.02, BY_INSTANT: 0.08}
"""Of a whole window of 10 s, 95 %: integrals of a Hopper's two channels in a sensor model (energy.md 1.3)."""


@dataclass(frozen=True, slots=True)
class DeviceEnergy:
    """One device in one window."""

    device: str
    energy_j: float | None
    method: str | None
    crosscheck: dict[str, float]
    """Relative difference of each integral from the counter, by method."""
    error_parts: dict[str, float]
    """Standard uncertainties as shares: `gain`, `edges`, `method`, `crosscheck`."""
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowEnergy:
    """All counted devices in one window."""

    begin_ns: int
    end_ns: int
    energy_j: float | None
    devices: list[DeviceEnergy] = field(default_factory=list)
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error_parts: dict[str, float] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.begin_ns) / NS_PER_S

    @property
    def valid(self) -> bool:
        """It may be believed to within its error."""
        return not self.reasons and self.energy_j is not None

    @property
    def method(self) -> str | None:
        """How all devices were measured; `mixed` when not all alike."""
        methods = {each.method for each in self.devices if each.method}
        return methods.pop() if len(methods) == 1 else "mixed" if methods else None

    @property
    def relative_error(self) -> float | None:
        """One standard uncertainty, as a share."""
        return math.sqrt(sum(part**2 for part in self.error_parts.values())) if self.error_parts else None

    @property
    def crosscheck(self) -> dict[str, float]:
        """By method: the devices' differences, weighted by their energy."""
        found: dict[str, list[tuple[float, float]]] = {}
        for each in self.devices:
            for method, difference in each.crosscheck.items():
                found.setdefault(method, []).append((difference, each.energy_j or 0.0))
        return {method: _weighted(pairs) for method, pairs in found.items()}


def window_energy(series: Sequence[Series], begin_ns: int, end_ns: int) -> WindowEnergy:
    """The energy of [begin, end) over all of these devices; None where one of them does not tell.

    No devices: `no_usable_samples`. A window that is not valid may still have a figure: it is shown with its reason.
    """
    if not series:
        return WindowEnergy(begin_ns, end_ns, None, reasons=(Reason.NO_USABLE_SAMPLES,))
    devices = [device_energy(each, begin_ns, end_ns) for each in series]
    reasons = _merged(each.reasons for each in devices)
    warnings = _merged(each.warnings for each in devices)
    length_ns = end_ns - begin_ns
    if length_ns < _SHORTEST_NS:
        reasons = (*reasons, Reason.WINDOW_TOO_SHORT)
    elif length_ns < _SHORT_NS:
        warnings = (*warnings, Warn.SHORT_WINDOW)
    total_j = sum(each.energy_j for each in devices if each.energy_j is not None)
    whole = all(each.energy_j is not None for each in devices)
    errors = _combined(devices, total_j) if whole and total_j > 0 else {}
    return WindowEnergy(begin_ns, end_ns, total_j if whole else None, devices, reasons, warnings, errors)


def device_energy(series: Series, begin_ns: int, end_ns: int) -> DeviceEnergy:
    """One device's energy in [begin, end)."""
    judge = _Judge(series, begin_ns, end_ns)
    return judge.verdict()


class _Judge:
    """Looks at one device in one window from all sides."""

    def __init__(self, series: Series, begin_ns: int, end_ns: int) -> None:
        self._series, self._begin_ns, self._end_ns = series, begin_ns, end_ns
        self._reasons: list[str] = []
        self._warnings: list[str] = []
        scale = series.device.time_scale
        stretch = (begin_ns, end_ns)
        self._integrals = {
            name: energy_j * scale
            for name, channel in ((BY_AVERAGE, series.average), (BY_INSTANT, series.instant))
            if not self._watts_are_slow and len(channel) and (energy_j := channel.between_j(*stretch)) is not None
        }

    @property
    def _watts_are_slow(self) -> bool:
        """They were collected so seldom that most of them are of another time: an exporter's, every 30 s."""
        period_ms = self._series.device.power_update_ms
        return period_ms is not None and period_ms * NS_PER_MS * _SLOW > max(
            self._end_ns - self._begin_ns, _SHORTEST_NS
        )

    def verdict(self) -> DeviceEnergy:
        series = self._series
        method, energy_j = self._measure()
        crosscheck = {}
        if method == COUNTER and energy_j:
            crosscheck = {name: (each - energy_j) / energy_j for name, each in self._integrals.items()}
        self._judge_crosscheck(method, crosscheck)
        self._judge_samples(method)
        self._judge_power(energy_j)
        return DeviceEnergy(
            series.device.device,
            energy_j,
            method,
            crosscheck,
            self._errors(method, energy_j, crosscheck),
            tuple(self._reasons),
            tuple(self._warnings),
        )

    def _measure(self) -> tuple[str | None, float | None]:
        """The counter if it can be used, else the better integral."""
        counter, begin_ns, end_ns = self._series.counter, self._begin_ns, self._end_ns
        broken: tuple[Reason, Warn] | None = None
        if not len(counter):
            self._warnings.append(Warn.NO_COUNTER)
        elif counter.has_reset(begin_ns, end_ns):
            broken = (Reason.COUNTER_RESET, Warn.COUNTER_RESET)
        elif counter.is_stuck(begin_ns, end_ns):
            broken = (Reason.COUNTER_STUCK, Warn.COUNTER_STUCK)
        elif (energy_j := counter.between_j(begin_ns, end_ns)) is not None:
            return COUNTER, energy_j
        for method in (BY_AVERAGE, BY_INSTANT):
            if method in self._integrals:
                if broken:
                    self._warnings.append(broken[1])
                return method, self._integrals[method]
        if broken:
            self._reasons.append(broken[0])
        elif not self._series.times_ns:
            self._reasons.append(Reason.NO_USABLE_SAMPLES)
        elif self._watts_are_slow and not len(counter):
            self._reasons.append(Reason.SOURCE_TOO_SLOW)
        else:
            self._reasons.append(Reason.WINDOW_NOT_BRACKETED)
        return None, None

    def _judge_crosscheck(self, method: str | None, crosscheck: dict[str, float]) -> None:
        """The channel that agrees better decides: each of them is known to be wrong in ways of its own (the average
        at edges, the instant one by seeing a part of the time), and a wrong counter disagrees with both."""
        if method != COUNTER:
            return
        if not crosscheck:
            self._warnings.append(Warn.CROSSCHECK_MISSING)
            return
        if self._end_ns - self._begin_ns < _SHORT_NS:  # the integrals' own errors are larger than what is asked
            return
        best, worst = min(map(abs, crosscheck.values())), max(map(abs, crosscheck.values()))
        if best > FAIR:
            self._reasons.append(Reason.CROSSCHECK_FAILED)
        elif best > GOOD:
            self._warnings.append(Warn.CROSSCHECK_FAIR)
        elif worst > FAIR and abs(crosscheck.get(BY_INSTANT, 0.0)) == worst:
            self._warnings.append(Warn.INSTANT_ALIASED)

    def _judge_samples(self, method: str | None) -> None:
        series, begin_ns, end_ns = self._series, self._begin_ns, self._end_ns
        if any(begin_ns <= at_ns <= end_ns for at_ns in series.jumps_ns):
            self._reasons.append(Reason.CLOCK_JUMPED)
        if series.bad_samples or series.jumps_ns:
            self._warnings.append(Warn.BAD_SAMPLES)
        period_ns = series.counter.period_ns if method == COUNTER else 0.0
        if series.max_gap_ns(begin_ns, end_ns) > max(_GAP_NS, 3 * period_ns):
            edges_are_sure = method == COUNTER and not self._gap_at_an_edge()
            (self._warnings if edges_are_sure else self._reasons).append(
                Warn.SAMPLING_GAP if edges_are_sure else Reason.SAMPLING_GAP
            )
        if period_ns * _SLOW > end_ns - begin_ns >= _SHORTEST_NS:
            self._warnings.append(Warn.SLOW_SOURCE)

    def _gap_at_an_edge(self) -> bool:
        return any(self._series.max_gap_ns(at_ns, at_ns) > _GAP_NS for at_ns in (self._begin_ns, self._end_ns))

    def _judge_power(self, energy_j: float | None) -> None:
        device, length_s = self._series.device, (self._end_ns - self._begin_ns) / NS_PER_S
        if energy_j is None or length_s <= 0 or not device.limit_w:
            return
        if energy_j / length_s / device.time_scale > _OVER_LIMIT * device.limit_w:
            self._reasons.append(Reason.IMPLAUSIBLE_POWER)

    def _errors(self, method: str | None, energy_j: float | None, crosscheck: dict[str, float]) -> dict[str, float]:
        if method is None or not energy_j:
            return {}
        gain = self._series.device.gain_error
        usual = 0.0 if self._series.device.simulated else _DEFAULT_GAIN
        parts = {"gain": usual if gain is None else gain}
        if method == COUNTER:
            counter = self._series.counter
            edges_j = math.hypot(counter.edge_error_j(self._begin_ns), counter.edge_error_j(self._end_ns))
            parts["edges"] = edges_j / energy_j
        else:
            length_s = (self._end_ns - self._begin_ns) / NS_PER_S
            parts["method"] = _METHOD_ERRORS[method] / 2 * max(10 / length_s, 1.0) if length_s > 0 else 1.0
        if crosscheck:
            parts["crosscheck"] = min(map(abs, crosscheck.values())) / math.sqrt(12)
        return parts


def _combined(devices: Sequence[DeviceEnergy], total_j: float) -> dict[str, float]:
    """Gains of one kind of board err alike and add up; the rest is each device's own and adds in squares."""
    parts: dict[str, float] = {}
    for name in ("gain", "edges", "method", "crosscheck"):
        shares = [(each.energy_j or 0.0) * each.error_parts.get(name, 0.0) for each in devices]
        error_j = sum(shares) if name == "gain" else math.hypot(*shares)
        if any(name in each.error_parts for each in devices):
            parts[name] = error_j / total_j
    return parts


def _merged(codes: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Each once, in the order of their first mention."""
    return tuple(dict.fromkeys(code for each in codes for code in each))


def _weighted(pairs: Sequence[tuple[float, float]]) -> float:
    weight = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / weight if weight else 0.0
