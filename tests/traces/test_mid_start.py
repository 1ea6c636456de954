import pytest

from imaxproxy.errors import UsageError
from imaxproxy.metrics import WARMUP
from imaxproxy.traces import MidStart, TraceRow
from imaxproxy.traces.mid_start import primer_id


def session(name: str, turns: int) -> list[TraceRow]:
    return [
        TraceRow(
            f"{name}{turn}",
            session_id=name,
            timestamp_ms=1000.0 * turn,
            delay_ms=400.0,
            input_length=100 * (turn + 1),
            output_length=50,
            hash_ids=tuple(range(turn + 1)),
            block_size=100,
        )
        for turn in range(turns)
    ]


def started(rows: list[TraceRow], share: float = 0.5, advances: int = 0) -> list[TraceRow]:
    mid_start = MidStart(0, share, share, advances)
    mid_start.look(rows)
    return list(mid_start.apply(rows))


def test_one_request_of_a_token_stands_for_what_is_left_out() -> None:
    rows = started(session("s", 10))
    primer = rows[0]
    assert [row.request_id for row in rows] == [primer_id("s"), *(f"s{turn}" for turn in range(5, 10))]
    assert (primer.request_kind, primer.output_length, primer.output_mode, primer.wait_ms) == (WARMUP, 1, "exact", 0)
    assert primer.hash_ids == tuple(range(5))  # the prompt of the last turn that is gone
    assert rows[1].wait_for == (primer_id("s"),)
    assert 0 < rows[1].wait_ms < 400  # somewhere within its wait
    assert [row.timestamp_ms for row in rows] == [0, 0, 1000, 2000, 3000, 4000]


def test_advances_ask_for_a_token_each_without_their_waits() -> None:
    rows = started(session("s", 10), advances=3)
    assert [row.request_kind for row in rows] == [WARMUP] * 4 + [None] * 2
    assert [row.request_id for row in rows[1:4]] == ["s5", "s6", "s7"]
    assert [row.wait_ms for row in rows[:4]] == [0, 0, 0, 0]
    assert {row.output_length for row in rows[:4]} == {1}
    assert (rows[4].request_id, rows[4].output_length, rows[4].timestamp_ms) == ("s8", 50, 0)
    assert 0 < rows[4].wait_ms < 400
    assert rows[5].wait_ms == 400


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_something_of_each_session_is_left_to_measure(turns: int) -> None:
    rows = started(session("s", turns), 0.9, advances=100)
    assert [row.request_kind for row in rows].count(None) == 1
    assert rows[-1].request_id == f"s{turns - 1}"


def test_a_sub_agent_of_a_turn_that_is_gone_is_gone_and_one_of_a_later_turn_is_whole() -> None:
    early = TraceRow("e0", session_id="e", parent_session_id="s", wait_for=("s0",), input_length=5)
    late = TraceRow("l0", session_id="l", parent_session_id="s", wait_for=("s7",), input_length=5)
    main = session("s", 10)
    rows = started([*main[:1], early, *main[1:8], late, *main[8:]])
    assert "e0" not in {row.request_id for row in rows}
    assert next(row for row in rows if row.request_id == "l0") == late


def test_only_the_trees_that_are_named() -> None:
    mid_start = MidStart(0, 0.5, 0.5)
    rows = [*session("s", 4), *session("t", 4)]
    mid_start.look(rows)
    found = [row.request_id for row in mid_start.apply(rows, only={"t"})]
    assert found == ["s0", "s1", "s2", "s3", primer_id("t"), "t2", "t3"]


def test_a_conversation_of_deltas_is_sent_whole_by_its_primer() -> None:
    rows = [
        TraceRow(
            f"s{turn}",
            session_id="s",
            messages=({"role": "user", "content": f"u{turn}"},),
            messages_mode="delta",
            recorded={"response": {"text": f"a{turn}"}},
        )
        for turn in range(4)
    ]
    primer, first, _ = started(rows)
    assert [message["content"] for message in primer.messages] == ["u0", "a0", "u1"]
    assert (primer.messages_mode, primer.output_mode, primer.recorded) == ("full", "max", rows[1].recorded)
    assert first.messages == rows[2].messages


@pytest.mark.parametrize("shares", [(0.5, 0.2), (-0.1, 0.5), (0.5, 1.0)])
def test_shares_that_are_none(shares: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="two shares"):
        MidStart(0, *shares)
