import json

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.load import Item, ItemMaker, Scheduled, by_arrivals, by_trace, closed_loop
from imaxproxy.traces import Constant, Poisson, Prompts, TraceRow
from imaxproxy.wire import BaseUrl


def rows(count: int) -> list[TraceRow]:
    return [
        TraceRow(f"r{number}", timestamp_ms=1000.0 + 10 * number, input_length=5, output_length=3)
        for number in range(count)
    ]


def items(scheduled: Scheduled, api_key: str | None = None, speed: float = 1.0, url: str = "http://e:1") -> list[Item]:
    prompts = Prompts(0, "salt")
    return list(ItemMaker(BaseUrl.parse(url, "--url"), "m", "chat", prompts, api_key, speed).items(scheduled))


def offsets_ms(scheduled: Scheduled) -> list[float | None]:
    return [None if offset_ns is None else offset_ns / 1e6 for offset_ns, _ in scheduled]


def test_the_traces_own_times_at_a_speed() -> None:
    assert offsets_ms(by_trace(rows(3), 2.0, 0.0, 0)) == [0, 5, 10]


def test_a_constant_rate() -> None:
    assert offsets_ms(by_arrivals(rows(3), Constant(100))) == [0, 10, 20]


def test_a_closed_loop_has_no_times() -> None:
    assert offsets_ms(closed_loop(rows(2))) == [None, None]


def test_one_seed_one_schedule() -> None:
    first, same, other = (offsets_ms(by_arrivals(rows(50), Poisson(10, seed))) for seed in (1, 1, 2))
    assert first == same != other
    assert first == sorted(first)  # type: ignore[type-var]


def test_a_request_is_whole_and_names_its_row() -> None:
    (item,) = items(by_trace(rows(1), 1.0, 0.0, 0), api_key="sk-1")
    head, _, body = item.data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /v1/chat/completions HTTP/1.1"
    assert {b"Host: e:1", b"X-Request-ID: r0", b"Authorization: Bearer sk-1"} <= set(lines)
    assert b"Content-Length: %d" % len(body) in lines
    asked = json.loads(body)
    assert (asked["model"], asked["stream"], asked["max_tokens"], asked["min_tokens"]) == ("m", True, 3, 3)
    assert len(asked["messages"][0]["content"].split()) == 5
    assert (item.input_tokens, item.output_tokens, item.offset_ns) == (5, 3, 0)


def test_without_a_key_no_header_pretends_one() -> None:
    (item,) = items(closed_loop(rows(1)))
    assert b"Authorization" not in item.data


def test_the_path_before_v1_stays() -> None:
    (item,) = items(closed_loop(rows(1)), url="http://e/engines/a/v1/")
    assert item.data.startswith(b"POST /engines/a/v1/chat/completions HTTP/1.1\r\n")


def test_rows_of_a_session_wait_for_the_one_before() -> None:
    trace = [
        TraceRow("a1", session_id="a", input_length=1, output_length=1),
        TraceRow("b1", session_id="b", input_length=1, output_length=1),
        TraceRow("a2", session_id="a", input_length=1, output_length=1, delay_ms=30, tool_wait_ms=10),
        TraceRow("a3", session_id="a", input_length=1, output_length=1, wait_for=("b1", "a1")),
        TraceRow("x", input_length=1, output_length=1),
    ]
    made = {item.request_id: item for item in items(closed_loop(trace), speed=2.0)}
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
        items(closed_loop([TraceRow(request_id, input_length=1, output_length=1)]))


@pytest.mark.parametrize("url", ["/v1/chat completions", "/v1/x\x7f", "/v1/\u26a1"])
def test_a_path_that_no_request_can_hold_is_the_traces_mistake(url: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a request"):
        items(closed_loop([TraceRow("a", url=url, body={"messages": []})]))
