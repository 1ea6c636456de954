"""One run of a load client: client -> source, the client alone on its core."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import Client
from benchmarks.cpu import cores, steal_s
from benchmarks.process import Child, Ended
from benchmarks.rig import Load, Source
from benchmarks.truth import Figures, Truth


@dataclass(frozen=True)
class StartUp:
    """A run of one request of two tokens: what a client costs before and after its streams."""

    name: str
    cpu_s: float
    wall_s: float
    first_request_s: float


@dataclass(frozen=True)
class PlayerResult:
    """CPU of a client from its start to its end (all in), and that less its start-up (marginal), over events."""

    name: str
    phases: str
    streams: int
    events: int
    wall_s: float
    all_in_us: float
    marginal_us: float
    system_share: float
    core_share: float
    reported: Figures
    remark: str
    truth: Figures
    incomplete: int
    source_late_max_us: float
    steal_s: float


def run(client: Client, load: Load, folder: Path) -> tuple[Ended, Truth]:
    source = Source(load, folder)
    try:
        job = client.job(source.url, load, folder)
        ended = Child(cores()[1], job.command, folder / "log", job.env).wait(load.limit_s)
    finally:
        source.stop()
    return ended, source.truth()


def start_up(client: Client, folder: Path) -> StartUp:
    ended, truth = run(client, Load(streams=1, requests=1, tokens=2), folder)
    return StartUp(client.name, ended.cpu_s, ended.wall_s, (truth.first_request_ns - ended.started_ns) / 1e9)


def played(client: Client, load: Load, start_up_s: float, folder: Path) -> PlayerResult:
    stolen_s = steal_s()
    ended, truth = run(client, load, folder)
    return PlayerResult(
        client.name,
        load.phases,
        load.streams,
        truth.events,
        ended.wall_s,
        ended.cpu_s / truth.events * 1e6,
        (ended.cpu_s - start_up_s) / truth.events * 1e6,
        ended.system_s / ended.cpu_s,
        ended.cpu_s / ended.wall_s,
        *client.reported(ended.output, folder),
        truth.figures,
        truth.incomplete,
        truth.late_max_us,
        steal_s() - stolen_s,
    )
