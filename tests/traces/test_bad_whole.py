"""What is wrong with a whole file, in every published form that can be wrong so: seen through its reader."""

import json
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.traces import FORMATS, TraceRow, open_trace, unit_note
from imaxproxy.traces.checks import TraceChecks
from imaxproxy.traces.formats import TIME_UNITS_MS
from imaxproxy.traces.stamps import UNIT_NAMES


def read(path: Path, format: str, records: list[dict[str, Any]]) -> list[TraceRow]:
    if format in ("burstgpt", "tracelab-csv"):
        names = list(records[0])
        lines = [",".join(names), *(",".join(str(record[name]) for name in names) for record in records)]
    else:
        lines = [json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n")
    return list(open_trace(path, format=format))


def checked(rows: list[TraceRow]) -> TraceChecks:
    checks = TraceChecks()
    for number, row in enumerate(rows, 1):
        checks.add(f"t:{number}", row)
    checks.close()
    return checks


def mooncake(ids: list[int], number: int) -> dict[str, Any]:
    return {"timestamp": number, "input_length": 1024, "output_length": 1, "hash_ids": ids}


def bailian(ids: list[int], number: int) -> dict[str, Any]:
    lengths = {"input_length": 32, "output_length": 1}
    return {"chat_id": number, "parent_chat_id": -1, "timestamp": number, **lengths, "hash_ids": ids}


def canonical(ids: list[int], number: int) -> dict[str, Any]:
    return {"request_id": f"r{number}", "input_length": 1024, "output_length": 1, "hash_ids": ids}


def aiperf_mooncake(ids: list[int], number: int) -> dict[str, Any]:
    return {"session_id": f"s{number}", "timestamp": 0, "input_length": 1024, "output_length": 1, "hash_ids": ids}


HASHED = {"mooncake": mooncake, "bailian": bailian, "canonical": canonical, "aiperf-mooncake": aiperf_mooncake}


@pytest.mark.parametrize("format", HASHED)
def test_a_hash_id_under_two_parents(tmp_path: Path, format: str) -> None:
    rows = read(tmp_path / "t", format, [HASHED[format](ids, number) for number, ids in enumerate(([1, 2], [3, 2]))])
    assert dict(checked(rows).counts) == {"hash_id_under_two_parents": 1}


def test_a_hash_id_under_two_parents_within_a_conversation(tmp_path: Path) -> None:
    """WEKA's ids are of their own conversation: in another one the same id is another block."""

    def conversation(name: str, *of_turns: list[int]) -> dict[str, Any]:
        turns = [
            {"t": at, "type": "n", "in": 128, "out": 1, "hash_ids": ids, "api_time": 1, "think_time": 0}
            for at, ids in enumerate(of_turns)
        ]
        return {"id": name, "block_size": 64, "hash_id_scope": "local", "models": ["m"], "requests": turns}

    apart = read(tmp_path / "t", "weka", [conversation("a", [1, 2]), conversation("b", [3, 2])])
    assert not checked(apart).counts
    together = read(tmp_path / "t", "weka", [conversation("a", [1, 2], [3, 2])])
    assert dict(checked(together).counts) == {"hash_id_under_two_parents": 1}


def tracelab_csv(at: float) -> dict[str, Any]:
    row = {"session_id": f"s{at}", "arrival_time": at, "round_idx": 0, "prefix_len": 0, "input_len": 9}
    return {**row, "output_len": 1, "tool_wait_after_ms": 0}


def burstgpt(at: float) -> dict[str, Any]:
    names = ("Request tokens", "Response tokens", "Total tokens")
    return {"Timestamp": at, "Model": "ChatGPT", **dict.fromkeys(names, 1), "Log Type": "API log"}


TIMED = {
    "mooncake": lambda at: {"timestamp": at, "input_length": 9, "output_length": 1, "hash_ids": [0]},
    "canonical": lambda at: {"timestamp": at, "input_length": 9, "output_length": 1},
    "bailian": lambda at: bailian([], at) | {"timestamp": at, "chat_id": f"c{at}"},
    "burstgpt": burstgpt,
    "lmcache": lambda at: {"timestamp": at, "input": "a", "output": "b", "session_id": f"s{at}"},
    "tracelab-csv": tracelab_csv,
    "aibrix": lambda at: {"timestamp": at, "requests": [{"Prompt Length": 9, "Output Length": 1}]},
    "aiperf-mooncake": lambda at: {"session_id": f"s{at}", "timestamp": at, "input_length": 9, "output_length": 1},
}


@pytest.mark.parametrize("format", TIMED)
def test_a_wrong_unit_is_guessed_from_the_span_and_named(tmp_path: Path, format: str) -> None:
    """Ten minutes in seconds where the form has ms or us; 50 minutes in ms, which would be a month in seconds.

    Of the latter microseconds might be meant too, 100 requests/s for 3 s: so their span is doubted, and no unit named.
    """
    reads = FORMATS[format].time_unit
    wrote, apart_s = ("s", 2) if reads != "s" else ("ms", 10)
    a_second = round(1000 / TIME_UNITS_MS[wrote])
    rows = read(tmp_path / "t", format, [TIMED[format](apart_s * number * a_second) for number in range(301)])
    span_s = ((rows[-1].timestamp_ms or 0.0) - (rows[0].timestamp_ms or 0.0)) / 1000
    note = unit_note(span_s, len(rows), reads) or ""
    assert f"are they {UNIT_NAMES[reads]}?" in note
    assert (f"pass --time-unit {wrote}" in note) is (reads != "s")
    mended = list(open_trace(tmp_path / "t", format=format, time_unit=wrote))
    assert (mended[-1].timestamp_ms or 0.0) - (mended[0].timestamp_ms or 0.0) == 300_000 * apart_s


def test_every_format_with_a_number_for_its_time_is_here() -> None:
    assert TIMED.keys() == {name for name, format in FORMATS.items() if format.time_field is not None}
