"""Which boards are the engine's: said, or found out, and never all of a shared host in silence."""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, replace

from imaxproxy.errors import UsageError
from imaxproxy.power.processes import PROC, environment, family, listening_pids
from imaxproxy.power.sample import GPU_BOUNDARIES, Device

ALL = "all"
_VISIBLE, _ORDER, _BY_BUS = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PCI_BUS_ID"


@dataclass(frozen=True, slots=True)
class Mapping:
    """What is known of the engine, or of all engines under test. The most certain knowledge decides; the rest is not
    asked."""

    devices: str | None = None
    """`--power-devices`: indices or UUIDs with commas between, or `all`."""
    recipe_visible: str | None = None
    """CUDA_VISIBLE_DEVICES as the recipe sets it."""
    pids: Sequence[int] = ()
    """The engine's own process."""
    ports: Sequence[int] = ()
    """Where engines listen on this host: who does so is one of their processes, once it is up."""
    own_visible: str | None = None
    """CUDA_VISIBLE_DEVICES of this command."""
    gpus: int | None = None
    """How many the engine has, as far as anybody says."""

    def apply(self, devices: Sequence[Device], computing: Table[str, Sequence[int]] | None = None) -> list[Device]:
        """The devices, each with `counted` and `counted_by`. computing: process ids by UUID, where the source tells.

        Devices that are no GPU stay as they are. Raises UsageError for `--power-devices` that name no board here.
        """
        boards = [device for device in devices if device.boundary in GPU_BOUNDARIES and not device.simulated]
        chosen, by = self._choose(boards, computing or {})
        names = {board.device for board in boards}
        return [
            replace(device, counted=device.device in chosen, counted_by=by) if device.device in names else device
            for device in devices
        ]

    def strangers(self, pids: Iterable[int]) -> set[int]:
        """Those of the processes that are none of the engine's, where the engine's are known and we can see all:
        a process of another container is not in our /proc, and may as well be the engine under another number."""
        engine = self.engine_pids()
        if not engine:
            return set()
        return {pid for pid in set(pids) - family(engine) if (PROC / str(pid)).exists()}

    def engine_pids(self) -> set[int]:
        """Said, or found by the ports."""
        return set(self.pids).union(*map(listening_pids, self.ports))

    def _choose(self, boards: Sequence[Device], computing: Table[str, Sequence[int]]) -> tuple[set[str], str | None]:
        every = {board.device for board in boards}
        if self.devices is not None:
            if self.devices.strip().lower() == ALL:
                return every, "--power-devices all"
            return _named(self.devices, boards, "--power-devices"), "--power-devices"
        if self.recipe_visible:
            return _visible(self.recipe_visible, boards), f"recipe, {_VISIBLE}={self.recipe_visible}"
        engine = self.engine_pids()
        relatives = family(engine) if engine else set()
        if seen := {name for name, pids in computing.items() if relatives.intersection(pids)} & every:
            return seen, "pids"
        if told := _told_by_environment(engine, boards):
            return told
        if self.own_visible:
            return _visible(self.own_visible, boards), f"{_VISIBLE}={self.own_visible} of this command"
        if len(every) == 1:
            return every, "only_device"
        if self.gpus is not None and self.gpus == len(every):
            return every, f"all {self.gpus}, as many as the engine has"
        return set(), None


def _told_by_environment(engine: Iterable[int], boards: Sequence[Device]) -> tuple[set[str], str] | None:
    """By the CUDA_VISIBLE_DEVICES of the engines' processes, all of them together."""
    found: dict[str, set[str]] = {}
    for pid in sorted(engine):
        variables = environment(pid)
        if (visible := variables.get(_VISIBLE)) and _order_is_ours(variables, boards):
            found[visible] = _visible(visible, boards)
    return (set().union(*found.values()), f"the engine's {_VISIBLE}={' and '.join(found)}") if found else None


def _visible(text: str, boards: Sequence[Device]) -> set[str]:
    """What CUDA would show; nothing where it names what is not here (CUDA stops reading there, and so do we)."""
    try:
        return _named(text, boards, _VISIBLE)
    except UsageError:
        return set()


def _named(text: str, boards: Sequence[Device], flag: str) -> set[str]:
    """Boards by index or UUID, of which the beginning is enough. A MIG instance is its whole board."""
    chosen = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        found = [board.device for board in boards if _is_called(board, word)]
        if len(found) != 1:
            here = ", ".join(f"{board.index} ({board.device})" for board in boards) or "none"
            what = "no board" if not found else "several boards"
            raise UsageError(f"{flag} {word} names {what}; here are: {here}")
        chosen.add(found[0])
    return chosen


def _is_called(board: Device, word: str) -> bool:
    """An instance is MIG-<its own UUID>, or in older drivers MIG-GPU-<the board's>/<instance>/<part>."""
    if word.isdecimal():
        return board.index == int(word)
    wanted = (word.removeprefix("MIG-").partition("/")[0] if word.startswith("MIG-GPU-") else word).lower()
    return any(name.lower().startswith(wanted) for name in (board.device, *board.instances))


def _order_is_ours(variables: Table[str, str], boards: Sequence[Device]) -> bool:
    """CUDA counts the fastest first, NVML by the bus: the same where all are alike, or where it is told to be."""
    alike = len({board.name for board in boards}) <= 1
    return alike or variables.get(_ORDER) == _BY_BUS or not variables.get(_VISIBLE, "").replace(",", "").isdecimal()
