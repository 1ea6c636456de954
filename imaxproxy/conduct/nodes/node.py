"""One node of a cluster at play: the actor that `replay --ray` puts on each.

It is to its workers what the command is to those of one machine. Imports no Ray: the command makes an actor of it.
"""

import os
import shutil
import socket
import threading
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imaxproxy.clock import NS_PER_MS, monotonic_ns
from imaxproxy.cluster import FileFacts, NodeFiles, end_when_orphaned
from imaxproxy.conduct.flags.otlp import exporter_of
from imaxproxy.conduct.nodes.gathering import move_files
from imaxproxy.conduct.nodes.job import NodeFound, NodeJob, NodeState
from imaxproxy.conduct.replay.parts import PartMaker, PlayedPart, played
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings
from imaxproxy.errors import ImaxproxyError
from imaxproxy.live.feed import CrewView, Look
from imaxproxy.load.process import Crew
from imaxproxy.load.worker import WorkerSettings
from imaxproxy.metrics import Grid, Trim, objectives_of
from imaxproxy.power import TickPrices
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.energy_shares import EnergyShares
from imaxproxy.runs.journal import worker_of
from imaxproxy.runs.manifest import host_facts
from imaxproxy.runs.outline import Outline
from imaxproxy.runs.partial_sums import Counting, PartialSums
from imaxproxy.runs.summing import JournalSummer
from imaxproxy.traces import trace_sha256

if TYPE_CHECKING:
    from imaxproxy.live.otlp import OtlpProcess

_CONNECT_S = 5.0
_WORKER_MODULE = "imaxproxy.conduct.replay.worker"
_RUN, _MOVED = "run", "moved"
"""Folders in the node's own: what the workers write, and what of it goes to the command."""


