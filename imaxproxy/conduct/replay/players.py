"""Who plays a load: the workers of this machine, or (`conduct/nodes/players.py`) those of a cluster's nodes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from imaxproxy.conduct.replay.parts import Asked, PartMaker, PlayedPart, played
from imaxproxy.conduct.replay.wording import Wording
from imaxproxy.live.feed import CrewView, View
from imaxproxy.load.process import Crew
from imaxproxy.load.share import Share
from imaxproxy.load.worker import WorkerSettings
from imaxproxy.metrics import Objective
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.summing import Summer


@dataclass(frozen=True, slots=True)
class Found:
    """What is known once all has been played, for the manifest."""

    trace: dict[str, Any]
    """What the load did to the trace."""
    manifest: dict[str, Any] = field(default_factory=dict)
    """Further fields of it."""


class SumsLost(Exception):
    """Whoever had journals was lost while it summed them up."""


class Players(Protocol):
    """In this order: `begin`, `progress` to its end, `finish`, `summer`, `gather`, `close`.

    `interrupt` from any thread at any time.
    """

    def begin(self, maker: PartMaker, asked: Asked, wording: Wording, salt: str, run: RunDirectory) -> None:
        """Hand out the parts. The schedule starts by itself once all are ready."""

    def view(self, run: RunDirectory, objectives: tuple[Objective, ...]) -> View:
        """Whom a live view asks how it goes, once they have begun."""

    def progress(self) -> Iterator[dict[str, Any]]:
        """How it goes, added up; the last row says how it `ended` and counts `lost_lines`. Without: some died."""

    def interrupt(self) -> None:
        """Ask all to stop: what is in flight is recorded as aborted."""

    def finish(self) -> Found:
        """All journals are whole after that, on one clock."""

    def summer(self) -> Summer | None:
        """Who has the journals, and may raise SumsLost; None: they are in the run directory."""

    def gather(self, *, shows: bool) -> Found | None:
        """All journals are in the run directory after that. shows: with a bar, where it takes long.

        What is known then, where something was lost meanwhile; None where all is as `finish` said.
        """

    def close(self) -> None:
        """Raises what had to wait until the run was summed up: a row that could not be sent, a worker's death."""


class LocalPlayers:
    """A crew on this machine, which writes into the run directory itself."""

    def __init__(self, crew: Crew, share: Share, workers: int) -> None:
        self._crew, self._share, self._workers = crew, share, workers
        self._parts: list[PlayedPart] = []
        self.progress = crew.progress
        self.interrupt = crew.interrupt
        self.close = crew.close

    def begin(self, maker: PartMaker, asked: Asked, wording: Wording, salt: str, run: RunDirectory) -> None:
        workers, of = self._share.workers(self._workers), self._share.all_workers(self._workers)
        self._parts = maker.parts(asked, wording, salt, workers, of)
        settings = WorkerSettings(asked.url, maker.load.rules(), str(run.path), tokenizer=maker.tokenizer_path)
        self._crew.feed(settings, [part.fed for part in self._parts])

    def view(self, run: RunDirectory, objectives: tuple[Objective, ...]) -> View:
        return CrewView(run, self._crew, objectives)

    def finish(self) -> Found:
        return Found(played(self._parts))

    def summer(self) -> None:
        return None

    def gather(self, *, shows: bool) -> None:
        return None
