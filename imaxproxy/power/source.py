"""The one interface behind which all sources of power stand."""

from collections.abc import Container
from typing import Protocol

from imaxproxy.errors import ImaxproxyError
from imaxproxy.power.sample import Device, PowerSample


class SourceError(ImaxproxyError):
    """A source cannot be opened; the line says why, and what would help."""


class SourceLostError(Exception):
    """A source that was open answers no more. The sampler says so in the file and tries again."""


class Source(Protocol):
    """Something that can be asked for power, again and again. Not safe for several threads."""

    @property
    def name(self) -> str: ...

    @property
    def tick_ms(self) -> float | None:
        """How often asking makes sense, where the source knows; None: the sampler finds it out."""
        ...

    @property
    def settle_s(self) -> float:
        """Of a source that answers with what it collected some time ago: two of the longest periods it may have. 0: its
        answers are of now."""
        ...

    def devices(self) -> list[Device]:
        """What it has, as of now (limits may change). Raises SourceLostError."""
        ...

    def sample(self, counters: Container[str] | None = None) -> list[PowerSample]:
        """One sample of each device that answers. Raises SourceLostError when none does.

        counters: the devices whose energy counter is wanted too, where reading that is dear; None: all.
        """
        ...

    def processes(self) -> dict[str, list[int]]:
        """Who computes on each device, where the source can tell; else nothing."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...
