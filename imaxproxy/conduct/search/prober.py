"""Plays a load at one amount after the other: on this machine, on a cluster's nodes, or in virtual time."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaxproxy.conduct.engine.chosen import engine_of
from imaxproxy.conduct.engine.upstream import EngineChoice
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.flags.ray import RayChoice
from imaxproxy.conduct.flags.screen import screen_of
from imaxproxy.conduct.output import say
from imaxproxy.conduct.replay.session import WORKER_MODULE, Session
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings
from imaxproxy.conduct.search.screen import SearchScreen
from imaxproxy.conduct.search.verdict import reached, verdict_of
from imaxproxy.errors import ImaxproxyError
from imaxproxy.load import Ended
from imaxproxy.load.process import Crew
from imaxproxy.load.search import Verdict
from imaxproxy.runs import RunDirectory

UNITS = {"rate": "requests/s", "concurrency": "requests in flight"}
Play = Callable[[Load, RunDirectory], dict[str, Any]]
"""One run to its end; its summary."""


class Prober:
    """Plays the load at one amount after the other, a run directory each."""

    def __init__(
        self, play: Play, load: Load, whole: RunDirectory, by: str, screen: SearchScreen | None = None
    ) -> None:
        """screen: None, in virtual time, where nobody could read it."""
        self._play, self._load, self.whole, self.by, self._screen = play, load, whole, by, screen
        self.summaries: list[dict[str, Any]] = []

    def probe(self, amount: float) -> Verdict:
        """Raises KeyboardInterrupt for one that was interrupted.

        ImaxproxyError for one that no engine answered, or where nothing was sent that is measured.
        """
        run = RunDirectory.create(self.whole.path / f"probe-{len(self.summaries) + 1}", "search")
        if self._screen is not None:
            self._screen.begin(amount)
        summary = self._play(at_amount(self._load, self.by, amount), run)
        if summary["ended"] == Ended.INTERRUPTED:  # virtual time has its own end
            raise KeyboardInterrupt
        if summary["ended"] == Ended.NO_ENGINE:
            raise ImaxproxyError(f"no engine answered at {amount:g} {UNITS[self.by]}: see {run.path}")
        if not summary["requests"]["sent"]:
            raise ImaxproxyError(
                f"nothing was measured at {amount:g} {UNITS[self.by]}{_why_nothing(summary)}: see {run.path}"
            )
        self.summaries.append(summary)
        verdict = verdict_of(summary, self.by, 0.0 if self._is_shaped else amount)
        said = reached(summary, verdict)
        if self._screen is not None:
            self._screen.end(summary, said, met=verdict.met and not verdict.too_little)
        say(f"imaxproxy: {amount:g} {UNITS[self.by]}: {said}")
        return verdict

    @property
    def _is_shaped(self) -> bool:
        """By hand, so that its mean need not be the rate that was asked for, nor come near it in a short probe."""
        return self._load.envelope is not None or self._load.arrivals not in (None, "poisson", "constant")


def _why_nothing(summary: dict[str, Any]) -> str:
    warmup = summary["cache_warmup"]
    if not warmup:
        return ""
    return f" ({warmup['requests']} warm-up requests of the trace took all of the time: give a longer --duration)"


def at_amount(load: Load, by: str, amount: float) -> Load:
    """The load at so many requests/s, or in flight."""
    return replace(load, rate=amount) if by == "rate" else replace(load, concurrency=round(amount))


def prober_of(
    trace: Path, load: Load, flags: dict[str, Any], choice: EngineChoice, stack: contextlib.ExitStack
) -> Prober:
    """As the flags say; what it holds lasts as long as `stack`."""
    if flags["virtual"]:
        return _virtual(trace, load, flags)
    wordings = Wordings(flags)
    file = TraceFile(trace, flags)
    file.check(at_amount(load, flags["by"], flags["lowest"]))
    if (ray := RayChoice.of(flags)) is not None:
        return _on_ray(file, wordings, load, ray, flags, choice, stack)
    whole = RunDirectory.create(flags["out"], "search")
    screen = _screen(file, flags, stack)
    engine = stack.enter_context(engine_of(choice, flags, whole))
    session = Session(file, engine, wordings, "search", flags, screen=screen)

    def play(at: Load, run: RunDirectory) -> dict[str, Any]:
        crew = Crew(WORKER_MODULE, flags["workers"])
        try:
            summary = session.play(at, run, crew)
        finally:
            crew.abandon()
        return _checked(session, summary)

    return Prober(play, load, whole, flags["by"], screen)


def _screen(file: TraceFile, flags: dict[str, Any], stack: contextlib.ExitStack) -> SearchScreen:
    hosted = stack.enter_context(screen_of(flags, f"search {file.path}"))
    return SearchScreen(hosted, UNITS[flags["by"]], flags["probes"])


def _checked(session: Session, summary: dict[str, Any]) -> dict[str, Any]:
    """Raises KeyboardInterrupt when it was told to stop, EngineError when its engine has died."""
    if session.interrupted:
        raise KeyboardInterrupt
    session.engine.check()
    return summary


def _on_ray(
    file: TraceFile,
    wordings: Wordings,
    load: Load,
    ray: RayChoice,
    flags: dict[str, Any],
    choice: EngineChoice,
    stack: contextlib.ExitStack,
) -> Prober:
    """Its nodes are held from the first probe to the last. One that is lost ends the search: the rest of them play
    less than the load that would be judged."""
    from imaxproxy.conduct.nodes.held import held_nodes

    nodes = stack.enter_context(held_nodes(file.path, at_amount(load, flags["by"], flags["lowest"]), ray, flags))
    whole = RunDirectory.create(flags["out"], "search")
    nodes.check(whole)
    engine = stack.enter_context(engine_of(choice, flags, whole))
    nodes.check_engine(engine.url)
    screen = _screen(file, flags, stack)
    session = Session(file, engine, wordings, "search", nodes.flags, screen=screen)

    def play(at: Load, run: RunDirectory) -> dict[str, Any]:
        return _checked(session, session.play_by(nodes.players(), at, run))

    return Prober(play, load, whole, flags["by"], screen)


def _virtual(trace: Path, load: Load, flags: dict[str, Any]) -> Prober:
    from imaxproxy.conduct.replay.virtual import VirtualSession

    session = VirtualSession(trace, "search", flags)
    session.check(at_amount(load, flags["by"], flags["lowest"]))
    session.warn_of_context()
    return Prober(session.play, load, RunDirectory.create(flags["out"], "search"), flags["by"])
