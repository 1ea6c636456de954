"""The `energy` object of summary.json: a run's power samples joined with its exchanges, on one clock."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import NS_PER_S
from imaxproxy.economics import Terms
from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import Histogram, Window
from imaxproxy.power import (
    DEFAULT_PREFILL_WEIGHT,
    EnergyCurve,
    EventKind,
    NoPhases,
    Phases,
    Reason,
    Recording,
    Sharer,
    TickGrid,
    TickPrices,
    TokenTicks,
    Warn,
    WindowEnergy,
    find_phases,
    read_power,
    window_energy,
)
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.energy_devices import beside_part, device_part, left_out_part, sampler_part
from imaxproxy.runs.energy_figures import Boundaries, Decoding, window_part
from imaxproxy.runs.energy_shares import EnergyShares
from imaxproxy.runs.window_tally import WindowTally

_LEAST_IDLE_NS, _MOST_IDLE_NS = NS_PER_S, 60 * NS_PER_S
_GUARD_NS = NS_PER_S // 10
"""Before the first send: what connects and warms up is no idling."""
_THROTTLED = 0.05
_BUSY = 0.95
"""Of the run's mean power: what draws that much before the run is not idle."""


@dataclass(frozen=True, slots=True)
class Idle:
    """What all counted boards draw when nothing runs."""

    power_w: float | None
    basis: str | None
    duration_s: float | None = None


