"""Plays a sweep on a Ray cluster: points in parallel on all nodes, as far as its CPUs and GPUs allow."""

import contextlib
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from imaxproxy.cluster import Cluster, check_versions, fetch, is_gone, ship
from imaxproxy.cluster.nodes import facts_of_all, own_facts
from imaxproxy.conduct.output import say
from imaxproxy.conduct.sweeps.conductor import Conductor
from imaxproxy.conduct.sweeps.sweeper import PointAnswer, PointJob, RaySweeper, name_of
from imaxproxy.errors import ImaxproxyError
from imaxproxy.launch import load_recipe
from imaxproxy.sweep import Curve, Point, Variant
from imaxproxy.sweep.point import REAL, SIMULATE, VIRTUAL
from imaxproxy.traces import trace_sha256
from imaxproxy.traces.file import found, trace_files

_CPUS = {VIRTUAL: 1.0, SIMULATE: 2.0}
"""A point in virtual time is one process; a live one has a simulated engine beside its player. Else: the player."""
_MOST_AT_ONCE = 64
_CLOSE_S, _STOP_S = 30.0, 5.0
_THREADS = 2
"""Of a place: one plays, one hears that it is to stop."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a place for a variant's points takes of a node."""

    cpus: float
    gpus: int = 0
    spans: str | None = None
    """The recipe's name, if its engine spans nodes: a point is played on one."""

    @classmethod
    def of(cls, variant: Variant) -> "Wants":
        """GPUs where a real engine is launched: all of its recipe."""
        cpus = _CPUS.get(variant.mode, 1.0)
        if variant.mode != REAL:
            return cls(cpus)
        recipe = load_recipe(variant.argv[variant.argv.index("--engine") + 1])
        return cls(cpus, recipe.gpu.count, recipe.name if recipe.parallel.nodes > 1 else None)


class RaySweep:
    """The cluster, as a sweep uses it."""

    def __init__(self, cluster: Cluster, jobs: int | None) -> None:
        """jobs: so many points at once; None: as many as the cluster has CPUs for.

        Raises UsageError for a node with other versions than ours.
        """
        self._cluster, self._ray = cluster, cluster.ray
        self._nodes = cluster.nodes()
        check_versions(own_facts(), facts_of_all(cluster.ray, self._nodes))
        cpus = int(sum(node.cpus for node in self._nodes))
        self._jobs = jobs or max(1, min(cpus, _MOST_AT_ONCE))
        say(f"imaxproxy: {len(self._nodes)} nodes, {cpus} CPUs: up to {self._jobs} points at once")

    def play(self, curves: Sequence[Curve], conductor: Conductor) -> None:
        """All of them. On Ctrl-C the places are ended, and the points that they were at stay undone."""
        if not curves:
            return
        groups = _groups(curves)
        waiting = list(reversed(groups))
        places: list[_Place] = []
        lock = threading.Lock()

        def work() -> None:
            while not conductor.stopped:
                with lock:
                    if not waiting:
                        return
                    group = waiting.pop()
                    place = _Place(self._ray, Wants.of(group[0].variant))
                    places.append(place)
                with contextlib.closing(place):
                    for curve in group:
                        conductor.play(curve, place.play)

        try:
            with ThreadPoolExecutor(min(self._jobs, len(groups))) as pool:
                threads = [pool.submit(work) for _ in range(min(self._jobs, len(groups)))]
                try:
                    for thread in threads:
                        thread.result()
                except BaseException:  # also Ctrl-C: raised again when all has ended
                    conductor.stop()
                    with lock:
                        for place in places:
                            place.kill()
                    raise
        finally:
            for place in places:
                place.kill()


def _groups(curves: Sequence[Curve]) -> list[list[Curve]]:
    """What one place plays: a curve in virtual time; else all curves of a variant, whose engine is one."""
    if all(curve.variant.mode == VIRTUAL for curve in curves):
        return [[curve] for curve in curves]
    by_engine = groupby(sorted(curves, key=lambda curve: _engine_of(curve.variant)), lambda c: _engine_of(c.variant))
    return [list(group) for _, group in by_engine]


def _engine_of(variant: Variant) -> str:
    """Points at one URL, or of one launched engine, do not go side by side: they would load the same engine."""
    if "--url" in variant.argv:
        return variant.argv[variant.argv.index("--url") + 1]
    return variant.name


