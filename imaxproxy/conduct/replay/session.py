"""One run of a load: trace in, workers fed, journal and summary out."""

import contextlib
import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaxproxy.clock import NS_PER_S, monotonic_ns
from imaxproxy.conduct.engine.chosen import Engine
from imaxproxy.conduct.engine.launching import ENGINE_DIED, engine_metrics
from imaxproxy.conduct.engine.metering import PowerMeter
from imaxproxy.conduct.flags.live import served_live
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.flags.otlp import exporting
from imaxproxy.conduct.flags.power import PowerChoice
from imaxproxy.conduct.replay.parts import Asked, PartMaker
from imaxproxy.conduct.replay.players import LocalPlayers, Players
from imaxproxy.conduct.replay.progress import LiveScreen, show_progress
from imaxproxy.conduct.replay.stopping import stops_on_signal
from imaxproxy.conduct.replay.summed import summed_up
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings
from imaxproxy.errors import UsageError
from imaxproxy.live.feed import Beside, PlayerFeed, SnapshotMaker
from imaxproxy.load.process import Crew
from imaxproxy.load.share import ALL, Share
from imaxproxy.load.start_time import StartTime
from imaxproxy.metrics import objectives_of
from imaxproxy.runs import Manifest, RunDirectory, share_record
from imaxproxy.wire import hot_path

_HIDDEN = frozenset({"api_key", "out", "as_json", "screen"})
WORKER_MODULE = "imaxproxy.conduct.replay.worker"


