import json
from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.traces import TraceRow, open_trace, unit_note
from imaxproxy.traces.stamps import Stamps, likely_unit, unix_unit


def described(stamps_ms: list[float]) -> dict:
    stamps = Stamps()
    for number, at_ms in enumerate(stamps_ms):
        stamps.add(TraceRow(str(number), timestamp_ms=at_ms))
    return stamps.described()


def test_a_metronome_has_no_spread_and_no_ticks() -> None:
    found = described([10.0 * number for number in range(101)])
    assert (found["span_s"], found["rate_per_s"], found["gap_cv"], found["tied_share"]) == (1.0, 100.0, 0.0, 0.0)
    assert found["tick_ms"] is None
    assert sum(found["arrivals"]) == 101


def test_ticks_are_found() -> None:
    found = described([3000.0 * (number // 10) for number in range(100)])
    assert (found["tick_ms"], round(found["tied_share"], 2)) == (3000.0, 0.91)


def test_stamps_are_put_in_order_first() -> None:
    assert described([30.0, 10.0, 20.0]) == described([10.0, 20.0, 30.0])


@pytest.mark.parametrize(
    ("span_s", "requests", "unit", "likely"),
    [
        (3.6, 12_000, "ms", "s"),  # an hour in seconds, read as ms
        (3.6e6, 120_000, "ms", "us"),  # an hour in us, read as ms
        (3.6e6, 12_000, "ms", None),  # 12,000 in 3.6 s, of ns, would do as well
        (3.6e9, 12_000, "ms", "ns"),
        (3600, 5, "ms", None),  # too few to tell
        (0, 100, "ms", None),
    ],
)
def test_the_likely_unit_is_the_one_under_which_it_is_a_trace(
    span_s: float, requests: int, unit: str, likely: str | None
) -> None:
    assert likely_unit(span_s, requests, unit) == likely


def test_a_span_that_can_be_is_left_alone() -> None:
    assert unit_note(3600, 10_000, "ms") is None
    assert unit_note(0.036, 100, "ms") == (
        "the stamps span 0.036 s: are they milliseconds? Read as seconds the trace would look like one: "
        "pass --time-unit s"
    )
    assert unit_note(3.6e9, 5, "ms") == "the stamps span 3.6e+09 s: are they milliseconds?"


@pytest.mark.parametrize(
    ("stamp", "unit"),
    [(1732598400, "s"), (1732598400_000, "ms"), (1732598400_000_000, "us"), (1732598400 * 10**9, "ns"), (12.5, None)],
)
def test_a_unix_time_has_one_unit(stamp: float, unit: str | None) -> None:
    assert unix_unit(stamp) == unit


@pytest.mark.parametrize(("unit", "name", "scale"), [("us", "microseconds", 10**6), ("ns", "nanoseconds", 10**9)])
def test_a_stamp_too_large_for_its_unit_names_the_flag_that_reads_it(
    tmp_path: Path, unit: str, name: str, scale: int
) -> None:
    path = tmp_path / "trace.jsonl"
    rows = [{"timestamp": 1732598400 * scale + number * scale // 2, "input_length": 9} for number in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UsageError) as told:
        list(open_trace(path))
    assert str(told.value).startswith(f"{path}:1: field `timestamp`: expected milliseconds from 0 to 1e+13")
    assert str(told.value).endswith(f"as a unix time it would be in {name}: pass --time-unit {unit}")
    first, second, _ = open_trace(path, time_unit=unit)
    assert (second.timestamp_ms or 0) - (first.timestamp_ms or 0) == pytest.approx(500)
