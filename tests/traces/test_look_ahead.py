from collections.abc import Iterator

import pytest

from imaxproxy.traces import LookAhead, TraceRow


def rows(*stamps_ms: float | None) -> list[TraceRow]:
    return [TraceRow(str(number), timestamp_ms=stamp, input_length=1) for number, stamp in enumerate(stamps_ms)]


def ids(found: Iterator[TraceRow]) -> str:
    return "".join(row.request_id for row in found)


def test_nothing_is_lost_and_nothing_twice() -> None:
    for count in (1, 3, 5, 9):
        assert ids(LookAhead.at(rows(0, 1, 2, 3, 4), count).in_file_order()) == "01234"


def test_sessions_that_begin_anew_are_put_in_time_order() -> None:
    assert ids(LookAhead.at(rows(0, 10, 20, 0, 5, 20), 100).in_time_order()) == "034125"


@pytest.mark.parametrize("stamps", [(5, None, 0), (None,)])  # a missing stamp is for the schedule to complain of
def test_rows_without_stamps_stay_as_they_are(stamps: tuple[float | None, ...]) -> None:
    assert ids(LookAhead.at(rows(*stamps), 100).in_time_order()) == "012"[: len(stamps)]


def test_a_long_trace_is_not_held_in_memory() -> None:
    taken: list[str] = []

    def endless() -> Iterator[TraceRow]:
        for row in rows(*range(1000)):
            taken.append(row.request_id)
            yield row

    ahead = LookAhead.at(endless(), 10)
    assert len(taken) == 10
    assert not ahead.whole
    assert next(ahead.in_time_order()).request_id == "0"
    assert ids(ahead.without_rest().in_file_order()) == "0123456789"


def test_what_is_broken_is_told_at_once() -> None:
    def broken() -> Iterator[TraceRow]:
        yield from rows(0, 1)
        raise ValueError("line 3")

    with pytest.raises(ValueError, match="line 3"):
        LookAhead.at(broken(), 10)


def test_rows_of_many_hash_ids_are_fewer_in_hand() -> None:
    heavy = [TraceRow(str(number), hash_ids=tuple(range(10))) for number in range(10)]
    ahead = LookAhead.at(heavy, 100, most_hash_ids=25)
    assert (len(ahead.rows), ahead.whole) == (3, False)
    assert ids(ahead.in_file_order()) == "0123456789"
    assert LookAhead.at(heavy, 100, most_hash_ids=1000).whole


def test_a_turn_without_a_stamp_stays_behind_its_session() -> None:
    found = [
        TraceRow("a", session_id="s", timestamp_ms=20.0),
        TraceRow("b", session_id="s"),
        TraceRow("c", session_id="t", timestamp_ms=10.0),
        TraceRow("d", wait_for=("b",)),
        TraceRow("e", session_id="s"),
    ]
    assert ids(LookAhead.at(found, 100).in_time_order()) == "cdabe"
