"""`imaxproxy replay --virtual`: schedule and simulated engine as one discrete-event simulation, in this process."""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaxproxy.cli.trace_facts import trace_facts
from imaxproxy.errors import UsageError
from imaxproxy.launch import load_recipe, simulated_argv
from imaxproxy.load.player import Rules
from imaxproxy.load.schedule import Scheduled
from imaxproxy.load.virtual import VirtualPlayer
from imaxproxy.load.virtual_request import RequestMaker
from imaxproxy.runs import Journal, Manifest, RunDirectory, summarize
from imaxproxy.sim import PowerLog, assemble, parse_args
from imaxproxy.traces import LookAhead, Prompts, Trace

VIRTUAL_CLOCK = {"source": "virtual", "monotonic_ns": 0, "unix_s": None}
"""Times in the journal count from the start of the run; nothing on the wall's clock corresponds to them."""


def replay_virtually(
    path: Path, rows: Trace, ahead: LookAhead, scheduled: Scheduled, run: RunDirectory, flags: dict[str, Any]
) -> dict[str, Any]:
    """Play to the end; the summary. Raises UsageError for a recipe that cannot run, or a row that cannot be sent."""
    assembly = assemble(parse_args(simulated_argv(load_recipe(flags["recipe"]))))
    salt = flags["salt"] if flags["salt"] is not None else "virtual"  # nothing stays warm from one run to the next
    settings = {name: value for name, value in flags.items() if name not in ("api_key", "out", "as_json")}
    manifest = Manifest(
        "replay",
        sys.argv,
        settings | {"model": assembly.limits.model, "salt": salt},
        engine=assembly.described | {"clock": "virtual"},
        trace=trace_facts(path, rows),
        clock=VIRTUAL_CLOCK,
    )
    manifest.write(run)
    maker = RequestMaker(assembly.limits, assembly.prefix_block_tokens, flags["endpoint"], Prompts(flags["seed"], salt))
    with contextlib.ExitStack() as stack:
        journal = Journal(run)
        stack.callback(journal.close)
        power = _open_power(run, stack) if flags["power"] else None
        player = VirtualPlayer(
            assembly,
            maker,
            Rules(flags["concurrency"], flags["duration"]),
            journal.add,
            speed=flags["speed"],
            tracks=not ahead.whole or any(row.session_id or row.wait_for for row in ahead.rows),
            power_sink=power.add if power else None,
        )
        ended = player.play(scheduled)
    energy_j = player.cluster.energy_j
    engine = assembly.described | {"clock": "virtual", "board_energy_j": energy_j, "steps": player.cluster.steps}
    replace(manifest, ended=ended.value, engine=engine, trace=trace_facts(path, rows), lost_lines=journal.lost).write(
        run
    )
    return summarize(run)


def _open_power(run: RunDirectory, stack: contextlib.ExitStack) -> PowerLog:
    try:
        log = PowerLog((run.path / "power.jsonl").open("wb", buffering=1 << 20))
    except OSError as error:
        raise UsageError(f"cannot write {run.path / 'power.jsonl'}: {error.strerror}") from error
    stack.callback(log.close)
    return log
