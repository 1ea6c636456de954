"""Who sums up a run's journals: this machine, by one process or by several, or the machines on which they lie.

A run is summed up in questions, each put to all journals and answered by what its parts' answers add up to:

1. `outline`: first and last send, last end, the histogram of E2E, offered and achieved rates, the values of dimensions.
2. `busy`, given the grid that these make: time in flight in each of up to 500 slices. That finds the windows.
3. `sums`, given the windows: all that is counted in them, as `PartialSums`.
4. `energy`, given what a token cost in each tick: each request's share. Only for a run whose power was measured.

Between machines go these, some 100 KB to 1 MB each, and no exchange: journals may stay where they are. What does grow
with the run is 16 bytes for each request whose engine tells its own times, and a line of `energy.jsonl` each.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from types import TracebackType
from typing import Protocol, TypeVar

from imaxproxy.metrics import Grid, Trim
from imaxproxy.power import TickPrices
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.energy_shares import EnergyShares
from imaxproxy.runs.helpers import Helpers, cores
from imaxproxy.runs.journal import read_meter, read_piece, worker_of
from imaxproxy.runs.outline import Outline
from imaxproxy.runs.partial_sums import Counting, PartialSums
from imaxproxy.runs.piece import Piece, pieces_of

PIECE_BYTES = 16 << 20
"""Some 1.5 million events, a second's work: pieces enough for all cores, and few sums to add up."""
MOST_PROCESSES = 16
"""Each takes some 50 MB."""
Progress = Callable[[float], None]
"""Hears how much has been done, 0 to 1."""
T = TypeVar("T")


class Summer(Protocol):
    """Asked in the order of the questions above."""

    progress: Progress

    def outline(self, trim: Trim) -> Outline: ...

    def busy(self, grid: Grid) -> Sequence[int]: ...

    def sums(self, counting: Counting) -> PartialSums: ...

    def energy(self, prices: TickPrices) -> Iterator[EnergyShares]: ...


class JournalSummer:
    """The journals of a run directory. In pieces over processes, where they are large and there are cores."""

    def __init__(
        self,
        run: RunDirectory,
        *,
        workers: Collection[int] | None = None,
        processes: int | None = None,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        """workers: those whose journals are asked; None: all.  processes: at most so many; None: as there are cores."""
        journals, self._meters = (
            [path for path in paths if workers is None or worker_of(path) in workers]
            for paths in (run.journals(), run.meters())
        )
        self._pieces = pieces_of(journals, piece_bytes)
        self.progress: Progress = lambda _: None
        is_large = sum(path.stat().st_size for path in journals) > piece_bytes
        wanted = min(cores() if processes is None else processes, len(self._pieces), MOST_PROCESSES)
        self._helpers = Helpers(wanted if is_large else 1)
        self._outline: Outline | None = None

    def __enter__(self) -> "JournalSummer":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close(at_once=kind is not None)

    def close(self, *, at_once: bool = False) -> None:
        """Let the processes go."""
        self._helpers.close(at_once=at_once)

    def outline(self, trim: Trim) -> Outline:
        self._outline = Outline(trim)
        for part in self._asked(_outline_of, trim, begins=0.0, ends=0.25):
            self._outline.merge(part)
        return self._outline

    def busy(self, grid: Grid) -> Sequence[int]:
        assert self._outline is not None
        return self._outline.finder.busy(grid)

    def sums(self, counting: Counting) -> PartialSums:
        sums = PartialSums(counting)
        ends = 1.0 if counting.ticks is None else 0.7
        for part in self._asked(_sums_of, counting, begins=0.25, ends=ends):
            sums.merge(part)
        for path in self._meters:
            for sample in read_meter(path):
                sums.add_health(sample)
        return sums

    def energy(self, prices: TickPrices) -> Iterator[EnergyShares]:
        return self._asked(_energy_of, prices, begins=0.7, ends=1.0)

    def _asked(self, function: Callable[..., T], about: object, begins: float, ends: float) -> Iterator[T]:
        for number, answer in enumerate(self._helpers.map(function, self._pieces, about), 1):
            yield answer
            self.progress(begins + (ends - begins) * number / len(self._pieces))


def _outline_of(piece: Piece, trim: Trim) -> Outline:
    outline = Outline(trim)
    for exchange in read_piece(piece, outline=True, on_warmup=outline.cache_warmup.add):
        outline.add(exchange)
    return outline


def _sums_of(piece: Piece, counting: Counting) -> PartialSums:
    sums = PartialSums(counting)
    sums.begin(worker_of(piece.path))
    for exchange in read_piece(piece):
        sums.add(exchange)
    return sums


def _energy_of(piece: Piece, prices: TickPrices) -> EnergyShares:
    return EnergyShares.of(read_piece(piece), prices)
