"""RAPL through powercap: the energy counters of the host's CPU packages and memory."""

import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.power.sample import Boundary, Device, PowerSample
from imaxproxy.power.source import SourceError, SourceLostError

POWERCAP = Path("/sys/class/powercap")
GAIN_ERROR = 0.05
_MJ_PER_UJ = 1e-3
_BOUNDARIES = {"package": Boundary.CPU_PACKAGE, "dram": Boundary.DRAM, "psys": Boundary.PLATFORM}


@dataclass(frozen=True, slots=True)
class _Zone:
    device: str
    boundary: Boundary
    counter: Path
    range_mj: float | None
    parent: str | None


class RaplSource:
    """Every package, memory and psys zone. The counters are exact at each read, to a millisecond, and wrap.

    Memory that powercap nests in a package has that as its parent: whether the package's joules include it differs
    from CPU to CPU, so the two are never added.
    """

    name = "rapl"
    tick_ms = 200.0
    settle_s = 0.0

    def __init__(self, root: Path = POWERCAP, clock_ns: Clock = monotonic_ns) -> None:
        """Raises SourceError where there are no zones, or where they may not be read."""
        self._clock_ns = clock_ns
        self._zones = _zones(root)
        if not self._zones:
            raise SourceError(f"RAPL: {root} shows no package zone: no such CPU, or a container without it")
        try:
            for zone in self._zones:
                _read(zone.counter)
        except PermissionError as error:
            raise SourceError(
                f"RAPL: {error.filename} may not be read: it is root's since CVE-2020-8694; run as root, or let "
                f"root say `chmod a+r {root}/*/energy_uj`"
            ) from error
        except (OSError, ValueError) as error:
            raise SourceError(f"RAPL: {error}") from error

    def devices(self) -> list[Device]:
        """The zones."""
        now_ns, unix_ns = self._clock_ns(), time.time_ns()
        return [
            Device(
                zone.device,
                self.name,
                zone.boundary,
                now_ns,
                unix_ns,
                counter_update_ms=0.0,
                counter_range_mj=zone.range_mj,
                gain_error=GAIN_ERROR,
                parent=zone.parent,
            )
            for zone in self._zones
        ]

    def sample(self, counters: Container[str] | None = None) -> list[PowerSample]:
        """Joules of each zone; there are no watts."""
        samples, failure = [], None
        for zone in self._zones:
            try:
                energy_mj = _read(zone.counter) * _MJ_PER_UJ
            except (OSError, ValueError) as error:
                failure = error
                continue
            samples.append(PowerSample(self._clock_ns(), zone.device, energy_mj=energy_mj))
        if not samples:
            raise SourceLostError(str(failure))
        return samples

    def processes(self) -> dict[str, list[int]]:
        """It does not tell."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


def _zones(root: Path) -> list[_Zone]:
    """`intel-rapl:0` is a package (AMD's too), `intel-rapl:0:1` a part of it; cores and GPU parts are left out."""
    found: list[_Zone] = []
    packages: dict[str, str] = {}
    for path in sorted(root.glob("intel-rapl:*")):
        try:
            name = (path / "name").read_text().strip()
        except OSError:  # gone between the listing and now, or no zone
            continue
        boundary = _BOUNDARIES.get(name.split("-")[0])
        if boundary is None or not (path / "energy_uj").exists():
            continue
        number = path.name.split(":")[1]
        device = f"cpu-{name}" if boundary is Boundary.CPU_PACKAGE else f"cpu-{name}-{number}"
        if boundary is Boundary.CPU_PACKAGE:
            packages[number] = device
        parent = packages.get(number) if boundary is Boundary.DRAM else None
        found.append(_Zone(device, boundary, path / "energy_uj", _range_mj(path), parent))
    return found


def _range_mj(path: Path) -> float | None:
    try:
        return _read(path / "max_energy_range_uj") * _MJ_PER_UJ
    except (OSError, ValueError):
        return None


def _read(path: Path) -> int:
    return int(path.read_text())
