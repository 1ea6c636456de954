"""The order of the runs: contestants take turns within each repeat, and what fails is noted while the rest goes on."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from benchmarks.build import bytecode, program
from benchmarks.clients import CLIENTS, Client
from benchmarks.paths import RUNS, Unavailable
from benchmarks.player_case import played, start_up
from benchmarks.probes import help_time, memory
from benchmarks.proxies import PROXIES, Proxy
from benchmarks.proxy_case import direct, proxied
from benchmarks.requests_case import rate
from benchmarks.rig import Load

KINDS = "proxy", "requests", "player", "startup", "help", "memory"
Contestant = TypeVar("Contestant", Proxy, Client)


@dataclass(frozen=True)
class Failed:
    """A contestant that gave no figure, and why."""

    kind: str
    name: str
    streams: int | None
    reason: str


class Bench:
    """All runs of one command."""

    def __init__(self, only: tuple[str, ...]) -> None:
        program("source"), program("client"), bytecode()
        self.results: dict[str, list[Any]] = {kind: [] for kind in KINDS}
        self.failed: list[Failed] = []
        self.versions: dict[str, str] = {}
        self._only = only

    def proxies(self, loads: list[Load], repeats: int) -> None:
        present = self._present("proxy", PROXIES)
        for load in loads:
            for repeat in range(repeats):
                self._run("proxy", "direct", load, partial(direct, load))
                able = [proxy for proxy in present if load.streams <= (proxy.most_streams or load.streams)]
                for proxy in turned(able, repeat):
                    self._run("proxy", proxy.name, load, partial(proxied, proxy, load))

    def requests(self, connections: int, seconds: float, repeats: int) -> None:
        present = self._present("requests", PROXIES)
        for repeat in range(repeats):
            for proxy in turned(present, repeat):
                self._run("requests", proxy.name, None, partial(rate, proxy, connections, seconds))

    def players(self, loads: list[Load], repeats: int) -> None:
        for client in self._present("player", CLIENTS):
            for _ in range(3):
                self._run("startup", client.name, None, partial(start_up, client))
        cpu_s = {
            name: median(run.cpu_s for run in self.results["startup"] if run.name == name) for name in self._started()
        }
        present = [client for client in CLIENTS if client.name in cpu_s]
        for load in loads:
            for repeat in range(repeats):
                for client in turned(present, repeat):
                    self._run("player", client.name, load, partial(played, client, load, cpu_s[client.name]))

    def start_ups(self, repeats: int) -> None:
        self._run("help", "imaxproxy --help", None, lambda folder: help_time(repeats))
        if not self.results["startup"]:
            for client in self._present("startup", CLIENTS):
                for _ in range(repeats):
                    self._run("startup", client.name, None, partial(start_up, client))

    def memory(self, load: Load) -> None:
        for proxy in self._present("memory", PROXIES):
            self._run("memory", proxy.name, load, partial(memory, proxy, load))

    def _started(self) -> set[str]:
        return {run.name for run in self.results["startup"]}

    def _present(self, kind: str, contestants: Sequence[Contestant]) -> list[Contestant]:
        """Those that are installed, or could be now."""
        present = []
        for contestant in contestants:
            if self._only and not any(part in contestant.name for part in self._only):
                continue
            try:
                self.versions[contestant.name] = contestant.version()
                present.append(contestant)
            except Unavailable as reason:
                self._fail(kind, contestant.name, None, str(reason))
        return present

    def _run(self, kind: str, name: str, load: Load | None, measure: Callable[[Path], Any]) -> None:
        """One measurement in an empty folder of its own. Any failure is that contestant's, and is printed."""
        folder = RUNS / f"{kind}-{name.replace(' ', '-')}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            result = measure(folder)
        except Exception as reason:  # the table says it; one contestant's fault must not cost the others' figures
            self._fail(kind, name, load.streams if load else None, f"{type(reason).__name__}: {reason}")
            return
        self.results[kind].append(result)
        print(f"{kind} {result}", file=sys.stderr, flush=True)

    def _fail(self, kind: str, name: str, streams: int | None, reason: str) -> None:
        self.failed.append(Failed(kind, name, streams, reason))
        print(f"{kind} {name} at {streams or 'any'} streams: FAILED: {reason}", file=sys.stderr, flush=True)


def turned(contestants: list[Contestant], by: int) -> list[Contestant]:
    """Another one first each time, so that none always follows the same one."""
    by %= max(1, len(contestants))
    return contestants[by:] + contestants[:by]