class _Place:
    """An actor on whichever node has room, made for the first point, and anew when its node has died."""

    def __init__(self, ray: Any, wants: Wants) -> None:  # noqa: ANN401 (a library that may not be there)
        self._ray, self._wants = ray, wants
        self._actor: Any = None
        self._there: dict[str, str] = {}
        """A file's path here -> its path there."""
        self._killed = False

    def play(self, point: Point) -> None:
        """Raises ImaxproxyError with the reason of a point that could not be played, or whose node died."""
        if self._killed:
            raise ImaxproxyError("interrupted")
        self._check_possible()
        try:
            actor = self._started()
            argv = self._translated(point)
            job = PointJob(argv, point.repeat - 1, point.variant.name, point.variant.mode)
            answer: PointAnswer = self._ray.get(actor.play.remote(job))
            self._take(point.run, answer)
        except ImaxproxyError:
            raise
        except Exception as error:
            if not is_gone(error):
                raise
            self._forget()
            why = "interrupted" if self._killed else f"its node was lost ({type(error).__name__})"
            raise ImaxproxyError(why) from error
        if answer.error is not None:
            raise ImaxproxyError(answer.error)

    def kill(self) -> None:
        """End it at once; nothing is started any more."""
        self._killed = True
        if (actor := self._actor) is not None:
            with contextlib.suppress(Exception):
                self._ray.wait([actor.stop.remote()], timeout=_STOP_S)
                self._ray.kill(actor)

    def close(self) -> None:
        """Let it go, with what it holds there."""
        if (actor := self._actor) is not None:
            with contextlib.suppress(Exception):
                self._ray.wait([actor.close.remote()], timeout=_CLOSE_S)
                self._ray.kill(actor)
        self._forget()

    def _check_possible(self) -> None:
        """Raises ImaxproxyError for what no node could ever hold: Ray would wait for one for ever."""
        if self._wants.spans is not None:
            raise ImaxproxyError(
                f"recipe {self._wants.spans} spans nodes, and a sweep plays each point on one: play each load with "
                "imaxproxy replay TRACE --engine RECIPE --ray auto --engine-replicas 1"
            )
        sizes = [row["Resources"] for row in self._ray.nodes() if row["Alive"]]
        fits = any(size.get("CPU", 0) >= self._wants.cpus and size.get("GPU", 0) >= self._wants.gpus for size in sizes)
        if not fits:
            raise ImaxproxyError(
                f"it wants {self._wants.cpus:g} CPUs and {self._wants.gpus} GPUs on one node, and no node has them"
            )

    def _started(self) -> Any:  # noqa: ANN401
        if self._actor is None:
            options = {"num_cpus": self._wants.cpus, "num_gpus": self._wants.gpus, "scheduling_strategy": "SPREAD"}
            remote = self._ray.remote(RaySweeper)
            self._actor = remote.options(
                max_restarts=0, max_task_retries=0, max_concurrency=_THREADS, **options
            ).remote()
        return self._actor

    def _forget(self) -> None:
        self._actor, self._there = None, {}

    def _translated(self, point: Point) -> tuple[str, ...]:
        """Its flags, with the trace and the recipe's file as they lie on that node; without --out."""
        words = list(point.argv)
        at = words.index("--out")
        del words[at : at + 2]
        words[0] = self._placed(words[0], found(Path(words[0])))
        if "--engine" in words:
            at = words.index("--engine") + 1
            if Path(words[at]).is_file():
                words[at] = self._placed(words[at], Path(words[at]))
        return tuple(words)

    def _placed(self, word: str, path: Path) -> str:
        """Where a file lies there: at its own path where that is the same, else shipped."""
        if word not in self._there:
            name = str(path.resolve()) if Path(word).exists() else word
            sha256 = trace_sha256(path)
            actor = self._started()
            if self._ray.get(actor.has.remote(name, sha256)):
                self._there[word] = name
            else:
                self._there[word] = self._shipped(actor, path, sha256)
        return self._there[word]

    def _shipped(self, actor: Any, path: Path, sha256: str) -> str:  # noqa: ANN401
        base = name_of(path, sha256)
        files = [(base if file == path else f"{base}/{file.relative_to(path)}", file) for file in trace_files(path)]
        ship(self._ray, lambda name, piece: actor.take.remote(name, piece), files)
        place: str = self._ray.get(actor.take.remote(files[0][0], b""))
        return str(Path(place).parent) if path.is_dir() else place

    def _take(self, run: Path, answer: PointAnswer) -> None:
        """Copy the run directory to here, whole or not at all."""
        beside = run.with_name(f".{run.name}.part")
        shutil.rmtree(beside, ignore_errors=True)
        try:
            for facts in answer.files:
                to = beside / Path(*Path(facts.name).parts[2:])
                to.parent.mkdir(parents=True, exist_ok=True)
                fetch(self._ray, self._actor.read.remote, facts, to)
            if answer.files:
                beside.rename(run)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextlib.contextmanager
def on_cluster(address: str, jobs: int | None) -> Iterator[RaySweep]:
    """The cluster for as long as the sweep lasts. Raises UsageError where it cannot be joined."""
    with Cluster(address) as cluster:
        yield RaySweep(cluster, jobs)
