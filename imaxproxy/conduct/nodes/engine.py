"""One replica of a recipe's engine on a cluster's node, with the power of its boards: the actor. Imports no Ray."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import monotonic_ns
from imaxproxy.cluster import FileFacts, NodeFiles
from imaxproxy.conduct.engine.launching import LaunchedRecipe
from imaxproxy.conduct.engine.metering import PowerMeter
from imaxproxy.conduct.engine.upstream import EngineChoice, SimulatedRecipe
from imaxproxy.conduct.flags.power import PowerChoice
from imaxproxy.conduct.flags.simulation import Simulation
from imaxproxy.conduct.replay.session import first_model, listed_models
from imaxproxy.errors import ImaxproxyError
from imaxproxy.power import read_now
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.merged_samples import own_power
from imaxproxy.wire import BaseUrl


@dataclass(frozen=True, slots=True)
class ReplicaUp:
    """A replica that serves."""

    url: str
    """Its base, as a client takes it."""
    model: str
    described: dict[str, Any]
    metrics: tuple[tuple[str, str | None], ...] = ()
    """Where its /metrics are: root URL, name."""


class RayEngine:
    """Its methods are the actor's; several may run at once. The engine is started and stopped by one thread."""

    def __init__(self, below: str | None) -> None:
        self._files = NodeFiles("imaxproxy-engine-", below)
        self._run = RunDirectory(self._files.folder / "run")
        self._run.path.mkdir()
        self._stack = contextlib.ExitStack()
        self._metering = contextlib.ExitStack()
        self._launched: LaunchedRecipe | None = None
        self._thread = ThreadPoolExecutor(1)

    def __repr__(self) -> str:
        return "<RayEngine>"

    def clock(self) -> int:
        """CLOCK_MONOTONIC, ns."""
        return monotonic_ns()

    def start(self, flags: dict[str, Any], choice: EngineChoice, address: str) -> "ReplicaUp | str":
        """Start it, listening at this node's address, and its power after it. What a user can mend is the answer."""
        try:
            return self._thread.submit(self._start, flags, choice, address).result()
        except ImaxproxyError as error:
            return str(error)

    def death(self) -> str | None:
        """Its last words, when it has died."""
        if self._launched is not None and self._launched.died:
            return str(self._launched.engine.death)
        return None

    def power_now(self) -> dict[str, Any] | None:
        """What its boards draw and have drawn, by this node's clock; None where nobody samples, or not yet."""
        return read_now(self._run.power_now)

    def finish(self, to_command_ns: int, name: str) -> tuple[FileFacts, ...]:
        """End the engine; the power, on the command's clock, and the engine's log.

        What samples is stopped first; a simulated engine writes its power itself, and all of it only at its end.
        """
        self._thread.submit(self._close).result()
        moved = self._files.folder / "moved"
        moved.mkdir()
        if self._run.power.exists():
            with (moved / "power.jsonl").open("wb") as file:
                file.writelines(own_power(self._run, name, to_command_ns))
        if self._run.log.exists():
            os.replace(self._run.log, moved / "engine.log")
        return tuple(FileFacts.of(self._files.folder, path) for path in sorted(moved.iterdir()))

    def read(self, name: str, from_byte: int) -> bytes:
        """A piece of one of its files."""
        return self._files.read(name, from_byte)

    def close(self) -> None:
        """End the engine, and leave nothing behind."""
        self._thread.submit(self._close).result()
        self._files.remove()

    def _start(self, flags: dict[str, Any], choice: EngineChoice, address: str) -> ReplicaUp:
        power = PowerChoice.of(flags)
        if flags["simulate"]:
            simulated = self._stack.enter_context(
                SimulatedRecipe(flags["recipe"], self._run.path, Simulation.of(flags), power=power.is_on, host=address)
            )
            url = BaseUrl.parse(simulated.base_url, "--engine")
            model = flags["model"] or first_model(url, listed_models(url, flags["api_key"]))
            return ReplicaUp(str(url), model, simulated.describe())
        self._launched = launched = self._stack.enter_context(
            LaunchedRecipe(flags["recipe"], self._run.path, choice.launch, host=address)
        )
        url, described = BaseUrl.parse(launched.base_url, "--engine"), launched.describe()
        meter = PowerMeter(power, (url,), described, pids=launched.pids)
        self._metering.enter_context(meter.measuring(self._run))
        return ReplicaUp(str(url), flags["model"] or launched.model, described, tuple(launched.metrics_sources))

    def _close(self) -> None:
        self._metering.close()
        self._stack.close()
