"""`imaxproxy replay --virtual`: schedule and simulated engine as one discrete-event simulation, in this process."""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaxproxy.clock import NS_PER_S
from imaxproxy.conduct.flags.judging import exit_code
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.flags.power import PowerChoice
from imaxproxy.conduct.flags.simulation import simulated_args
from imaxproxy.conduct.output import print_repeats, print_result, say
from imaxproxy.conduct.replay.session import without_key
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.summing import sum_up
from imaxproxy.errors import UsageError
from imaxproxy.launch import load_recipe
from imaxproxy.load import IdleCap, Scheduled, cancel_of
from imaxproxy.load.feeding import HELD_WEIGHT
from imaxproxy.load.live_history import LiveHistory
from imaxproxy.load.virtual import Users, VirtualPlayer
from imaxproxy.load.virtual_request import RequestMaker
from imaxproxy.power import PowerLog
from imaxproxy.runs import Journal, Manifest, RunDirectory, repeats, write_json
from imaxproxy.sim import Assembly, assemble
from imaxproxy.traces import Prompts, TextSalt

VIRTUAL_CLOCK = {"source": "virtual", "monotonic_ns": 0, "unix_s": None}
"""Times in the journal count from the start of the run; nothing on the wall's clock corresponds to them."""


def replay_virtually(path: Path, load: Load, flags: dict[str, Any]) -> int:
    """Play, print, and give the exit code. Raises UsageError for what cannot run or be sent."""
    session = VirtualSession(path, "replay", flags)
    session.check(load)
    session.warn_of_context()
    run = RunDirectory.create(flags["out"], "replay")
    if flags["repeat"] == 1:
        summary = session.play(load, run)
        print_result(summary, run, as_json=flags["as_json"])
        return exit_code(summary, strict=flags["strict"])
    summaries, names = [], []
    for number in range(flags["repeat"]):
        one = RunDirectory.create(run.path / f"repeat-{number + 1}", "replay")
        summaries.append(session.play(load, one, number))
        names.append(one.path.name)
    result = repeats(summaries, names)
    write_json(run.path / "repeats.json", result)
    say("imaxproxy: a simulation repeats itself but for drafts drawn anew: its spread is not a real engine's")
    print_repeats(result, run, as_json=flags["as_json"])
    return max(exit_code(summary, strict=flags["strict"]) for summary in summaries)


def play_virtually(path: Path, load: Load, flags: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """One run without a word on it; its summary.

    number: which repeat it is, from 0. Raises UsageError for what cannot run or be sent.
    """
    session = VirtualSession(path, "replay", flags)
    session.check(load)
    return session.play(load, RunDirectory.create(flags["out"], "replay"), number)


class VirtualSession:
    """Plays loads of one trace against one simulated deployment, a run directory each."""

    def __init__(self, path: Path, command: str, flags: dict[str, Any]) -> None:
        """Raises UsageError for a recipe that cannot be simulated, or a trace that cannot be read."""
        self._args = simulated_args(load_recipe(flags["recipe"]))
        self._file = TraceFile(path, flags)
        self._command, self._flags = command, flags

    def check(self, load: Load) -> None:
        """Raises UsageError for stamps or waits that cannot be played, as far as the trace was read."""
        self._file.check(load)

    def warn_of_context(self) -> None:
        """Say how many requests the engine will refuse, and whether it makes nothing of what they share."""
        assembly = assemble(self._args)
        self._file.warn_of_context(assembly.limits.context_tokens)
        if not assembly.prefix_block_tokens:
            self._file.warn_of_no_prefix_cache()

    def play(self, load: Load, run: RunDirectory, number: int = 0) -> dict[str, Any]:
        """One run to its end; its summary. number: which repeat it is: engines begin empty, and draw other drafts."""
        flags, file = self._flags, self._file
        assembly = assemble(replace(self._args, seed=self._args.seed + number))
        salt = flags["salt"] if flags["salt"] is not None else f"virtual-{number}"
        manifest = self._manifest(assembly, load, salt)
        manifest.write(run)
        maker = RequestMaker(assembly.limits, assembly.prefix_block_tokens, flags["endpoint"], Prompts(load.seed, salt))
        idle_cap = IdleCap(flags["max_idle_gap"], load.speed) if flags["max_idle_gap"] is not None else None
        users = Users(
            cancel=cancel_of(flags["cancel"], load.seed) if flags["cancel"] is not None else None,
            live=LiveHistory() if flags["history"] == "live" else None,
            continuous_usage=flags["continuous_usage"],
        )
        warmup: Scheduled = ()
        held_weight = HELD_WEIGHT
        if (plan := file.lanes) is None:
            scheduled = load.scheduled(file.rows(), idle_cap)
        else:
            warmup, scheduled = load.in_lanes(plan, file.again, TextSalt(salt), idle_cap)
            held_weight = plan.held_weight
        with contextlib.ExitStack() as stack:
            journal = Journal(run)
            stack.callback(journal.close)
            power = _open_power(run, stack) if "power" in flags and PowerChoice.of(flags).is_on else None
            player = VirtualPlayer(
                assembly,
                maker,
                load.rules(),
                journal.add,
                speed=load.speed,
                users=users,
                tracks=not file.is_independent,
                power_sink=power.add if power else None,
                held_weight=held_weight,
                in_order=file.lanes is None,
            )
            ended = player.play(scheduled, warmup)
        engine = (manifest.engine or {}) | {"board_energy_j": player.board_energy_j, "steps": player.cluster.steps}
        facts = file.facts(wait=True) | {
            "idle_cut_s": idle_cap.cut_s if idle_cap is not None else None,
            "system_idle_cut_s": None if load.system_idle_s is None else player.idle_cut_ns / NS_PER_S,
            "live_turns": users.live.turns if users.live is not None else 0,
            "answers_missing": users.live.answers_missing if users.live is not None else 0,
        }
        replace(manifest, ended=ended.value, engine=engine, trace=facts, lost_lines=journal.lost).write(run)
        return sum_up(run)

    def _manifest(self, assembly: Assembly, load: Load, salt: str) -> Manifest:
        settings = {name: value for name, value in self._flags.items() if name not in ("api_key", "out", "as_json")}
        settings |= {"model": assembly.limits.model, "salt": salt}
        settings |= {"rate": load.rate, "concurrency": load.concurrency, "seed": load.seed}
        return Manifest(
            self._command,
            without_key(sys.argv),
            settings,
            engine=assembly.described | {"clock": "virtual"},
            trace=self._file.facts(wait=False),
            clock=VIRTUAL_CLOCK,
        )


def _open_power(run: RunDirectory, stack: contextlib.ExitStack) -> PowerLog:
    try:
        log = PowerLog((run.path / "power.jsonl").open("wb", buffering=1 << 20))
    except OSError as error:
        raise UsageError(f"cannot write {run.path / 'power.jsonl'}: {error.strerror}") from error
    stack.callback(log.close)
    return log
