from imaxproxy.load.live_history import LiveHistory
from imaxproxy.traces import TraceRow

SAID = {"role": "assistant", "content": "live"}


def turn(number: int, *messages: dict[str, str], mode: str = "delta", session: str | None = "s") -> TraceRow:
    return TraceRow(
        request_id=f"r{number}",
        session_id=session,
        turn=number,
        messages=messages,
        messages_mode=mode,
        recorded={"response": {"text": "recorded"}},
    )


def test_an_answer_stands_before_what_the_user_says_next() -> None:
    live = LiveHistory()
    row = live.row(turn(1, {"role": "user", "content": "and?"}), "r0", SAID)
    assert row.messages == (SAID, {"role": "user", "content": "and?"})
    assert row.recorded == {}
    assert (live.turns, live.answers_missing) == (1, 0)


def test_the_traces_own_record_of_the_answer_gives_way() -> None:
    recorded = {"role": "assistant", "content": "recorded"}
    row = LiveHistory().row(turn(1, recorded, {"role": "user", "content": "and?"}), "r0", SAID)
    assert row.messages == (SAID, {"role": "user", "content": "and?"})


def test_a_first_turn_needs_no_answer_and_a_missing_one_is_counted() -> None:
    live = LiveHistory()
    assert live.row(turn(0, {"role": "user", "content": "hi"}), None, None).recorded == {}
    assert live.answers_missing == 0
    missing = live.row(turn(1, {"role": "user", "content": "and?"}), "r0", None)
    assert missing.messages == ({"role": "user", "content": "and?"},)
    assert (live.turns, live.answers_missing) == (0, 1)


def test_rows_that_bring_their_whole_history_stay_as_they_are() -> None:
    live = LiveHistory()
    for row in (turn(1, mode="full"), turn(1, session=None)):
        assert live.row(row, "r0", SAID) is row
    assert live.turns == 0
