"""Streamed answers carried by a thread in C (`csrc/`) instead of by the event loop: the fast hot path.

There where it was built, on Linux. Elsewhere, or with IMAXPROXY_HOT_PATH=python, the loop reads, stamps and writes
(`pump.py`), with the same result for three to five times the user time. `hot_path` says which it is.
"""

import asyncio
import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple, Protocol
from weakref import WeakKeyDictionary
from zlib import crc32

from imaxproxy.errors import UsageError
from imaxproxy.metrics import CountGaps, ReadStamps

VARIABLE = "IMAXPROXY_HOT_PATH"
_MOST_LOOKS = 32
"""Splices looked at in one turn of the loop: what else it has to do waits no longer than for those."""


class Taker(Protocol):
    """Whoever a splice works for."""

    def look(self) -> None:
        """Something of it needs to be taken."""


class Taken(NamedTuple):
    """What a splice had since the last time. Recognised events come before the reads that were kept."""

    event_times_ns: bytes
    """int64, one an event."""
    event_chars: bytes
    """int32: characters of its text."""
    read_times_ns: list[int]
    reads: list[bytes]
    unsent: bytes
    """What the client's socket did not take. The splice is paused then."""
    end: int
    """How the connection ended: STILL_OPEN, 0 for closed, else an errno."""


STILL_OPEN = -1


class Splice:
    """One answer on its way from an engine's socket to a client's, or to nobody but the meter."""

    __slots__ = ("_fd", "_inner", "_splices")

    def __init__(self, splices: "Splices", in_fd: int, out_fd: int | None, batch_reads: int, *, paused: bool) -> None:
        self._splices, self._fd = splices, in_fd
        self._inner = splices.module.Splice(splices.inner, in_fd, -1 if out_fd is None else out_fd, batch_reads, paused)

    @property
    def last_read_ns(self) -> int:
        """When the newest bytes came; before the first: when this began."""
        at_ns: int = self._inner.last_read_ns
        return at_ns

    def take(self) -> Taken:
        """What has come. To be looked at, and then `resume` to be called, unless that was the end or is to wait."""
        return Taken(*self._inner.take())

    def take_events(self) -> tuple[bytes, bytes, int]:
        """What was recognised so far (as in `Taken`), and how many kept reads wait to be taken: these stay."""
        events: tuple[bytes, bytes, int] = self._inner.take_events()
        return events

    @property
    def stirred(self) -> bool:
        """Something has come, or the end, that nobody has taken."""
        stirred: bool = self._inner.stirred
        return stirred

    def begin(self) -> None:
        """Another answer follows, of which each read is told until `expect`. Without a client's socket only."""
        self._inner.begin()

    def expect(self, batch_reads: int) -> None:
        """The answer's head was read: so many reads of it may wait to be looked at."""
        self._inner.expect(batch_reads)

    def arm(self, prefix: bytes, suffix: bytes, *, chunked: bool) -> bool:
        """Recognise events like these (`template.Template`); False while reads wait that nobody has looked at."""
        armed: bool = self._inner.arm(prefix, suffix, chunked)
        return armed

    def pause(self) -> None:
        """Neither read nor write from the moment this returns."""
        self._inner.pause()

    def resume(self) -> None:
        self._inner.resume()

    def stop(self) -> None:
        """For good; to be called before either socket is closed."""
        self._inner.stop()
        self._splices.forget(self._fd)


class Splices:
    """The thread of one event loop, and whom it tells."""

    def __init__(self, loop: asyncio.AbstractEventLoop, module: ModuleType) -> None:
        self.module = module
        self.inner = module.Splicer()
        self._takers: dict[int, Taker] = {}
        loop.add_reader(self.inner.fileno(), self._turn)

    def __repr__(self) -> str:
        return f"<Splices: {len(self._takers)} on their way>"

    def begin(self, taker: Taker, in_fd: int, out_fd: int | None, batch_reads: int, *, paused: bool) -> Splice:
        splice = Splice(self, in_fd, out_fd, batch_reads, paused=paused)
        self._takers[in_fd] = taker
        return splice

    def forget(self, in_fd: int) -> None:
        self._takers.pop(in_fd, None)

    def _turn(self) -> None:
        takers = self._takers
        for fd in self.inner.ready(_MOST_LOOKS):
            taker = takers.get(fd)
            if taker is not None:  # stopped by what another was told in this turn
                taker.look()


_SPLICES: "WeakKeyDictionary[asyncio.AbstractEventLoop, Splices]" = WeakKeyDictionary()


def splices() -> Splices | None:
    """The running loop's; None where the hot path is Python's."""
    if hot_path() == "python":
        return None
    loop = asyncio.get_running_loop()
    found = _SPLICES.get(loop)
    if found is None:
        found = _SPLICES[loop] = Splices(loop, import_module(_NAME))
    return found


class LoopReads:
    """Reads of answers that this process's event loop has made, and stamped itself."""

    made = 0


def gap_counter() -> CountGaps | None:
    """C's, for whoever counts many gaps; None where the hot path is Python's."""
    if hot_path() == "python":
        return None
    count: CountGaps = import_module(_NAME).count_gaps
    return count


def read_stamps() -> ReadStamps | None:
    """Who stamped the reads since the last call, on the running loop; None where all are the loop's."""
    found = _SPLICES.get(asyncio.get_running_loop())
    if found is None:
        return None
    late_us, unstamped = found.inner.lateness()
    by_loop, LoopReads.made = LoopReads.made, 0
    return ReadStamps(late_us, unstamped, by_loop)


def hot_path() -> Literal["c", "python"]:
    """Who carries streamed answers in this process. Raises UsageError where IMAXPROXY_HOT_PATH asks what cannot be."""
    if _wanted not in ("", "c", "python"):
        raise UsageError(f"{VARIABLE} must be c or python, not {_wanted!r}; unset it for c where that was built")
    if _wanted == "c" and not _built():
        raise UsageError(
            f"{VARIABLE}=c, but the C part is not built here, or of older sources; install imaxproxy again with a C "
            f"compiler and Python's headers, on Linux, or unset {VARIABLE}"
        )
    return "python" if _wanted == "python" or not _built() else "c"


@cache
def _built() -> bool:
    """It is there, and of the sources beside it: after an update without an installation it may be an older one."""
    if find_spec(_NAME) is None:
        return False
    crc = 0
    for path in sorted(_SOURCES.glob("*.[ch]")):
        crc = crc32(path.read_bytes(), crc)
    return getattr(import_module(_NAME), "sources_crc", None) == crc


_NAME = "imaxproxy.wire._splice"
_SOURCES = Path(__file__).parent / "csrc"
_wanted = os.environ.get(VARIABLE, "")
