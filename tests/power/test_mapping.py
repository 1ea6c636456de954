"""Which boards are the engine's."""

import os

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.power import Boundary, Device, Mapping

UUIDS = ("GPU-aa00", "GPU-aa11", "GPU-bb22", "GPU-cc33")
SPLIT = {1: ("MIG-77ee0000-1", "MIG-88ff0000-1")}
"""One board has instances."""
BOARDS = [
    Device(uuid, "nvml", Boundary.BOARD, index=at, name="H200", instances=SPLIT.get(at, ()))
    for at, uuid in enumerate(UUIDS)
]
HOST = Device("cpu-package-0", "rapl", Boundary.CPU_PACKAGE)
ME = os.getpid()


def _counted(mapping: Mapping, boards: list[Device] = BOARDS, computing: dict[str, list[int]] | None = None) -> str:
    """Indices and how, in a line."""
    told = mapping.apply([*boards, HOST], computing)
    assert told[-1] == HOST  # a CPU is nobody's GPU
    indices = ",".join(str(device.index) for device in told[:-1] if device.counted)
    return f"{indices or 'none'} by {told[0].counted_by}"


@pytest.mark.parametrize(
    ("mapping", "computing", "expected"),
    [
        # what is said wins over all that could be found out
        (Mapping(devices="1,3", pids=(ME,), gpus=4), {UUIDS[0]: [ME]}, "1,3 by --power-devices"),
        (Mapping(devices="GPU-bb22, gpu-cc"), {}, "2,3 by --power-devices"),
        (Mapping(devices="all"), {}, "0,1,2,3 by --power-devices all"),
        (Mapping(devices="MIG-GPU-bb22/3/0"), {}, "2 by --power-devices"),
        (Mapping(devices="MIG-77ee"), {}, "1 by --power-devices"),
        (
            Mapping(own_visible="MIG-88ff0000,MIG-77ee0000"),
            {},
            "1 by CUDA_VISIBLE_DEVICES=MIG-88ff0000,MIG-77ee0000 of this command",
        ),
        (Mapping(recipe_visible="2"), {UUIDS[0]: [ME]}, "2 by recipe, CUDA_VISIBLE_DEVICES=2"),
        # then who computes where, then what the engine was started with, then this command's own environment
        (Mapping(pids=(ME,), own_visible="3"), {UUIDS[1]: [ME, 1], UUIDS[2]: [1]}, "1 by pids"),
        (Mapping(pids=(1 << 22,), own_visible="3"), {UUIDS[1]: [1]}, "3 by CUDA_VISIBLE_DEVICES=3 of this command"),
        (Mapping(gpus=4), {}, "0,1,2,3 by all 4, as many as the engine has"),
        # never all of a host in silence
        (Mapping(), {}, "none by None"),
        (Mapping(gpus=2), {}, "none by None"),
        (Mapping(own_visible="7"), {}, "none by CUDA_VISIBLE_DEVICES=7 of this command"),
    ],
)
def test_the_most_certain_knowledge_decides(mapping: Mapping, computing: dict[str, list[int]], expected: str) -> None:
    assert _counted(mapping, computing=computing) == expected


def test_the_only_board_is_the_engines() -> None:
    assert _counted(Mapping(), BOARDS[:1]) == "0 by only_device"


@pytest.mark.parametrize(
    ("devices", "says"),
    [("9", "9 names no board; here are: 0 .GPU-aa00."), ("GPU-aa", "several boards"), ("0,xyz", "xyz names no board")],
)
def test_boards_that_are_not_here_are_said(devices: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Mapping(devices=devices).apply(BOARDS)


def test_an_engines_environment_tells_its_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaxproxy.power.mapping.environment", lambda _pid: {"CUDA_VISIBLE_DEVICES": "GPU-cc33"})
    assert _counted(Mapping(pids=(ME,))) == "3 by the engine's CUDA_VISIBLE_DEVICES=GPU-cc33"


def test_several_engines_have_all_their_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {11: {"CUDA_VISIBLE_DEVICES": "0"}, 22: {"CUDA_VISIBLE_DEVICES": "2,3"}, 33: {}}
    monkeypatch.setattr("imaxproxy.power.mapping.environment", lambda pid: theirs.get(pid, {}))
    monkeypatch.setattr("imaxproxy.power.mapping.listening_pids", lambda port: {port - 8000})
    engines = Mapping(ports=(8011, 8022, 8033))
    assert _counted(engines) == "0,2,3 by the engine's CUDA_VISIBLE_DEVICES=0 and 2,3"
    assert _counted(engines, computing={UUIDS[1]: [11], UUIDS[2]: [22, 99]}) == "1,2 by pids"
    assert engines.strangers([11, 22, os.getppid()]) == {os.getppid()}


def test_indices_of_unlike_boards_are_not_trusted_without_the_buss_order(monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = [*BOARDS[:3], Device("GPU-dd", "nvml", Boundary.BOARD, index=3, name="L4")]
    variables = {"CUDA_VISIBLE_DEVICES": "0"}
    monkeypatch.setattr("imaxproxy.power.mapping.environment", lambda _pid: variables)
    assert _counted(Mapping(pids=(ME,)), mixed) == "none by None"
    variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    assert _counted(Mapping(pids=(ME,)), mixed) == "0 by the engine's CUDA_VISIBLE_DEVICES=0"


def test_strangers_are_processes_that_we_see_and_that_are_not_the_engines() -> None:
    assert Mapping(pids=(ME,)).strangers([ME, os.getppid(), 1 << 22]) == {os.getppid()}
    assert Mapping().strangers([ME]) == set()


def test_a_simulated_board_is_always_its_engines() -> None:
    board = Device("sim-gpu-0", "sim", Boundary.BOARD, simulated=True, counted_by="source")
    assert Mapping(devices="all").apply([board]) == [board]