class RunEnergy:
    """Has to be told what was made when (`take`), and gives the prices by which the energy is shared out."""

    def __init__(
        self,
        recording: Recording | None,
        windows: Mapping[str, Window],
        engine: Mapping[str, Any],
        failure: tuple[Reason, str] | None = None,
    ) -> None:
        """windows: by name; `whole` is always there.  engine: of the manifest.  failure: why there is no recording."""
        self._recording, self._windows, self._engine, self._failure = recording, windows, engine, failure
        self._counted = recording.counted if recording else []
        self._energies = {
            name: window_energy(self._counted, window.start_ns, window.end_ns) for name, window in windows.items()
        }
        whole = self._energies["whole"]
        self._curve = EnergyCurve(whole, self._counted) if whole.energy_j is not None else None
        self.grid = TickGrid.of(whole.begin_ns, whole.end_ns) if self._curve else None
        """By which ticks it has to be told; None where there is nothing to share."""
        self._ticks: TokenTicks | None = None
        self._sharer: Sharer | None = None
        self._requests_j = Histogram()
        self._phases: Phases | str = "no energy"
        self._idle = self._find_idle()

    @classmethod
    def of(
        cls, run: RunDirectory, settings: Mapping[str, Any], engine: Mapping[str, Any], windows: Mapping[str, Window]
    ) -> "RunEnergy | None":
        """None where nobody asked for power. A file that cannot be read leaves an object that says so."""
        failed = settings.get("power_unavailable")
        if not run.power.exists():
            return cls(None, windows, engine, (Reason.SOURCE_NOT_OPENED, str(failed))) if failed else None
        try:
            return cls(Recording.of(read_power(run.power)), windows, engine)
        except ImaxproxyError as error:
            return cls(None, windows, engine, (Reason.POWER_FILE_UNREADABLE, str(error)))

    def take(self, ticks: TokenTicks) -> TickPrices:
        """Of all exchanges of the run, on `grid`; what each token costs."""
        assert self._curve is not None
        self._ticks = ticks
        try:
            self._phases = find_phases(ticks, self._curve, self._idle.power_w)
        except NoPhases as why:
            self._phases = str(why)
        weight = _weight_of(self._phases)
        self._sharer = Sharer(ticks, self._curve, DEFAULT_PREFILL_WEIGHT if weight is None else weight)
        return self._sharer.prices

    def write_shares(self, parts: Iterable[EnergyShares], run: RunDirectory) -> None:
        """`energy.jsonl` has a line for each request that reached an engine, in the order of the parts."""
        beside = f"{run.energy}.part"
        with open(beside, "wb") as file:
            for part in parts:
                self._requests_j.merge(part.requests_j)
                file.write(part.lines)
        os.replace(beside, run.energy)

    def slice_part(self, begin_ns: int, end_ns: int) -> dict[str, float | None]:
        """What a timeslice drew."""
        if self._curve is None or end_ns <= begin_ns:
            return {"energy_j": None, "power_w": None}
        energy_j = self._curve.between_j(begin_ns, end_ns)
        return {"energy_j": energy_j, "power_w": energy_j / ((end_ns - begin_ns) / NS_PER_S)}

    def block(self, tallies: Mapping[str, WindowTally], terms: Terms, zero_ns: int) -> dict[str, Any]:
        """The `energy` object."""
        recording, whole = self._recording, self._energies["whole"]
        if recording is None or not recording.series:
            reason, detail = self._failure or (Reason.NO_USABLE_SAMPLES, None)
            return {"valid": False, "reasons": [reason], "warnings": [], "detail": detail, "windows": None}
        reasons, warnings = self._run_reasons(recording), self._run_warnings(recording)
        gpus = len(self._counted)
        boundaries = Boundaries.of(self._engine.get("gpu"), gpus, terms)
        windows = {
            name: window_part(
                energy,
                zero_ns,
                tallies[name].counts(),
                boundaries,
                self._decoding(energy),
                tallies[name].slo.good if tallies[name].slo else None,  # type: ignore[union-attr]
            )
            for name, energy in self._energies.items()
        }
        headline = "steady" if "steady" in self._energies and self._energies["steady"].valid else "whole"
        every = list(recording.series.values())
        return {
            "valid": whole.valid and not reasons,
            "reasons": [*dict.fromkeys((*reasons, *whole.reasons))],
            "warnings": [*dict.fromkeys((*warnings, *whole.warnings))],
            "detail": None,
            "simulated": any(each.device.simulated for each in every),
            "source": ", ".join(sorted({each.device.source for each in self._counted})) or None,
            "boundary": ", ".join(sorted({each.device.boundary for each in self._counted})) or None,
            "window": headline,
            "windows": {name: windows.get(name) for name in ("whole", "warmup", "steady", "drain")},
            "idle": self._idle_part(whole),
            "requests": self._requests_part(),
            "phases": self._phases_part(),
            "devices": [
                device_part(each, found, whole, self._idle_w_of(each.device.device))
                for each, found in zip(self._counted, whole.devices, strict=True)
            ]
            if self._counted
            else [],
            "not_counted": left_out_part(recording.not_counted),
            "host": [beside_part(each, whole.begin_ns, whole.end_ns) for each in recording.beside],
            "assumptions": [each.as_dict() for each in boundaries.assumptions],
            "sampler": sampler_part(recording, whole),
        }

    @property
    def is_there(self) -> bool:
        """There are samples of counted devices."""
        return bool(self._counted)

    def _run_reasons(self, recording: Recording) -> list[str]:
        found: list[str] = []
        if not self._counted and recording.not_counted:
            found.append(Reason.GPUS_NOT_MAPPED)
        expected = self._engine.get("gpus")
        if expected and self._counted and expected != len(self._counted):
            found.append(Reason.GPU_COUNT_MISMATCH)
        counted = {each.device.device for each in self._counted}
        if any(event.device in counted for event in recording.happened(EventKind.LIMIT_CHANGED)):
            found.append(Reason.LIMIT_CHANGED)
        return found

    def _run_warnings(self, recording: Recording) -> list[str]:
        found: list[str] = []
        if self._idle.power_w is None:
            found.append(Warn.IDLE_WAS_BUSY if self._idle.basis == "busy" else Warn.NO_IDLE_BASELINE)
        lost = (EventKind.SOURCE_LOST, EventKind.DEVICE_LOST)
        if any(recording.happened(kind) for kind in lost):
            found.append(Warn.SOURCE_LOST)
        if not recording.happened(EventKind.STOPPED) and not all(each.device.simulated for each in self._counted):
            found.append(Warn.SAMPLER_ENDED_EARLY)
        if recording.happened(EventKind.FOREIGN_PROCESS):
            found.append(Warn.FOREIGN_PROCESS)
        notes = {note for each in self._counted for note in each.device.notes}
        found += [code for code in (Warn.MIG, Warn.MODULE_SCOPE) if code in notes]
        whole = self._energies["whole"]
        if any((each.throttled_share(whole.begin_ns, whole.end_ns) or 0) > _THROTTLED for each in self._counted):
            found.append(Warn.THROTTLED)
        if self._ticks is not None and self._ticks.uncertain:
            found.append(Warn.TOKENS_UNCERTAIN)
        return found

    # Idle -------------------------------------------------------------------------------------------------------

    def _idle_window(self) -> tuple[int, int] | None:
        """What was sampled before the first send, at most the last minute of it."""
        starts = [each.times_ns[0] for each in self._counted if len(each.times_ns)]
        if not starts:
            return None
        end_ns = self._windows["whole"].start_ns - _GUARD_NS
        begin_ns = max(max(starts) + _GUARD_NS, end_ns - _MOST_IDLE_NS)
        return (begin_ns, end_ns) if end_ns - begin_ns >= _LEAST_IDLE_NS else None

    def _find_idle(self) -> Idle:
        if window := self._idle_window():
            found = window_energy(self._counted, *window)
            whole = self._energies["whole"]
            if found.energy_j is not None:
                power_w = found.energy_j / found.duration_s
                if whole.energy_j and power_w > _BUSY * whole.energy_j / whole.duration_s:
                    return Idle(None, "busy", found.duration_s)
                return Idle(power_w, "before_run", found.duration_s)
        said = [each.device.idle_w for each in self._counted]
        if said and None not in said:
            scales = [each.device.time_scale for each in self._counted]
            return Idle(sum((watts or 0) * scale for watts, scale in zip(said, scales, strict=True)), "source")
        return Idle(None, None)

    def _idle_w_of(self, device: str) -> float | None:
        for each in self._counted:
            if each.device.device == device and (window := self._idle_window()):
                found = window_energy([each], *window)
                return found.energy_j / found.duration_s if found.energy_j is not None else None
        return None

    def _idle_part(self, whole: WindowEnergy) -> dict[str, Any]:
        idle_w = self._idle.power_w
        energy_j = None if idle_w is None else idle_w * whole.duration_s
        share = energy_j / whole.energy_j if energy_j is not None and whole.energy_j else None
        return {
            "power_w": idle_w,
            "basis": self._idle.basis,
            "duration_s": self._idle.duration_s,
            "energy_j": energy_j,
            "share": share,
        }

    # Tokens -----------------------------------------------------------------------------------------------------

    def _decoding(self, energy: WindowEnergy) -> Decoding | None:
        if self._sharer is None:
            return None
        return Decoding(*self._sharer.decoding(energy.begin_ns, energy.end_ns))

    def _requests_part(self) -> dict[str, Any] | None:
        sharer = self._sharer
        if sharer is None:
            return None
        return {
            "stats": self._requests_j.stats(),
            "attributed_j": sharer.attributed_j,
            "unattributed_j": sharer.unattributed_j,
            "prefill_j": sharer.prefill_j,
            "reasoning_j": sharer.reasoning_j,
            "answer_j": sharer.answer_j,
            "prefill_weight": sharer.prefill_weight,
            "prefill_weight_by": "regression" if _weight_of(self._phases) is not None else "default",
        }

    def _phases_part(self) -> dict[str, Any]:
        phases = self._phases
        if isinstance(phases, str):
            return {"why_not": phases}
        return {
            "why_not": None,
            "slices": phases.slices,
            "slice_s": phases.slice_s,
            "r2": phases.r2,
            **{
                name: {"value": each.value, "low": each.low, "high": each.high}
                for name, each in (
                    ("busy_w", phases.busy_w),
                    ("prefill_j_per_input_token", phases.prefill_j_per_input_token),
                    ("decode_j_per_output_token", phases.decode_j_per_output_token),
                )
            },
        }


def _weight_of(phases: Phases | str) -> float | None:
    return phases.prefill_weight if isinstance(phases, Phases) else None
