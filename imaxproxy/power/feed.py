"""One source as the sampler sees it."""

from collections.abc import Callable, Container

from imaxproxy.clock import NS_PER_MS
from imaxproxy.power.sample import Device
from imaxproxy.power.source import Source
from imaxproxy.power.spacing import Spacing

DEFAULT_TICK_MS = 50.0


class Feed:
    """Its rhythm, which devices answered last, whether it is lost."""

    def __init__(self, source: Source, reopen: Callable[[], Source]) -> None:
        self.source: Source | None = source
        self.name = source.name
        self.reopen = reopen
        self.tick_ns = round((source.tick_ms or DEFAULT_TICK_MS) * NS_PER_MS)
        self.due_ns = 0
        self.devices: dict[str, Device] = {}
        self.absent: set[str] = set()
        self.devices_due_ns = 0
        self.spacings: dict[str, Spacing] = {}
        """Of devices whose counter is read less often than their watts."""
        self.settles_in_ns: int | None = None
        """Of an exporter: how long its figures take to move once more."""

    @property
    def wanted(self) -> list[str]:
        """Devices whose figures are the run's, as far as that is known."""
        return [name for name, device in self.devices.items() if device.counted or device.counted_by is None]

    def counters_due(self, now_ns: int) -> Container[str] | None:
        """The devices whose counter is read now; None: all of them, at every tick."""
        if not self.spacings:
            return None
        return {name for name, spacing in self.spacings.items() if spacing.is_due(now_ns + NS_PER_MS)}

    @property
    def next_ns(self) -> int:
        """When something of it is to be read."""
        return min([self.due_ns, *(spacing.next_ns for spacing in self.spacings.values())])
