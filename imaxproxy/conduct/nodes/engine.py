"""One node's part of a recipe's engine, with the power of its boards: the actor. Imports no Ray."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imaxproxy.clock import NS_PER_S, monotonic_ns
from imaxproxy.cluster import FileFacts, NodeFiles
from imaxproxy.conduct.engine.chosen import first_model, listed_models
from imaxproxy.conduct.engine.launching import LaunchedRecipe, LaunchFlags
from imaxproxy.conduct.engine.metering import PowerMeter
from imaxproxy.conduct.engine.upstream import SimulatedRecipe
from imaxproxy.conduct.flags.power import PowerChoice
from imaxproxy.conduct.flags.simulation import Simulation
from imaxproxy.errors import ImaxproxyError
from imaxproxy.power import read_now
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.merged_samples import own_power
from imaxproxy.wire import BaseUrl

if TYPE_CHECKING:
    from imaxproxy.launch import NodePart


@dataclass(frozen=True, slots=True)
class PartOrder:
    """What one node is told to start."""

    flags: dict[str, Any]
    """Of `replay`."""
    recipe_name: str
    recipe_text: str
    """Its TOML, whole: a recipe of the user's own lies on the command's machine alone."""
    launch: LaunchFlags
    address: str
    """The node's, where it listens."""
    part: "NodePart | None" = None
    """None: all of the engine is on this node."""


@dataclass(frozen=True, slots=True)
class PartUp:
    """A part that runs, and what it is."""

    url: str
    """The engine's base, as a client takes it, if this is its head."""
    model: str
    described: dict[str, Any]
    metrics: tuple[tuple[str, str | None], ...] = ()
    """Where its /metrics are: root URL, name."""


@dataclass(frozen=True, slots=True)
class PartFailed:
    """Why it did not come up, or is no more."""

    says: str
    died_ns: int | None = None
    """When its process ended, by the node's own clock; None: it has not."""


class RayEngine:
    """Its methods are the actor's; several may run at once. The engine is started and stopped by one thread."""

    def __init__(self, below: str | None) -> None:
        self._files = NodeFiles("imaxproxy-engine-", below)
        self._run = RunDirectory(self._files.folder / "run")
        self._run.path.mkdir()
        self._stack = contextlib.ExitStack()
        self._metering = contextlib.ExitStack()
        self._launched: LaunchedRecipe | None = None
        self._meter: PowerMeter | None = None
        self._thread = ThreadPoolExecutor(1)

    def __repr__(self) -> str:
        return "<RayEngine>"

    def clock(self) -> int:
        """CLOCK_MONOTONIC, ns."""
        return monotonic_ns()

    def meeting_port(self, address: str, in_a_row: int) -> int:
        """The first of so many free ports here, at which the engine's parts will meet."""
        from imaxproxy.launch import free_port

        return free_port(address, in_a_row)

    def start(self, order: PartOrder) -> PartUp | PartFailed:
        """Start it. A head is up when it serves; another part once it runs. What a user can mend is the answer."""
        return self._thread.submit(self._start, order).result()

    def watch(self) -> PartFailed | None:
        """Now that all parts are up: hear of inner processes that end, and sample the power of this node's boards."""
        return self._thread.submit(self._watch).result()

    def stands(self) -> tuple[float, str]:
        """How far its start has come, 0 to 1, and what that is called."""
        return (0.0, "starting") if self._launched is None else self._launched.engine.stands

    def death(self) -> PartFailed | None:
        """Its last words, when it has died."""
        launched = self._launched
        if launched is None or launched.engine.death is None:
            return None
        death = launched.engine.death
        return PartFailed(f"{death}. {launched.engine.last_words()}", round(death.seen_s * NS_PER_S))

    def power_now(self) -> dict[str, Any] | None:
        """What its boards draw and have drawn, by this node's clock; None where nobody samples, or not yet."""
        try:
            return read_now(self._run.power_now)
        except ImaxproxyError:  # unreadable: the summary will say what is wrong with the samples
            return None

    def finish(self, to_command_ns: int, name: str) -> tuple[FileFacts, ...]:
        """End the engine; the power, on the command's clock, and what its processes printed.

        What samples is stopped first; a simulated engine writes its power itself, and all of it only at its end.
        """
        self._end()
        moved = self._files.folder / "moved"
        moved.mkdir()
        if self._run.power.exists():
            with (moved / "power.jsonl").open("wb") as file:
                file.writelines(own_power(self._run, name, to_command_ns))
        for log in self._run.path.glob("*.log"):
            os.replace(log, moved / log.name)
        return tuple(FileFacts.of(self._files.folder, path) for path in sorted(moved.iterdir()))

    def read(self, name: str, from_byte: int) -> bytes:
        """A piece of one of its files."""
        return self._files.read(name, from_byte)

    def close(self) -> None:
        """End the engine, and leave nothing behind."""
        self._end()
        self._files.remove()

    def _end(self) -> None:
        """End it, also while it is starting."""
        if self._launched is not None:
            self._launched.engine.give_up("it is no longer wanted")
        self._thread.submit(self._close).result()

    def _start(self, order: PartOrder) -> PartUp | PartFailed:
        try:
            return self._started(order)
        except ImaxproxyError as error:
            death = self.death()
            says = str(error).partition(". Log: ")[0]  # where it lies here is of no use there: it is fetched
            return PartFailed(says, None if death is None else death.died_ns)

    def _started(self, order: PartOrder) -> PartUp:
        recipe = self._run.path / f"{order.recipe_name}.toml"
        recipe.write_text(order.recipe_text)
        flags, power = order.flags, PowerChoice.of(order.flags)
        if flags["simulate"]:
            simulated = self._stack.enter_context(
                SimulatedRecipe(
                    str(recipe), self._run.path, Simulation.of(flags), power=power.is_on, host=order.address
                )
            )
            url = BaseUrl.parse(simulated.base_url, "--engine")
            model = flags["model"] or first_model(url, listed_models(url, flags["api_key"]))
            return PartUp(str(url), model, simulated.describe())
        self._launched = LaunchedRecipe(str(recipe), self._run.path, order.launch, order.address, order.part)
        launched = self._stack.enter_context(self._launched)
        url, described = BaseUrl.parse(launched.base_url, "--engine"), launched.describe()
        is_head = launched.launch.is_head
        here = described | {"gpus": launched.recipe.gpus_per_node or None}
        self._meter = PowerMeter(power, (url,) if is_head else (), here, pids=launched.pids)
        sources = tuple(launched.metrics_sources) if is_head else ()
        return PartUp(str(url), flags["model"] or launched.model, described, sources)

    def _watch(self) -> PartFailed | None:
        if self._launched is not None:
            self._launched.engine.watch_parts()
        try:
            if self._meter is not None:
                self._metering.enter_context(self._meter.measuring(self._run))
        except ImaxproxyError as error:
            return PartFailed(str(error))
        return None

    def _close(self) -> None:
        self._metering.close()
        self._stack.close()
