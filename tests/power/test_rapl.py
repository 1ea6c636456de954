"""RAPL over a powercap tree in a temporary directory."""

import os
from pathlib import Path

import pytest

from imaxproxy.power import Boundary, SourceError, SourceLostError
from imaxproxy.power.rapl import RaplSource


def _zone(root: Path, zone: str, name: str, energy_uj: int, range_uj: int | None = 262_143_328_850) -> Path:
    path = root / zone
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    if range_uj is not None:
        (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    _zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    _zone(tmp_path, "intel-rapl:0:0", "core", 1_000_000)
    _zone(tmp_path, "intel-rapl:0:1", "dram", 700_000)
    _zone(tmp_path, "intel-rapl:1", "package-1", 6_000_000, None)
    _zone(tmp_path, "intel-rapl:2", "psys", 20_000_000)
    return tmp_path


def test_packages_memory_and_psys_are_read_and_cores_are_not(tree: Path) -> None:
    source = RaplSource(tree)
    devices = {device.device: device for device in source.devices()}
    assert {name: device.boundary for name, device in devices.items()} == {
        "cpu-package-0": Boundary.CPU_PACKAGE,
        "cpu-dram-0": Boundary.DRAM,
        "cpu-package-1": Boundary.CPU_PACKAGE,
        "cpu-psys-2": Boundary.PLATFORM,
    }
    assert devices["cpu-dram-0"].parent == "cpu-package-0"
    assert devices["cpu-package-0"].counter_range_mj == pytest.approx(262_143_328.85)
    assert devices["cpu-package-1"].counter_range_mj is None
    assert {s.device: s.energy_mj for s in source.sample()}["cpu-dram-0"] == 700.0


def test_a_zone_that_goes_leaves_the_others(tree: Path) -> None:
    source = RaplSource(tree)
    (tree / "intel-rapl:0" / "energy_uj").unlink()
    assert "cpu-package-0" not in {sample.device for sample in source.sample()}
    for zone in ("0:1", "1", "2"):
        (tree / f"intel-rapl:{zone}" / "energy_uj").unlink()
    with pytest.raises(SourceLostError):
        source.sample()


def test_no_zones_are_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="shows no package zone"):
        RaplSource(tmp_path)


def test_zones_of_root_alone_are_said_with_the_remedy(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # root may read anything: the refusal is acted
        real = Path.read_text

        def refuse(path: Path, *args: str) -> str:
            if path.name == "energy_uj":
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *args)

        monkeypatch.setattr(Path, "read_text", refuse)
    else:
        (tree / "intel-rapl:0" / "energy_uj").chmod(0)
    with pytest.raises(SourceError, match=r"may not be read: it is root's.*chmod a\+r"):
        RaplSource(tree)


def test_a_counter_that_is_no_number_is_said(tree: Path) -> None:
    (tree / "intel-rapl:1" / "energy_uj").write_text("\n")
    with pytest.raises(SourceError, match="RAPL"):
        RaplSource(tree)
