"""What went with lost workers is counted on the schedule itself."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from cli.command import write_trace

from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.replay.lost_schedule import loss_of
from imaxproxy.conduct.replay.parts import PartMaker
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wordings
from imaxproxy.runs import RunDirectory

FLAGS: dict[str, Any] = {
    "format_": "auto", "skip_bad": False, "limit": None, "time_unit": None, "tokenizer": None, "max_idle_gap": None,
}  # fmt: skip


def maker(folder: Path, load: Load, rows: int = 40, **fields: object) -> PartMaker:
    trace = TraceFile(write_trace(folder / "trace.jsonl", rows, **fields), FLAGS)
    return PartMaker(trace, Wordings(FLAGS), load, FLAGS)


def lost(made: PartMaker, workers: set[int], folder: Path) -> dict[str, Any] | None:
    loss = loss_of(made, workers, 4, RunDirectory(folder), "node b", 0.01)
    return None if loss is None else loss.as_dict()


def test_nothing_lost(tmp_path: Path) -> None:
    assert lost(maker(tmp_path, Load()), set(), tmp_path) is None


def test_requests_of_lost_workers_that_no_journal_has(tmp_path: Path) -> None:
    made = maker(tmp_path, Load())
    found = lost(made, {1, 3}, tmp_path)
    assert found is not None
    assert (found["share"], found["requests"], found["counted_by"], found["workers"]) == (0.5, 20, "requests", [1, 3])
    ids = [row.request_id for _, row in made.load.scheduled(made.trace.rows())][1::4]
    lines = [orjson.dumps({"request_id": name}) + b"\n" for name in ids[:5]]
    RunDirectory(tmp_path).journal(1).write_bytes(b"".join(lines))
    found = lost(made, {1, 3}, tmp_path)
    assert found is not None
    assert found["requests"] == 15


@pytest.mark.parametrize(
    ("load", "share", "counted_by"),
    [
        (Load(duration_s=0.1), 3 / 11, "requests"),  # stamps 0 to 100 ms
        (Load(concurrency=4), 0.25, "requests"),  # a closed loop without a --duration plays all
        (Load(concurrency=4, duration_s=1.0), 0.25, "workers"),  # how many it would have played depends on the engine
        (Load(loop=True, duration_s=1.0), 0.25, "workers"),
    ],
)
def test_what_the_schedule_is_says_how_it_is_counted(tmp_path: Path, load: Load, share: float, counted_by: str) -> None:
    found = lost(maker(tmp_path, load), {0}, tmp_path)
    assert found is not None
    assert (found["share"], found["counted_by"]) == (share, counted_by)
