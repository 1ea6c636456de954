"""Plays a sweep's points over sockets, one after the other: a real engine is started once for all its curves."""

import contextlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from imaxproxy.conduct.engine.chosen import Engine, engine_of
from imaxproxy.conduct.engine.upstream import EngineChoice
from imaxproxy.conduct.output import say
from imaxproxy.conduct.replay.options import checked
from imaxproxy.conduct.replay.session import WORKER_MODULE, Session
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings
from imaxproxy.conduct.sweeps.conductor import Conductor
from imaxproxy.conduct.sweeps.point import parsed
from imaxproxy.conduct.sweeps.screen import SweepScreen
from imaxproxy.errors import ImaxproxyError
from imaxproxy.load import Ended
from imaxproxy.load.process import Crew
from imaxproxy.runs import RunDirectory
from imaxproxy.sweep import Curve
from imaxproxy.sweep.point import REAL


def play_live_curves(
    curves: Sequence[Curve], conductor: Conductor, folder: Path, screen: SweepScreen | None = None
) -> None:
    """All of them, an engine after the other. Raises KeyboardInterrupt when a run was stopped by Ctrl-C."""
    for variant, group in groupby(curves, key=lambda curve: curve.variant):
        with contextlib.closing(LivePlayer(variant.name, variant.mode, folder / "engines", screen)) as player:
            for curve in group:
                try:
                    conductor.play(curve, lambda point: player.play(point.argv))
                except KeyboardInterrupt:
                    conductor.stop()
                    raise


class LivePlayer:
    """Plays points against one engine: started with the first point, and anew for the next one when it has died."""

    def __init__(self, name: str, mode: str, logs: Path, screen: SweepScreen | None = None) -> None:
        """name: of the variant.  mode: SIMULATE, REAL or URL.  logs: the folder below which a real engine writes."""
        self.name = name
        self._mode, self._logs, self._screen = mode, logs, screen
        self._stack = contextlib.ExitStack()
        self._engine: Engine | None = None
        self._no_start: ImaxproxyError | None = None
        self._starts = 0

    def play(self, argv: tuple[str, ...]) -> None:
        """A point, as `replay` takes it. Raises ImaxproxyError with the reason of one that failed,
        KeyboardInterrupt for one that was stopped."""
        trace, flags = parsed(argv)
        choice, load = checked(flags)
        with contextlib.ExitStack() as stack:
            file = TraceFile(trace, flags)
            file.check(load)
            run = RunDirectory.create(flags["out"], "sweep")
            if self._mode == REAL:
                engine = self._kept(choice, flags)
            else:  # what it writes belongs to the run
                engine = stack.enter_context(engine_of(choice, flags, run))
            crew = Crew(WORKER_MODULE, flags["workers"])
            stack.callback(crew.abandon)
            summary = Session(file, engine, Wordings(flags), "replay", flags, screen=self._screen).play(load, run, crew)
        if summary["ended"] == Ended.INTERRUPTED:
            raise KeyboardInterrupt
        if engine.died:
            self.close()
        engine.check()

    def close(self) -> None:
        """Stop the engine, if it runs."""
        self._engine = None
        self._stack.close()

    def _kept(self, choice: EngineChoice, flags: dict[str, Any]) -> Engine:
        """The engine that runs, or a new one. One that did not come up is not tried again for the next point."""
        if self._engine is not None and not self._engine.died:
            return self._engine
        if self._no_start is not None:
            raise self._no_start
        self.close()
        self._starts += 1
        log = self._logs / f"{self.name}-{self._starts}"
        try:
            self._engine = self._stack.enter_context(engine_of(choice, flags, RunDirectory.create(log, "sweep")))
        except ImaxproxyError as error:
            self._no_start = error
            say(f"imaxproxy: {self.name} did not start: its other points are not tried")
            raise
        return self._engine
