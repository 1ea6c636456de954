"""NVIDIA's management library: board power and the energy counter of every GPU of this host, through nvidia-ml-py."""

import contextlib
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.power.sample import Boundary, Device, PowerSample, SampleFlag
from imaxproxy.power.source import SourceError, SourceLostError

POWER_AVERAGE, POWER_INSTANT, TOTAL_ENERGY = 185, 186, 83
DEFAULT_LIMIT, CURRENT_LIMIT = 189, 190
SCOPE_GPU, SCOPE_MODULE = 0, 1
AVERAGE_WINDOW_MS = 1000.0
"""Of field 185, says nvml.h."""
GAIN_ERROR = 0.05
"""Cards measured against a meter were off by -6 to +11 %, most by about 5 (arXiv 2312.02741, its workbook)."""
_RIDE_ALONG_NS = 2 * NS_PER_S
"""Clocks, temperature, use and throttle reasons: five more calls, so now and then."""

SLOWED = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
"""NVML's throttle bits that mean: the board wanted to run faster and was not let (power cap, hardware slowdown, heat in
software, heat in hardware, power brake)."""


@dataclass(slots=True)
class _Board:
    handle: Any
    index: int
    uuid: str
    name: str
    scope: int
    fields: list[tuple[int, int]]
    """(field, scope) of what it has; asked for in one call."""
    watts: list[tuple[int, int]]
    """Those without the counter."""
    notes: tuple[str, ...]
    instances: tuple[str, ...]


