import json

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.load import Asking, Feeder, Item, ItemMaker, Turn, cancel_of, closed_loop
from imaxproxy.traces import Prompts, TraceRow
from imaxproxy.wire import BaseUrl

ASKING = Asking(BaseUrl.parse("http://e:1", "--url"), "m")
LIVE = Asking(BaseUrl.parse("http://e:1", "--url"), "m", live=True)


def rows(count: int) -> list[TraceRow]:
    return [
        TraceRow(f"r{number}", timestamp_ms=1000.0 + 10 * number, input_length=5, output_length=3)
        for number in range(count)
    ]


def items(trace: list[TraceRow], api_key: str | None = None, speed: float = 1.0, url: str = "http://e:1") -> list[Item]:
    """As a feeder makes them whose worker sends everything at once."""
    asking = Asking(BaseUrl.parse(url, "--url"), "m", api_key=api_key)
    feeder = Feeder(closed_loop(trace), ItemMaker(asking, Prompts(0, "salt"), speed).item)
    made = []
    for item in feeder.items():
        made.append(item)
        feeder.told.put({"sent": [item.request_id]})
    return made


def turn(row: TraceRow, previous: str | None = None, answer: dict[str, object] | None = None) -> Turn:
    return Turn(None, row, () if previous is None else (previous,), previous, answer)


def user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, object]:
    return {"role": "assistant", "content": text}


def delta(request_id: str, *messages: dict[str, object], recorded: str | None = None) -> TraceRow:
    answer = {} if recorded is None else {"response": {"text": recorded}}
    return TraceRow(request_id, session_id="s", messages=messages, messages_mode="delta", recorded=answer)


def messages_of(item: Item) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(item.data.partition(b"\r\n\r\n")[2])["messages"]
    return found


def test_a_request_is_whole_and_names_its_row() -> None:
    (item,) = items(rows(1), api_key="sk-1")
    head, _, body = item.data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /v1/chat/completions HTTP/1.1"
    assert {b"Host: e:1", b"X-Request-ID: r0", b"Authorization: Bearer sk-1"} <= set(lines)
    assert b"Content-Length: %d" % len(body) in lines
    asked = json.loads(body)
    assert (asked["model"], asked["stream"], asked["max_tokens"], asked["min_tokens"]) == ("m", True, 3, 3)
    assert len(asked["messages"][0]["content"].split()) == 5
    assert (item.input_tokens, item.output_tokens, item.offset_ns) == (5, 3, None)


def test_without_a_key_no_header_pretends_one() -> None:
    (item,) = items(rows(1))
    assert b"Authorization" not in item.data


def test_the_path_before_v1_stays() -> None:
    (item,) = items(rows(1), url="http://e/engines/a/v1/")
    assert item.data.startswith(b"POST /engines/a/v1/chat/completions HTTP/1.1\r\n")


def test_rows_of_a_session_wait_for_the_one_before() -> None:
    trace = [
        TraceRow("a1", session_id="a", input_length=1, output_length=1),
        TraceRow("b1", session_id="b", input_length=1, output_length=1),
        TraceRow("a2", session_id="a", input_length=1, output_length=1, delay_ms=30, tool_wait_ms=10),
        TraceRow("a3", session_id="a", input_length=1, output_length=1, wait_for=("b1", "a1")),
        TraceRow("x", input_length=1, output_length=1),
    ]
    made = {item.request_id: item for item in items(trace, speed=2.0)}
    assert {name: item.wait_for for name, item in made.items()} == {
        "a1": (),
        "b1": (),
        "a2": ("a1",),
        "a3": ("b1", "a1"),  # what a row names comes in place of the row before it
        "x": (),
    }
    assert made["a2"].wait_ns == 20_000_000  # faster traces have shorter waits


@pytest.mark.parametrize("request_id", ["a\r\nX-Evil: 1", "\u26a1", "a\tb"])
def test_an_id_that_no_header_can_hold_is_the_traces_mistake(request_id: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a header; use printable ASCII"):
        items([TraceRow(request_id, input_length=1, output_length=1)])


@pytest.mark.parametrize("url", ["/v1/chat completions", "/v1/x\x7f", "/v1/\u26a1"])
def test_a_path_that_no_request_can_hold_is_the_traces_mistake(url: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a request"):
        items([TraceRow("a", url=url, body={"messages": []})])


def test_live_history_goes_on_with_what_the_engine_said() -> None:
    maker = ItemMaker(LIVE, Prompts(0))
    first = maker.item(turn(delta("a", user("hi"), recorded="recorded")))
    second = maker.item(turn(delta("b", said("recorded"), user("more")), "a", said("live")))
    assert messages_of(first) == [user("hi")]
    assert messages_of(second) == [user("hi"), said("live"), user("more")]
    assert first.tell_end
    assert first.keep_answer
    assert (maker.live.turns, maker.live.answers_missing) == (1, 0)


def test_where_the_engine_said_nothing_the_traces_own_turn_stays_and_that_is_counted() -> None:
    maker = ItemMaker(LIVE, Prompts(0))
    maker.item(turn(delta("a", user("hi"))))
    second = maker.item(turn(delta("b", said("recorded"), user("more")), "a", None))
    assert messages_of(second) == [user("hi"), said("recorded"), user("more")]
    assert (maker.live.turns, maker.live.answers_missing) == (0, 1)


def test_recorded_history_asks_for_no_answers() -> None:
    maker = ItemMaker(ASKING, Prompts(0))
    first = maker.item(turn(delta("a", user("hi"), recorded="recorded")))
    second = maker.item(turn(delta("b", user("more")), "a"))
    assert messages_of(second) == [user("hi"), said("recorded"), user("more")]
    assert (first.tell_end, first.keep_answer) == (False, False)


def test_a_row_says_when_its_user_leaves_and_else_the_load_does() -> None:
    maker = ItemMaker(ASKING, Prompts(0), cancel=cancel_of("1@s=2", 0))
    own = TraceRow("a", input_length=1, output_length=9, cancel_after_tokens=4)
    assert (maker.item(turn(own)).cancel_after_tokens, maker.item(turn(own)).cancel_after_ns) == (4, None)
    drawn = maker.item(turn(rows(1)[0]))
    assert (drawn.cancel_after_tokens, drawn.cancel_after_ns) == (None, 2_000_000_000)
