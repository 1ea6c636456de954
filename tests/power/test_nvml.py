"""NVML: real pynvml over the fake driver, a process each."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.power.conftest import in_a_process

Driver = Callable[..., None]

READ = """
import json
from imaxproxy.power.nvml import NvmlSource
source = NvmlSource()
devices, samples = source.devices(), source.sample()
rows = {"devices": [d.as_row() for d in devices], "samples": [s.as_row() for s in samples]}
print(json.dumps(rows | {"processes": source.processes()}))
source.close()
"""
OPEN = """
import json
from imaxproxy.power.nvml import NvmlSource
from imaxproxy.power.source import SourceError
try:
    NvmlSource()
    print(json.dumps(None))
except SourceError as error:
    print(json.dumps(str(error)))
"""


def _read() -> Any:  # noqa: ANN401
    return in_a_process(READ)


def test_boards_tell_watts_joules_and_what_they_are(driver: Driver) -> None:
    driver(gpus=2, idle_w=120, start_mj=7000, limit_w=650, pids="12,34", throttle=4)
    read = _read()
    device, sample = read["devices"][1], read["samples"][1]
    assert (device["index"], device["name"], device["boundary"]) == (1, "NVIDIA Fake H200", "board")
    assert (device["limit_w"], device["average_window_ms"]) == (650, 1000)
    assert (sample["device"], sample["power_w"]) == (device["device"], 120)
    assert sample["energy_mj"] >= 7000
    assert (sample["utilization"], sample["sm_clock_mhz"], sample["throttle"]) == (0.97, 1980, 4)
    assert read["processes"] == {read["devices"][0]["device"]: [12, 34], device["device"]: []}


def test_a_field_that_is_not_there_is_not_asked_for_again(driver: Driver) -> None:
    driver(missing_fields="83,185")
    (sample,) = _read()["samples"]
    assert sample["power_w"] == 100
    assert not {"energy_mj", "power_avg_w", "flags"} & set(sample)


def test_a_superchip_that_knows_only_its_module_is_labelled(driver: Driver) -> None:
    driver(module_only=1)
    read = _read()
    assert read["devices"][0]["boundary"] == "module"
    assert read["devices"][0]["notes"] == ["module_scope"]
    assert read["samples"][0]["power_w"] == 100


def test_a_board_in_mig_mode_is_one_board_with_a_note(driver: Driver) -> None:
    driver(mig=1, mig_instances=2)
    read = _read()
    assert [device["notes"] for device in read["devices"]] == [["mig"]]
    assert read["devices"][0]["instances"] == [f"MIG-11111111-0000-0000-0000-{at:012}" for at in range(2)]
    assert len(read["samples"]) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"init_error": 9}, "installed but not loaded"),
        ({"init_error": 4}, "no permission to open /dev/nvidiactl"),
        ({"init_error": 18}, "differ in version"),
        ({"gpus": 0}, "shows no GPU"),
        ({"denied": 1}, "refuses to tell power: no permission"),
        ({"missing_fields": "83,185,186"}, "neither power nor energy"),
    ],
)
def test_why_there_is_nothing_to_read_is_said(driver: Driver, settings: dict[str, object], says: str) -> None:
    driver(**settings)
    assert says in in_a_process(OPEN)


def test_no_driver_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    answer = in_a_process(OPEN)
    if answer is None:
        pytest.skip("this machine has an NVIDIA driver")
    assert "NVML: no NVIDIA driver" in answer or "no GPU" in answer


def test_a_driver_whose_board_is_lost_does_not_open(driver: Driver) -> None:
    driver(lost_after=0)
    assert "lost" in in_a_process(OPEN).lower()
