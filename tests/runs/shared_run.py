"""One run dealt out to several machines' run directories, each on a clock of its own, and the same run whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Exchange, HealthSample
from imaxproxy.runs import Journal, Manifest, RunDirectory, share_record, summarize
from imaxproxy.runs.journal import exchange_row
from imaxproxy.runs.shift import EXCHANGE_TIMES, line_of, shifted
from runs.made_run import ENGINE, UNIX_S, ZERO_NS

START = {"by": "wall_clock", "unix_s": UNIX_S, "error_ms": 0.5}
SETTINGS: dict[str, Any] = {"rate": 5.0, "seed": 7, "salt": "a", "workers": 1, "model": "m", "slo": "ttft_ms<500"}
TRACE = {"path": "t.jsonl", "sha256": "5e", "format": "mooncake", "live_turns": 1}


def make_share(
    path: Path,
    index: int,
    of: int,
    exchanges: Sequence[Exchange],
    *,
    clock_shift_ns: int = 0,
    settings: dict[str, Any] | None = None,
    ended: str = "finished",
    **record: object,
) -> Path:
    """A share of one worker, as `replay --share` leaves it on a machine whose clock is `clock_shift_ns` ahead."""
    path.mkdir(parents=True)
    run = RunDirectory(path)
    lines = [line_of(shifted(exchange_row(each), EXCHANGE_TIMES, clock_shift_ns)) for each in exchanges]
    run.journal(index).write_bytes(b"".join(lines))
    sample = HealthSample(index, ZERO_NS + clock_shift_ns, NS_PER_S, NS_PER_S // 100, {50: 50})
    run.meter(index).write_bytes(line_of(sample.as_dict()))
    host = {"host": f"host{index}", "clock_id": f"boot{index}"}
    row = share_record(index, of, [index], ZERO_NS + clock_shift_ns, START) | host | record
    clock = {"source": "CLOCK_MONOTONIC", "monotonic_ns": ZERO_NS + clock_shift_ns, "unix_s": UNIX_S}
    asked = SETTINGS | {"share": f"{index}/{of}"} | (settings or {})
    Manifest("replay", [], asked, engine=ENGINE, trace=TRACE, shares=[row], ended=ended, clock=clock).write(run)
    return path


def make_whole(path: Path, exchanges: Sequence[Exchange], of: int) -> RunDirectory:
    """The same, played by one process; its health is that of all shares' workers."""
    path.mkdir(parents=True)
    run = RunDirectory(path)
    journal = Journal(run)
    for exchange in exchanges:
        journal.add(exchange)
    for worker in range(of):
        journal.add_health(HealthSample(worker, ZERO_NS, NS_PER_S, NS_PER_S // 100, {50: 50}))
    journal.close()
    clock = {"source": "CLOCK_MONOTONIC", "monotonic_ns": ZERO_NS, "unix_s": UNIX_S}
    Manifest("replay", [], SETTINGS, engine=ENGINE, trace=TRACE, ended="finished", clock=clock).write(run)
    summarize(run)
    return run


def summary_of(run: RunDirectory) -> dict[str, Any]:
    return dict(orjson.loads(run.summary.read_bytes()))
