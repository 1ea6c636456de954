"""AMD's management library: board power and the energy counter of this host's AMD GPUs, through ROCm's `amdsmi`.

Written by the interface of amdsmi 7.0.2 and tested over a stand-in: it has not been run on an AMD GPU.
"""

import contextlib
import importlib
import io
import time
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.power.sample import Boundary, Device, PowerSample, SampleFlag
from imaxproxy.power.source import SourceError, SourceLostError

GAIN_ERROR = 0.05
"""As for NVIDIA's boards: nobody of those we read has held an MI300 against a meter."""
_MJ_PER_UJ, _W_PER_UW = 1e-3, 1e-6
_INSTANT, _AVERAGE = ("current_socket_power", "socket_power"), ("average_socket_power",)
"""MI300 and later tell the first, ROCm 7 the second of everybody, older boards the mean."""


@dataclass(frozen=True, slots=True)
class _Board:
    handle: Any
    index: int
    uuid: str
    name: str


class AmdSource:
    """All AMD GPUs that tell power or energy. A second die whose power is the first one's (MI250) tells neither."""

    name = "amdsmi"
    tick_ms = None
    settle_s = 0.0

    def __init__(self, clock_ns: Clock = monotonic_ns) -> None:
        """Raises SourceError where there is no library, no GPU, or nothing that tells power."""
        self._clock_ns = clock_ns
        self._smi = smi = _library()
        try:
            smi.amdsmi_init()
            handles = smi.amdsmi_get_processor_handles()
        except smi.AmdSmiException as error:
            raise SourceError(f"amdsmi: {_said(error)}; are the amdgpu driver and /dev/kfd there?") from error
        self._boards = [board for index, handle in enumerate(handles) if (board := self._probe(index, handle))]
        if not self._boards:
            self.close()
            raise SourceError("amdsmi tells neither power nor energy of any GPU here (a virtual machine's guest?)")

    def devices(self) -> list[Device]:
        """What each board is and how it is limited, read now."""
        return [self._device(board) for board in self._boards]

    def sample(self, counters: Container[str] | None = None) -> list[PowerSample]:
        """The boards' watts and joules. Joules only where they are wanted."""
        samples, failure = [], "no GPU tells its power"
        for board in self._boards:
            try:
                samples.append(self._sample(board, counters is None or board.uuid in counters))
            except self._smi.AmdSmiException as error:  # this board; the sampler misses it and says so
                failure = f"GPU {board.index}: {_said(error)}"
        if not samples:
            raise SourceLostError(failure)
        return samples

    def processes(self) -> dict[str, list[int]]:
        """Who computes on each board."""
        found: dict[str, list[int]] = {}
        for board in self._boards:
            with contextlib.suppress(self._smi.AmdSmiException):
                found[board.uuid] = [int(each["pid"]) for each in self._smi.amdsmi_get_gpu_process_list(board.handle)]
        return found

    def close(self) -> None:
        """Let go of the library."""
        with contextlib.suppress(self._smi.AmdSmiException):
            self._smi.amdsmi_shut_down()

    def _probe(self, index: int, handle: Any) -> _Board | None:  # noqa: ANN401 (amdsmi's own handle)
        """None for one that tells nothing."""
        with contextlib.suppress(self._smi.AmdSmiException):
            uuid = str(self._smi.amdsmi_get_gpu_device_uuid(handle))
            name = str(self._smi.amdsmi_get_gpu_asic_info(handle)["market_name"])
            board = _Board(handle, index, uuid, name)
            watts = self._watts(board)
            if any(value is not None for value in (*watts, self._energy_mj(board))):
                return board
        return None

    def _sample(self, board: _Board, with_counter: bool) -> PowerSample:
        begun_ns = self._clock_ns()
        power_w, power_avg_w = self._watts(board)
        energy_mj = self._energy_mj(board) if with_counter else None
        time_ns = self._clock_ns()
        flags = (SampleFlag.NO_POWER,) if power_w is None and power_avg_w is None else ()
        read_ns = time_ns - begun_ns if energy_mj is not None else 0
        return PowerSample(time_ns, board.uuid, power_w, power_avg_w, energy_mj, flags, read_ns)

    def _watts(self, board: _Board) -> tuple[float | None, float | None]:
        """Instant and mean, as far as the board tells them."""
        told = self._smi.amdsmi_get_power_info(board.handle)
        power_w, power_avg_w = (
            next((float(told[key]) for key in keys if isinstance(told.get(key), int | float) and told[key]), None)
            for keys in (_INSTANT, _AVERAGE)
        )
        return power_w, power_avg_w

    def _energy_mj(self, board: _Board) -> float | None:
        """None where the board has no counter: guests of a virtual machine have none."""
        with contextlib.suppress(self._smi.AmdSmiException):
            told = self._smi.amdsmi_get_energy_count(board.handle)
            return float(told["energy_accumulator"] * told["counter_resolution"] * _MJ_PER_UJ)
        return None

    def _device(self, board: _Board) -> Device:
        limit_w = default_w = None
        with contextlib.suppress(self._smi.AmdSmiException):
            cap = self._smi.amdsmi_get_power_cap_info(board.handle)
            limit_w, default_w = cap["power_cap"] * _W_PER_UW, cap["default_power_cap"] * _W_PER_UW
        return Device(
            board.uuid,
            self.name,
            Boundary.BOARD,
            self._clock_ns(),
            time.time_ns(),
            index=board.index,
            name=board.name,
            limit_w=limit_w,
            default_limit_w=default_w,
            gain_error=GAIN_ERROR,
        )


def _library() -> Any:  # noqa: ANN401 (amdsmi has no types)
    """ROCm's Python module. Without its native part it prints that, and dies of a KeyError."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return importlib.import_module("amdsmi")
    except (ImportError, KeyError, AttributeError, OSError) as error:
        why = "no ROCm library" if isinstance(error, ImportError) else "its native library libamd_smi.so is missing"
        raise SourceError(
            f"amdsmi: {why}: on a host with AMD GPUs install amd-smi-lib and `pip install /opt/rocm/share/amd_smi`"
        ) from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split())
