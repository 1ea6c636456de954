import sys
from types import SimpleNamespace

import pytest

from imaxproxy.launch import GpuFound, find_gpus


class FakeNvml:
    """NVML as nvidia-ml-py shows it, with GPUs of our making."""

    class NVMLError(Exception):
        pass

    class NVMLError_LibraryNotFound(NVMLError):
        pass

    class NVMLError_DriverNotLoaded(NVMLError):
        pass

    def __init__(self, names: list[str], fails: Exception | None = None) -> None:
        self._names, self._fails = names, fails
        self.is_open = False

    def nvmlInit(self) -> None:
        if self._fails:
            raise self._fails
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return 13010

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"580.65.06"  # bytes, as older ones give

    def nvmlDeviceGetCount(self) -> int:
        return len(self._names)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(total=143_771_000_000, free=143_000_000_000 - index)

    def nvmlDeviceGetName(self, index: int) -> str:
        return self._names[index]

    def nvmlDeviceGetUUID(self, index: int) -> str:
        return f"GPU-{index}"


def test_what_the_driver_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml(["NVIDIA H200", "NVIDIA GB200"])
    monkeypatch.setitem(sys.modules, "pynvml", nvml)  # type: ignore[arg-type]
    found = find_gpus()
    assert (found.driver, found.cuda, found.why_none) == ("580.65.06", (13, 1), None)
    assert found.gpus[1] == GpuFound(1, "GPU-1", "NVIDIA GB200", 143_771_000_000, 142_999_999_999)
    assert [gpu.kind for gpu in found.gpus] == ["h200", "gb200"]
    assert not nvml.is_open


@pytest.mark.parametrize(
    ("nvml", "says"),
    [
        (FakeNvml([], FakeNvml.NVMLError_LibraryNotFound()), "there is no NVIDIA driver on this machine"),
        (FakeNvml([], FakeNvml.NVMLError_DriverNotLoaded()), "the NVIDIA driver is installed but not loaded"),
        (FakeNvml([], FakeNvml.NVMLError("Unknown Error")), "the NVIDIA driver does not answer: Unknown Error"),
        (FakeNvml([]), "the NVIDIA driver shows no GPU"),
    ],
)
def test_a_machine_without_says_why(monkeypatch: pytest.MonkeyPatch, nvml: FakeNvml, says: str) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)  # type: ignore[arg-type]
    assert find_gpus().gpus == ()
    assert find_gpus().why_none == says


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA GB300", "gb300"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA GeForce RTX 4090", None),
    ],
)
def test_a_gpus_kind_is_in_its_name(name: str, kind: str | None) -> None:
    assert GpuFound(0, "GPU-0", name, 1, 1).kind == kind
