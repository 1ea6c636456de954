"""AMD's boards, over a stand-in for ROCm's `amdsmi` with the interface of 7.0.2: what it returns, what it raises."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from imaxproxy.clock import VirtualClock
from imaxproxy.power import SourceError, SourceLostError
from imaxproxy.power.amd import AmdSource
from imaxproxy.power.opening import LOCAL, opener

MI300 = {
    "socket_power": 412,
    "current_socket_power": 410,
    "average_socket_power": "N/A",  # what 0xFFFF becomes
    "power_limit": 750_000_000,
}


class FakeLibraryError(Exception):
    pass


@pytest.fixture
def amdsmi(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Two boards; a test replaces what it wants to go wrong."""
    smi: Any = ModuleType("amdsmi")
    smi.AmdSmiException = FakeLibraryError
    smi.amdsmi_init = smi.amdsmi_shut_down = lambda: None
    smi.amdsmi_get_processor_handles = lambda: ["a", "b"]
    smi.amdsmi_get_gpu_device_uuid = lambda handle: f"{handle}0ff74a1-0000-1000-80b9-93d75c0d3b9f"
    smi.amdsmi_get_gpu_asic_info = lambda _handle: {"market_name": "AMD Instinct MI300X"}
    smi.amdsmi_get_power_info = lambda _handle: dict(MI300)
    smi.amdsmi_get_energy_count = lambda _handle: {
        "energy_accumulator": 2_000_000,
        "counter_resolution": 15.3,
        "timestamp": 7,
    }
    smi.amdsmi_get_power_cap_info = lambda _handle: {"power_cap": 650_000_000, "default_power_cap": 750_000_000}
    smi.amdsmi_get_gpu_process_list = lambda handle: [{"pid": 12}] if handle == "a" else []
    monkeypatch.setitem(sys.modules, "amdsmi", smi)
    return smi


def _raises(*_: object) -> Any:  # noqa: ANN401
    raise FakeLibraryError("Error code:\n\t2 | AMDSMI_STATUS_NOT_SUPPORTED")


def test_boards_tell_watts_joules_limits_and_who_computes(amdsmi: ModuleType) -> None:
    source = opener("amdsmi")()
    first, second = source.devices()
    assert (first.index, first.name, first.limit_w, first.default_limit_w) == (0, "AMD Instinct MI300X", 650, 750)
    sample = source.sample()[0]
    assert (sample.device, sample.power_w, sample.power_avg_w) == (first.device, 410, None)
    assert sample.energy_mj == pytest.approx(30_600)  # 2,000,000 x 15.3 uJ
    assert source.processes() == {first.device: [12], second.device: []}
    source.close()


def test_the_counter_is_read_only_where_it_is_wanted(amdsmi: ModuleType) -> None:
    source = AmdSource(VirtualClock())
    first, second = source.devices()
    wanted, left = source.sample({first.device})
    assert (wanted.energy_mj is None, left.energy_mj, left.device) == (False, None, second.device)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({**MI300, "current_socket_power": "N/A"}, (412.0, None)),  # ROCm 7 on an older board
        ({"average_socket_power": 230, "current_socket_power": "N/A"}, (None, 230.0)),  # MI200
        ({**MI300, "current_socket_power": 0, "socket_power": 0}, (None, None)),
    ],
)
def test_power_has_three_names(
    amdsmi: ModuleType, told: dict[str, object], expected: tuple[float | None, float | None]
) -> None:
    amdsmi.amdsmi_get_power_info = lambda _handle: told
    sample = AmdSource(VirtualClock()).sample()[0]
    assert (sample.power_w, sample.power_avg_w) == expected


def test_a_guest_has_watts_and_no_counter(amdsmi: ModuleType) -> None:
    amdsmi.amdsmi_get_energy_count = amdsmi.amdsmi_get_power_cap_info = _raises
    source = AmdSource(VirtualClock())
    assert source.sample()[0].energy_mj is None
    assert source.devices()[0].limit_w is None


def test_a_die_without_a_sensor_is_left_out(amdsmi: ModuleType) -> None:
    """MI250: the odd one's power is the even one's."""
    told = amdsmi.amdsmi_get_power_info
    amdsmi.amdsmi_get_power_info = lambda handle: _raises() if handle == "b" else told(handle)
    assert [device.index for device in AmdSource(VirtualClock()).devices()] == [0]


def test_boards_that_answer_no_more_are_lost(amdsmi: ModuleType) -> None:
    source = AmdSource(VirtualClock())
    amdsmi.amdsmi_get_power_info = _raises
    with pytest.raises(SourceLostError, match=r"GPU 1: Error code: 2 . AMDSMI_STATUS_NOT_SUPPORTED"):
        source.sample()


def _no_driver(smi: ModuleType) -> None:
    smi.amdsmi_init = _raises


def _nothing(smi: ModuleType) -> None:
    smi.amdsmi_get_power_info = _raises


def _no_board(smi: ModuleType) -> None:
    smi.amdsmi_get_processor_handles = list


@pytest.mark.parametrize(
    ("spoil", "says"),
    [(_no_driver, "amdgpu driver"), (_nothing, "neither power nor energy"), (_no_board, "neither power nor energy")],
)
def test_why_there_is_nothing_to_read_is_said(
    amdsmi: ModuleType, spoil: Callable[[ModuleType], None], says: str
) -> None:
    spoil(amdsmi)
    with pytest.raises(SourceError, match=says):
        AmdSource(VirtualClock())


def test_a_module_without_its_library_is_no_traceback_and_prints_nothing(
    tmp_path: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As AMD's wheel does where there is no libamd_smi.so."""
    (tmp_path / "amdsmi.py").write_text("print('Unable to find libamd_smi.so')\n{}['libamd_smi.so']\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "amdsmi", raising=False)
    with pytest.raises(SourceError, match=r"amdsmi: its native library libamd_smi.so is missing"):
        AmdSource()
    assert capfd.readouterr().out == ""


def test_without_rocm_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    with pytest.raises(SourceError, match=r"amdsmi: no ROCm library: .* install amd-smi-lib"):
        AmdSource()


def test_auto_takes_the_first_vendor_that_is_here(amdsmi: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """No NVIDIA driver, AMD's library: AMD's. Neither: what NVIDIA's said."""

    def none() -> Any:  # noqa: ANN401
        raise SourceError("NVML: no NVIDIA driver")

    monkeypatch.setitem(LOCAL, "nvml", none)
    assert opener("nvml|amdsmi")().name == "amdsmi"
    _nothing(amdsmi)
    with pytest.raises(SourceError, match="NVML: no NVIDIA driver"):
        opener("nvml|amdsmi")()