class RayNode:
    """Its methods are the actor's; several may run at once."""

    def __init__(self, below: str | None) -> None:
        """below: where its folder is made; None: where the system keeps what is temporary."""
        end_when_orphaned()
        self._below = below
        self._making = threading.Lock()
        self._made: NodeFiles | None = None
        self._closed = False
        self._crew: Crew | None = None
        self._parts: list[PlayedPart] = []
        self._state = NodeState()
        self._late_ms = 0.0
        self._thread: threading.Thread | None = None
        self._run: RunDirectory | None = None
        self._summer: JournalSummer | None = None
        self._view: CrewView | None = None
        self._otlp: OtlpProcess | None = None

    def __repr__(self) -> str:
        return f"<RayNode {self._state}>"

    @property
    def _files(self) -> NodeFiles:
        """Its folder, made when it is first asked for: what fails then is an answer, and not an actor that is dead.

        Raises OSError where it cannot be made.
        """
        with self._making:
            if self._closed:
                raise OSError("the node was told to leave nothing behind")
            if self._made is None:
                self._made = NodeFiles("imaxproxy-ray-", self._below)
            return self._made

    @property
    def _sums(self) -> JournalSummer:
        assert self._summer is not None
        return self._summer

    # Before anything starts -------------------------------------------------------------------------------------------

    def host(self) -> dict[str, Any]:
        """The machine, and where the node's folder lies."""
        return host_facts() | {"folder": str(self._files.folder)}

    def clock(self) -> int:
        """CLOCK_MONOTONIC, ns."""
        return monotonic_ns()

    def trace_sha256(self, path: str) -> str | None:
        """Of the trace as it lies here; None where there is none."""
        try:
            return trace_sha256(path)
        except (ImaxproxyError, OSError):
            return None

    def take(self, name: str, piece: bytes) -> str:
        """A piece of a file that the command ships; where the file lies."""
        self._files.write(name, piece)
        return str(self._files.folder / name)

    def reaches(self, host: str, port: int) -> str | None:
        """Why a connection to the engine fails from here; None when it does not."""
        try:
            socket.create_connection((host, port), timeout=_CONNECT_S).close()
        except OSError as error:
            return str(error.strerror or error)
        return None

    def sees(self, path: str) -> bool:
        """The file that the command wrote is here too, and another can be written beside it."""
        try:
            beside = Path(f"{path}-{os.getpid()}-{self._files.folder.name}")
            shutil.copyfile(path, beside)
            beside.unlink()
        except OSError:
            return False
        return True

    # The run ----------------------------------------------------------------------------------------------------------

    def begin(self, job: NodeJob) -> str | None:
        """As `_begin`; what a user can mend of it is the answer, for Ray wraps an error into a traceback."""
        try:
            self._begin(job)
        except ImaxproxyError as error:
            return str(error)
        return None

    def _begin(self, job: NodeJob) -> None:
        """Read the trace, make the parts and bring the workers up. Raises UsageError for what cannot be read."""
        self._forget()
        flags = job.flags
        trace = TraceFile(Path(job.trace), flags)
        trace.plan(job.load)
        maker = PartMaker(trace, Wordings(flags), job.load, flags)
        workers, of = job.share.workers(job.workers), job.share.all_workers(job.workers)
        self._parts = maker.parts(job.asked, job.wording, job.salt, workers, of)
        folder = self._files.folder / _RUN if job.out is None else job.out / f"node-{job.share.index}"
        folder.mkdir(parents=True)
        self._run = RunDirectory(folder)
        self._otlp = exporter_of(self._run, flags, job.asked.described, job.asked.model, job.name)
        if self._otlp is not None:
            self._otlp.start()
        self._crew = Crew(_WORKER_MODULE, job.workers, job.share, self._on_ready, goes_on=job.goes_on)
        settings = WorkerSettings(job.asked.url, job.load.rules(), str(folder), tokenizer=maker.tokenizer_path)
        objectives = objectives_of(flags["slo"]) if flags.get("slo") else ()
        self._view = CrewView(self._run, self._crew, objectives)
        self._crew.feed(settings, [part.fed for part in self._parts])
        self._thread = threading.Thread(target=self._follow, args=(self._crew,), daemon=True)
        self._thread.start()

    def start(self, zero_ns: int) -> None:
        """Tell the workers the schedule's zero, by this node's clock."""
        assert self._crew is not None
        self._crew.start(zero_ns)
        self._late_ms = max(0.0, (monotonic_ns() - zero_ns) / NS_PER_MS)

    def poll(self) -> NodeState:
        """How it goes."""
        return self._state

    def look(self) -> Look | None:
        """What workers and journals have come to since the last look, by this node's clock: while somebody watches."""
        return None if self._view is None else self._view.look()

    def interrupt(self) -> None:
        """Ask the workers to stop."""
        if self._crew is not None:
            self._crew.interrupt()

    def pids(self) -> list[int]:
        """Of this actor and its workers."""
        return [os.getpid(), *(self._crew.pids if self._crew is not None else ())]

    def finish(self, to_command_ns: int, out: Path | None) -> NodeFound:
        """Move the times to the command's clock. out: the shared storage that the journals go to; None: they stay."""
        assert self._run is not None
        assert self._crew is not None
        facts: list[FileFacts] = []
        complaint = None if self._otlp is None else self._otlp.stop()
        to, workers = self._files.folder / _MOVED if out is None else out, {*map(worker_of, self._run.journals())}
        moved = move_files(self._run, to, to_command_ns, len(self._parts))
        self._summer = JournalSummer(RunDirectory(to), workers=workers, processes=len(self._parts))
        if out is None:
            facts = [FileFacts.of(self._files.folder, path) for path in moved]
        else:
            shutil.rmtree(self._run.path)
        return NodeFound(played(self._parts), self._crew.zero_ns, self._late_ms, complaint, tuple(facts))

    def outline(self, trim: Trim) -> Outline:
        """Of the journals that `finish` has moved, as `runs.summing` asks for it; so do the next three."""
        return self._sums.outline(trim).extent()

    def busy(self, grid: Grid) -> Sequence[int]:
        return self._sums.busy(grid)

    def sums(self, counting: Counting) -> PartialSums:
        return self._sums.sums(counting)

    def energy(self, prices: TickPrices) -> list[EnergyShares]:
        return list(self._sums.energy(prices))

    def read(self, name: str, from_byte: int) -> bytes:
        """A piece of one of its files."""
        return self._files.read(name, from_byte)

    def close(self) -> None:
        """End what runs, and leave nothing behind."""
        if self._summer is not None:
            self._summer.close(at_once=True)
        if self._crew is not None:
            self._crew.abandon()
        if self._otlp is not None:
            self._otlp.stop()
        with self._making:
            self._closed = True
            if self._made is not None:
                self._made.remove()

    def _forget(self) -> None:
        """What the last run left, one that was given up too: the next one is another."""
        if self._crew is not None:
            self._crew.abandon()
        if self._thread is not None:
            self._thread.join()
        if self._otlp is not None:
            self._otlp.stop()
        if self._summer is not None:
            self._summer.close(at_once=True)
        for name in (_RUN, _MOVED):
            shutil.rmtree(self._files.folder / name, ignore_errors=True)
        self._crew = self._thread = self._run = self._view = self._summer = self._otlp = None
        self._state, self._late_ms = NodeState(), 0.0

    def _on_ready(self, _: Crew) -> None:
        self._state = replace(self._state, ready=True)

    def _follow(self, crew: Crew) -> None:
        """In a thread of its own: hear the workers to their end."""
        try:
            for row in crew.progress():
                if "ended" in row:
                    self._state = replace(self._state, ended=row["ended"], lost_lines=row["lost_lines"])
                else:
                    self._state = replace(self._state, counts=row, lost_workers=tuple(crew.lost))
            self._state = replace(self._state, lost_workers=tuple(crew.lost))
            crew.close()
        except ImaxproxyError as error:
            self._state = replace(self._state, error=str(error))
        except Exception:  # the command hears of it, and raises it there
            self._state = replace(self._state, bug=traceback.format_exc())
        finally:
            self._state = replace(self._state, over=True)


def added(rows: "list[dict[str, int]]") -> dict[str, int]:
    """Counts of several nodes as one."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row)
    return dict(total)
