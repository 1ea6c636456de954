from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.traces import History, TraceRow, open_trace

SWEBENCH = Path(__file__).parents[1] / "data" / "traces" / "swebench_reasoning_agent.excerpt.jsonl"
USER = {"role": "user", "content": "hi"}


def test_each_turn_sends_all_before_it_with_the_recorded_answers() -> None:
    rows, history = list(open_trace(SWEBENCH)), History()
    sent = [history.advance(row)[0] for row in rows]
    roles = [[message["role"] for message in messages] for messages in sent]
    assert roles == [["system", "user"] + ["assistant", "tool"] * turn for turn in range(4)]
    assert sent[1][2] == rows[0].recorded["response"]["message"]
    assert sent[3][:-2] == sent[2]  # a prefix of the next, word for word


def test_tools_stay_in_force() -> None:
    history = History()
    tools = [history.advance(row)[1] for row in open_trace(SWEBENCH)]
    assert tools[0] == tools[3] != ()


def test_a_recorded_text_is_an_assistant_message() -> None:
    history = History()
    row = TraceRow("1", session_id="s", messages=(USER,), recorded={"response": {"text": "hello"}})
    history.advance(row)
    sent, _ = history.advance(TraceRow("2", session_id="s", turn=1, messages=(USER,), messages_mode="delta"))
    assert sent == [USER, {"role": "assistant", "content": "hello"}, USER]


def test_messages_in_full_replace_what_was_before() -> None:
    history = History()
    history.advance(TraceRow("1", session_id="s", messages=(USER, USER)))
    assert history.advance(TraceRow("2", session_id="s", messages=(USER,)))[0] == [USER]


def test_a_session_seen_from_its_middle_is_refused() -> None:
    row = TraceRow("b", session_id="s", turn=3, messages=(USER,), messages_mode="delta")
    with pytest.raises(UsageError, match=r"request b: .*turn 2 of session s.*from their first row"):
        History().advance(row)


def test_a_forgotten_session_holds_no_memory() -> None:
    history = History()
    history.advance(TraceRow("1", session_id="s", messages=(USER,)))
    assert repr(history) == "<History 1 sessions>"
    history.forget("s")
    assert repr(history) == "<History 0 sessions>"
