"""`imaxproxy replay --virtual`: schedule and simulated engine as one discrete-event simulation, in this process."""

import contextlib
import sys
from dataclasses import replace
from typing import Any

from imaxproxy.cli.load_flags import Load
from imaxproxy.cli.session import TraceFile, without_key
from imaxproxy.errors import UsageError
from imaxproxy.launch import load_recipe, simulated_argv
from imaxproxy.load.virtual import VirtualPlayer
from imaxproxy.load.virtual_request import RequestMaker
from imaxproxy.runs import Journal, Manifest, RunDirectory, summarize
from imaxproxy.sim import PowerLog, assemble, parse_args
from imaxproxy.traces import Prompts

VIRTUAL_CLOCK = {"source": "virtual", "monotonic_ns": 0, "unix_s": None}
"""Times in the journal count from the start of the run; nothing on the wall's clock corresponds to them."""


def replay_virtually(file: TraceFile, load: Load, run: RunDirectory, flags: dict[str, Any]) -> dict[str, Any]:
    """Play to the end; the summary. Raises UsageError for a recipe that cannot run, or a row that cannot be sent."""
    assembly = assemble(parse_args(simulated_argv(load_recipe(flags["recipe"]))))
    salt = flags["salt"] if flags["salt"] is not None else "virtual"  # nothing stays warm from one run to the next
    settings = {name: value for name, value in flags.items() if name not in ("api_key", "out", "as_json")}
    manifest = Manifest(
        "replay",
        without_key(sys.argv),
        settings | {"model": assembly.limits.model, "salt": salt},
        engine=assembly.described | {"clock": "virtual"},
        trace=file.facts(wait=False),
        clock=VIRTUAL_CLOCK,
    )
    manifest.write(run)
    maker = RequestMaker(assembly.limits, assembly.prefix_block_tokens, flags["endpoint"], Prompts(load.seed, salt))
    with contextlib.ExitStack() as stack:
        journal = Journal(run)
        stack.callback(journal.close)
        power = _open_power(run, stack) if flags["power"] else None
        player = VirtualPlayer(
            assembly,
            maker,
            load.rules(),
            journal.add,
            speed=load.speed,
            tracks=not file.is_independent,
            power_sink=power.add if power else None,
        )
        ended = player.play(load.scheduled(file.rows()))
    cluster = player.cluster
    engine = manifest.engine or {}
    engine = engine | {"board_energy_j": cluster.energy_j, "steps": cluster.steps}
    facts = file.facts(wait=True)
    replace(manifest, ended=ended.value, engine=engine, trace=facts, lost_lines=journal.lost).write(run)
    return summarize(run)


def _open_power(run: RunDirectory, stack: contextlib.ExitStack) -> PowerLog:
    try:
        log = PowerLog((run.path / "power.jsonl").open("wb", buffering=1 << 20))
    except OSError as error:
        raise UsageError(f"cannot write {run.path / 'power.jsonl'}: {error.strerror}") from error
    stack.callback(log.close)
    return log
