import pytest

from imaxproxy.errors import UsageError
from imaxproxy.traces import TraceRow, WaitCap
from imaxproxy.traces.idle import TreeIdleCap


def capped(cap: TreeIdleCap, rows: list[TraceRow]) -> list[TraceRow]:
    cap.look(rows)
    return list(cap.apply(rows))


def test_a_wait_is_taken_from_the_delay_first() -> None:
    cap = WaitCap(1000)
    rows = [TraceRow("a", delay_ms=400, tool_wait_ms=1500), TraceRow("b", tool_wait_ms=900), TraceRow("c")]
    assert [(row.delay_ms, row.tool_wait_ms) for row in cap.apply(rows)] == [(0, 1000), (None, 900), (None, None)]
    assert cap.cut_ms == 900


def test_agents_side_by_side_keep_their_places() -> None:
    """Nothing of the tree runs from second 3 to 103; the sub-agent's row moves with its parent's."""
    rows = [
        TraceRow("a", session_id="s", timestamp_ms=0, recorded={"e2e_ms": 3000}),
        TraceRow("b", session_id="s", timestamp_ms=103_000, delay_ms=100_000, recorded={"e2e_ms": 1000}),
        TraceRow("c", session_id="t", parent_session_id="s", timestamp_ms=103_500),
    ]
    cap = TreeIdleCap(10)
    moved = capped(cap, rows)
    assert [row.timestamp_ms for row in moved] == [0, 13_000, 13_500]
    assert moved[1].delay_ms == 10_000
    assert (cap.gaps, cap.cut_s) == (1, 90)


def test_a_wait_while_another_agent_works_is_no_idle_time() -> None:
    rows = [
        TraceRow("a", session_id="s", timestamp_ms=0, recorded={"e2e_ms": 1000}),
        TraceRow("c", session_id="t", parent_session_id="s", timestamp_ms=1000, recorded={"e2e_ms": 50_000}),
        TraceRow("b", session_id="s", timestamp_ms=51_000, delay_ms=50_000),
    ]
    cap = TreeIdleCap(10)
    assert capped(cap, rows) == rows
    assert (cap.gaps, cap.cut_s) == (0, 0)


def test_without_stamps_single_waits_are_cut() -> None:
    rows = [TraceRow("a", session_id="s"), TraceRow("b", session_id="s", delay_ms=30_000)]
    cap = TreeIdleCap(10)
    assert capped(cap, rows)[1].delay_ms == 10_000
    assert (cap.gaps, cap.cut_s) == (1, 20)


def test_a_cap_is_no_negative_time() -> None:
    with pytest.raises(UsageError, match="0 s or more"):
        TreeIdleCap(-1)
