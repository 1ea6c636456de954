import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import UsageError
from imaxproxy.load import Placement
from imaxproxy.traces import TraceRow

SESSIONS = st.lists(st.none() | st.sampled_from("abcde"), max_size=30)


@given(SESSIONS, st.integers(1, 5))
def test_the_parts_are_the_schedule_and_sessions_stay_whole(sessions: list[str | None], workers: int) -> None:
    schedule = [(number, TraceRow(str(number), session_id=session)) for number, session in enumerate(sessions)]
    parts = [list(Placement(workers).part(schedule, worker)) for worker in range(workers)]
    assert sorted(at_ns or 0 for part in parts for at_ns, _ in part) == list(range(len(schedule)))
    for part in parts:
        assert [at_ns for at_ns, _ in part] == sorted(at_ns or 0 for at_ns, _ in part)
    for session in "abcde":
        assert sum(any(row.session_id == session for _, row in part) for part in parts) <= 1


def test_single_rows_are_dealt_out_evenly() -> None:
    schedule = [(None, TraceRow(str(number))) for number in range(10)]
    assert [len(list(Placement(4).part(schedule, worker))) for worker in range(4)] == [3, 3, 2, 2]


def test_what_waits_for_each_other_is_played_together() -> None:
    rows = [
        TraceRow("a1", session_id="a"),
        TraceRow("x"),
        TraceRow("sub1", session_id="sub", wait_for=("a1",)),
        TraceRow("child", session_id="child", parent_session_id="a"),
        TraceRow("a2", session_id="a", wait_for=("sub1", "child")),
        TraceRow("early", wait_for=("later",)),
        TraceRow("later"),
    ]
    placement = Placement(3)
    of = {row.request_id: placement.worker_of(row) for row in rows}
    assert of["a1"] == of["sub1"] == of["child"] == of["a2"] != of["x"]
    assert of["early"] == of["later"]


def test_sessions_that_meet_too_late_are_named() -> None:
    placement = Placement(2)
    placement.worker_of(TraceRow("a1", session_id="a"))
    placement.worker_of(TraceRow("b1", session_id="b"))
    with pytest.raises(UsageError, match="request a2 waits for sessions that different workers play"):
        placement.worker_of(TraceRow("a2", session_id="a", wait_for=("b1",)))