class NvmlSource:
    """All GPUs that the driver shows. Power in the GPU's scope, or in the module's where there is no other."""

    name = "nvml"
    tick_ms = None
    settle_s = 0.0

    def __init__(self, clock_ns: Clock = monotonic_ns) -> None:
        """Raises SourceError where there is no driver, no GPU, no permission, or nothing that tells power."""
        self._clock_ns = clock_ns
        self._nvml = nvml = _library()
        self._ride_along_ns = 0
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            raise SourceError(_why_closed(nvml, error)) from error
        try:
            self._boards = [self._probe(index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            self.close()
            raise SourceError(f"NVML: {error}") from error
        if not any(board.fields for board in self._boards):
            self.close()
            raise SourceError(self._why_silent())

    def devices(self) -> list[Device]:
        """What each board is and how it is limited, read now."""
        try:
            return [self._device(board) for board in self._boards]
        except self._nvml.NVMLError as error:
            raise SourceLostError(str(error)) from error

    def sample(self, counters: Container[str] | None = None) -> list[PowerSample]:
        """The boards' watts and joules; every two seconds what rides along.

        Joules only where they are wanted: watts come out of the cache of the driver in 2 us, the counter in
        2 to 4 ms of CPU (an H200, driver 580, in a virtual machine).
        """
        now_ns = self._clock_ns()
        rides_along = now_ns >= self._ride_along_ns
        if rides_along:
            self._ride_along_ns = now_ns + _RIDE_ALONG_NS
        samples, failure = [], "no GPU tells its power"
        for board in self._boards:
            if not board.fields:
                continue
            try:
                samples.append(self._sample(board, rides_along, counters is None or board.uuid in counters))
            except self._nvml.NVMLError as error:  # this board; the sampler misses it and says so
                failure = f"GPU {board.index}: {error}"
        if not samples:
            raise SourceLostError(failure)
        return samples

    def processes(self) -> dict[str, list[int]]:
        """Who computes on each board (UUID): process ids, in whatever namespace the driver chose to tell them."""
        found: dict[str, list[int]] = {}
        for board in self._boards:
            with contextlib.suppress(self._nvml.NVMLError):
                found[board.uuid] = [p.pid for p in self._nvml.nvmlDeviceGetComputeRunningProcesses(board.handle)]
        return found

    def close(self) -> None:
        """Let go of the library."""
        with contextlib.suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()

    def _probe(self, index: int) -> _Board:
        nvml = self._nvml
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        scope, fields = SCOPE_GPU, []
        for candidate in (SCOPE_GPU, SCOPE_MODULE):
            asked = [(POWER_INSTANT, candidate), (POWER_AVERAGE, candidate)]
            if has := [field for field, value in self._ask(handle, asked) if value is not None]:
                scope, fields = candidate, has
                break
        watts = list(fields)
        fields += [field for field, value in self._ask(handle, [(TOTAL_ENERGY, SCOPE_GPU)]) if value is not None]
        notes: tuple[str, ...] = ("module_scope",) if scope == SCOPE_MODULE else ()
        instances: tuple[str, ...] = ()
        if self._has_mig(handle):
            notes += ("mig",)
            instances = self._instances(handle)
        uuid, name = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
        return _Board(handle, index, uuid, name, scope, fields, watts, notes, instances)

    def _has_mig(self, handle: Any) -> bool:  # noqa: ANN401 (pynvml's own handle)
        with contextlib.suppress(self._nvml.NVMLError):
            return bool(self._nvml.nvmlDeviceGetMigMode(handle)[0])
        return False

    def _instances(self, handle: Any) -> tuple[str, ...]:  # noqa: ANN401
        """UUIDs of what the board is split into. Their places are numbered, and some of them are empty."""
        nvml, found = self._nvml, []
        with contextlib.suppress(nvml.NVMLError):
            for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
                with contextlib.suppress(nvml.NVMLError):
                    found.append(nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place)))
        return tuple(found)

    def _ask(self, handle: Any, fields: Sequence[tuple[int, int]]) -> list[tuple[tuple[int, int], int | None]]:  # noqa: ANN401
        """One call for all; the status stands in each field, the call itself succeeds."""
        values = self._nvml.nvmlDeviceGetFieldValues(handle, fields)
        return [(field, _value(field[0], value)) for field, value in zip(fields, values, strict=True)]

    def _sample(self, board: _Board, rides_along: bool, with_counter: bool) -> PowerSample:
        fields = board.fields if with_counter or not board.watts else board.watts
        begun_ns = self._clock_ns()
        values = self._nvml.nvmlDeviceGetFieldValues(board.handle, fields)
        time_ns = self._clock_ns()
        power_w = power_avg_w = energy_mj = None
        flags: tuple[SampleFlag, ...] = ()
        for (field, _), answer in zip(fields, values, strict=True):
            value = _value(field, answer)
            if value is None:
                flags += (_MISSING[field],)
            elif field == TOTAL_ENERGY:
                energy_mj = value
            elif field == POWER_INSTANT:
                power_w = value / 1000
            else:
                power_avg_w = value / 1000
        read_ns = time_ns - begun_ns if energy_mj is not None else 0
        if not rides_along:
            return PowerSample(time_ns, board.uuid, power_w, power_avg_w, energy_mj, flags, read_ns)
        beside = self._beside(board.handle)
        return PowerSample(time_ns, board.uuid, power_w, power_avg_w, energy_mj, flags, read_ns, **beside)

    def _beside(self, handle: Any) -> dict[str, Any]:  # noqa: ANN401
        nvml, found = self._nvml, {}
        with contextlib.suppress(nvml.NVMLError):
            found["temperature_c"] = float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        with contextlib.suppress(nvml.NVMLError):
            found["sm_clock_mhz"] = float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM))
            found["memory_clock_mhz"] = float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM))
        with contextlib.suppress(nvml.NVMLError):
            rates = nvml.nvmlDeviceGetUtilizationRates(handle)
            found["utilization"], found["memory_utilization"] = rates.gpu / 100, rates.memory / 100
        with contextlib.suppress(nvml.NVMLError):
            found["throttle"] = nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
        return found

    def _device(self, board: _Board) -> Device:
        limits = dict(self._ask(board.handle, [(CURRENT_LIMIT, board.scope), (DEFAULT_LIMIT, board.scope)]))
        limit_mw, default_mw = limits.values()
        has = {field for field, _ in board.fields}
        return Device(
            device=board.uuid,
            source=self.name,
            boundary=Boundary.MODULE if board.scope == SCOPE_MODULE else Boundary.BOARD,
            time_ns=self._clock_ns(),
            unix_ns=time.time_ns(),
            index=board.index,
            name=board.name,
            average_window_ms=AVERAGE_WINDOW_MS if POWER_AVERAGE in has else None,
            limit_w=limit_mw / 1000 if limit_mw else None,
            default_limit_w=default_mw / 1000 if default_mw else None,
            gain_error=GAIN_ERROR,
            instances=board.instances,
            notes=board.notes,
        )

    def _why_silent(self) -> str:
        nvml = self._nvml
        if not self._boards:
            return "NVML is there and shows no GPU"
        (asked,) = nvml.nvmlDeviceGetFieldValues(self._boards[0].handle, [(POWER_INSTANT, SCOPE_GPU)])
        if asked.nvmlReturn == nvml.NVML_ERROR_NO_PERMISSION:
            return "NVML refuses to tell power: no permission; run as a user who may, or ask a DCGM exporter"
        return "NVML tells neither power nor energy of these GPUs (a virtual GPU, or one before Volta)"


_MISSING = {
    POWER_INSTANT: SampleFlag.NO_POWER,
    POWER_AVERAGE: SampleFlag.NO_AVERAGE,
    TOTAL_ENERGY: SampleFlag.NO_ENERGY,
}


def _value(field: int, answer: Any) -> int | None:  # noqa: ANN401 (a ctypes structure of pynvml's)
    """mW or mJ; None where this field was refused."""
    if answer.nvmlReturn != 0:
        return None
    return int(answer.value.ullVal if field == TOTAL_ENERGY else answer.value.uiVal)


def _library() -> Any:  # noqa: ANN401 (pynvml has no types)
    import pynvml

    return pynvml


def _why_closed(nvml: Any, error: Any) -> str:  # noqa: ANN401 (pynvml has no types)
    reasons = {
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND: "no NVIDIA driver: libnvidia-ml.so.1 is not on this machine, or not in "
        "this container (start it with --gpus, or with NVIDIA_DRIVER_CAPABILITIES=utility)",
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded",
        nvml.NVML_ERROR_NO_PERMISSION: "no permission to open /dev/nvidiactl: run as a user who may",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "driver and libnvidia-ml differ in version: reload the driver",
    }
    return f"NVML: {reasons.get(error.value, str(error))}"