class Session:
    """Plays loads of one trace against one engine, a run directory each."""

    def __init__(
        self,
        trace: TraceFile,
        engine: Engine,
        wordings: Wordings,
        command: str,
        flags: dict[str, Any],
        share: Share = ALL,
        start: StartTime | None = None,
        screen: LiveScreen | None = None,
    ) -> None:
        """share: which part of the schedule is played here, from `start` on.  screen: where it is watched."""
        self._trace, self.engine, self._wordings = trace, engine, wordings
        self._command, self._flags = command, flags
        self._share, self._start, self._screen = share, start, screen
        self.interrupted = False
        """The last run was told to stop, be it when it was over already."""

    def play(self, load: Load, run: RunDirectory, crew: Crew) -> dict[str, Any]:
        """One run to its end; its summary. Raises when a worker died: the journal is summed up all the same."""
        return self.play_by(LocalPlayers(crew, self._share, self._flags["workers"]), load, run)

    def play_by(self, players: Players, load: Load, run: RunDirectory) -> dict[str, Any]:
        """As `play`, by whoever plays."""
        flags = self._flags
        if self.engine.context_tokens is not None:
            self._trace.warn_of_context(self.engine.context_tokens)
        if self.engine.keeps_prefixes is False:
            self._trace.warn_of_no_prefix_cache()
        salt = flags["salt"] if flags["salt"] is not None else secrets.token_hex(4)
        manifest = self._manifest(load, salt)
        manifest.write(run)
        wording = self._wordings.of(
            self.engine.url,
            self.engine.model,
            salt,
            makes_prompts=self._trace.makes_prompts,
            embedded=flags["simulate"],
        )
        maker = PartMaker(self._trace, self._wordings, load, flags)
        endless = load.loop or load.lanes is not None
        with contextlib.ExitStack() as until_summed_up:
            meter = self._meter()
            with meter.measuring(run) as metered:
                manifest = replace(manifest, settings=manifest.settings | metered)
                manifest.write(run)
                with (
                    self.engine.watched(players.interrupt),
                    engine_metrics(run, self._metrics_sources()),
                    exporting(run, flags, self.engine.described, self.engine.model),
                ):
                    stop = until_summed_up.enter_context(stops_on_signal(players))
                    engine = self.engine
                    asked = Asked(engine.url, engine.model, engine.dialect, engine.described)
                    players.begin(maker, asked, wording, salt, run)
                    requests = None if endless else self._trace.requests or flags["limit"]
                    feed = self._feed(load, run, players, requests)
                    with served_live(feed, flags.get("live_port")):
                        last = show_progress(players, requests, feed, self._screen)
                    stop.load_is_over = True
            found = players.finish()
            meter.take_recording(run, manifest)
            ended = ENGINE_DIED if self.engine.died else last.get("ended", "killed")
            facts = self._trace.facts(wait=True) | found.trace | {"prompts": wording.described}
            facts["system_idle_cut_s"] = None if load.system_idle_s is None else last.get("idle_cut_ns", 0) / NS_PER_S
            lost_lines = last.get("lost_lines", 0)
            manifest = replace(manifest, ended=ended, lost_lines=lost_lines, trace=facts, **found.manifest)
            shows = self._screen is None or not self._screen.is_up
            summary = summed_up(players, run, manifest, shows=shows)
        self.interrupted = stop.asked
        players.close()
        return summary

    def _feed(self, load: Load, run: RunDirectory, players: Players, requests: int | None) -> PlayerFeed:
        """What viewers of the run are shown."""
        flags, engine = self._flags, self.engine
        objectives = objectives_of(flags["slo"]) if flags.get("slo") else ()
        view = players.view(run, objectives)
        title = f"{self._command} {self._trace.path} -> {engine.url}"
        if view.nodes:
            title += f" on {len(view.nodes)} nodes"
        beside = Beside(run, engine.described, flags)
        return PlayerFeed(
            view,
            SnapshotMaker(self._command, title, monotonic_ns(), beside, objectives),
            simulated=engine.simulated_here or bool((engine.described or {}).get("simulated")),
            requests=requests,
            duration_s=load.duration_s,
            progress=self._screen.progress if self._screen is not None else None,
        )

    def _meter(self) -> PowerMeter:
        engine, launched = self.engine, self.engine.launched
        is_ours = "power" in self._flags and not engine.metered_there
        choice = PowerChoice.of(self._flags) if is_ours else PowerChoice()
        pids = launched.pids if launched is not None else ()
        return PowerMeter(choice, (engine.url,), engine.described or {}, engine.simulated_here, pids)

    def _metrics_sources(self) -> list[tuple[str, str | None]]:
        if self._flags["engine_metrics"] is False:
            return []
        if self.engine.metrics_sources:
            return self.engine.metrics_sources
        if self.engine.launched is not None:
            return self.engine.launched.metrics_sources
        return [(str(self.engine.url), None)] if self._flags["engine_metrics"] else []

    def _manifest(self, load: Load, salt: str) -> Manifest:
        settings = {name: _plain(value) for name, value in self._flags.items() if name not in _HIDDEN}
        settings |= {"url": str(self.engine.url), "model": self.engine.model, "salt": salt}
        settings |= {"dialect": self.engine.dialect.name}
        settings |= {"rate": load.rate, "concurrency": load.concurrency, "seed": load.seed}
        facts = self._trace.facts(wait=False)
        return Manifest(
            self._command,
            without_key(sys.argv),
            settings,
            engine=self.engine.described,
            trace=facts,
            hot_path=hot_path(),
            shares=self._shares(),
        )

    def _shares(self) -> list[dict[str, Any]] | None:
        """For the manifest, and for `imaxproxy merge`; None for a whole run."""
        if self._start is None:
            return None
        workers = list(self._share.workers(self._flags["workers"]))
        return [share_record(self._share.index, self._share.of, workers, self._start.zero_ns, self._start.as_dict())]


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def check_key(api_key: str | None) -> None:
    """Raises UsageError for a key that no header can hold."""
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise UsageError("--api-key (or OPENAI_API_KEY) holds a line break or other characters that no header can")


def without_key(argv: list[str]) -> list[str]:
    """The command line as it may be written down."""
    hidden = list(argv)
    for index, word in enumerate(hidden):
        if word == "--api-key" and index + 1 < len(hidden):
            hidden[index + 1] = "***"
        elif word.startswith("--api-key="):
            hidden[index] = "--api-key=***"
    return hidden
