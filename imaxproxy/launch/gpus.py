"""The GPUs of this machine, by NVIDIA's management library: what they are, what is free on them, the driver."""

import contextlib
import importlib
import re
from dataclasses import dataclass
from typing import Any

_KIND = re.compile(r"\b(GB300|GB200|B300|B200|H200|H100|H20|A100|L40S|L40|L4)\b")
"""The model's name within NVML's, "NVIDIA H100 80GB HBM3"."""


@dataclass(frozen=True, slots=True)
class GpuFound:
    """One GPU, as it is now."""

    index: int
    uuid: str
    name: str
    total_bytes: int
    free_bytes: int

    @property
    def kind(self) -> str | None:
        """As recipes say it, "h200"; None for one that we have no facts of."""
        found = _KIND.search(self.name)
        return found[1].lower() if found else None


@dataclass(frozen=True, slots=True)
class GpusFound:
    """All of them; none, and why, on a machine without."""

    gpus: tuple[GpuFound, ...] = ()
    driver: str | None = None
    """Its version, 580.65.06."""
    cuda: tuple[int, int] | None = None
    """The newest CUDA that the driver can run."""
    why_none: str | None = None


def find_gpus() -> GpusFound:
    """Asks the driver; loads no CUDA and takes no memory of a GPU."""
    nvml: Any = importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return GpusFound(why_none=_why_none(nvml, error))
    try:
        version = nvml.nvmlSystemGetCudaDriverVersion()
        gpus = tuple(_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
        return GpusFound(
            gpus=gpus,
            driver=_text(nvml.nvmlSystemGetDriverVersion()),
            cuda=(version // 1000, version % 1000 // 10),
            why_none=None if gpus else "the NVIDIA driver shows no GPU",
        )
    except nvml.NVMLError as error:
        return GpusFound(why_none=f"the NVIDIA driver does not answer: {error}")
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> GpuFound:  # noqa: ANN401 (a module)
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    name, uuid = _text(nvml.nvmlDeviceGetName(handle)), _text(nvml.nvmlDeviceGetUUID(handle))
    return GpuFound(index, uuid, name, int(memory.total), int(memory.free))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value  # bytes before nvidia-ml-py 11.5


def _why_none(nvml: Any, error: Exception) -> str:  # noqa: ANN401 (a module)
    if isinstance(error, nvml.NVMLError_LibraryNotFound):
        return "there is no NVIDIA driver on this machine"
    if isinstance(error, nvml.NVMLError_DriverNotLoaded):
        return "the NVIDIA driver is installed but not loaded"
    return f"the NVIDIA driver does not answer: {error}"
