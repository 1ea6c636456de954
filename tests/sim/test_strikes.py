"""Each fault over a real socket: what it does to the bytes of a stream of four tokens."""

import json
import socket
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from imaxproxy.sim.faults import KINDS
from imaxproxy.sim.words import text_of
from sim.conftest import RunningSim, StartSim, dechunked, raw_request, read_all, read_until, sent

PATH = "/v1/completions"
CLOSE = "Connection: close"
TESTED_ELSEWHERE = {"http_500", "disconnect", "truncate", "no_done", "error_event", "malformed"}
ENGINE = {name for name, kind in KINDS.items() if kind.engine}


def answer(sim: RunningSim, fault: str, path: str = PATH, **fields: object) -> bytes:
    body = {"model": "tiny", "prompt": "a b", "messages": [{"content": "a"}], "max_tokens": 4, "stream": True}
    body |= {"stream_options": {"include_usage": True}, **fields}
    with sent(sim, path, body, CLOSE, f"x-sim-fault: {fault}") as connection:
        return read_all(connection)


def texts(body: bytes) -> list[str]:
    """The text of each event that has some, read as a tolerant client would."""
    found = []
    for line in body.replace(b"\r\n", b"\n").split(b"\n"):
        if line.startswith(b"data:") and b'"text"' in line:
            found += [choice["text"] for choice in json.loads(line[5:])["choices"] if choice["text"]]
    return found


def come_back(sim: RunningSim) -> socket.socket:
    """A connection, as soon as the port is open again."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return sim.connect()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the port stayed closed"


CASES: dict[str, Callable[[bytes, list[str]], bool]] = {
    "no_finish_reason": lambda body, _: b'"finish_reason":"' not in body and body.count(b'"text":') == 4,
    "crlf": lambda body, _: body.count(b"\r\n") == body.count(b"\n") > 8,
    "no_space": lambda body, plain: b"data: " not in body and texts(body) == plain,
    "no_blank_line=2": lambda body, plain: body.count(b"\n\n") == 5 and texts(body) == plain,
    "comments": lambda body, plain: body.count(b": keep-alive\n\n") == 6 and texts(body) == plain,
    "giant=70000": lambda body, plain: len(body) > 70_000 and texts(body) == plain,
    "split_utf8=2": lambda body, plain: "\u20ac".encode() in body and texts(body) == plain,
    "split_event": lambda body, plain: texts(body) == plain,
    "joined=3": lambda body, plain: texts(body) == plain,
    "duplicate=2": lambda body, plain: texts(body) == [*plain[:3], plain[2], plain[3]],
    "reorder=1": lambda body, plain: texts(body) == [plain[0], plain[2], plain[1], plain[3]],
    "empty_delta": lambda body, plain: body.count(b'"text":""') == 6 and texts(body) == plain,
    "wrong_usage=5": lambda body, plain: b'"completion_tokens":9' in body and texts(body) == plain,
    "zero_tokens": lambda body, _: texts(body) == [] and b'"finish_reason":"stop"' in body and b"[DONE]" in body,
    "ttft_stall=40": lambda body, plain: texts(body) == plain,
    "mid_stall=2,ms=40": lambda body, plain: texts(body) == plain,
    "slow_reader=2,ms=40": lambda body, plain: texts(body) == plain,
    "role_only_first": lambda body, plain: texts(body) == plain,
    "slow_start=40": lambda body, plain: texts(body) == plain,
}


@pytest.mark.parametrize("fault", CASES)
def test_a_fault_changes_what_it_says_and_nothing_else(fast_sim: RunningSim, fault: str) -> None:
    with sent(fast_sim, PATH, {"prompt": "a b", "max_tokens": 4, "stream": True}, CLOSE) as connection:
        plain = texts(dechunked(read_all(connection)))
    assert len(plain) == 4
    assert CASES[fault](dechunked(answer(fast_sim, fault)), plain)


def test_no_fault_is_left_untested() -> None:
    here = {fault.partition("=")[0] for fault in CASES}
    here |= {"http_429", "http_503", "never_ends", "tool_beside_content"}
    assert set(KINDS) == here | TESTED_ELSEWHERE | ENGINE


@pytest.mark.parametrize(("status", "retry_after"), [(429, b"Retry-After: 7"), (503, b"Retry-After: 7")])
def test_a_refusal_says_when_to_come_back(fast_sim: RunningSim, status: int, retry_after: bytes) -> None:
    refused = answer(fast_sim, f"http_{status},retry_after=7")
    assert refused.startswith(b"HTTP/1.1 %d " % status)
    assert retry_after in refused


@pytest.mark.parametrize("fault", ["role_only_first", "comments"])
def test_the_role_comes_ahead_on_request_only(fast_sim: RunningSim, fault: str) -> None:
    """As a chunk of its own, when the prompt is taken up."""
    chunks = answer(fast_sim, fault, "/v1/chat/completions").split(b"\r\n\r\n", 1)[1].split(b"\r\n")[1::2]
    assert (b'"content":""' in chunks[0] and b'"content":" ' not in chunks[0]) == (fault == "role_only_first")


def test_a_tools_argument_stands_beside_content(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1", "--tokens-per-event", "3")
    body = dechunked(answer(sim, "tool_beside_content", "/v1/chat/completions", max_tokens=7))
    deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in body.splitlines() if b'"tool_calls"' in line]
    said = [delta["content"] + delta["tool_calls"][0]["function"]["arguments"] for delta in deltas]
    assert said == [text_of(1, 1).decode(), text_of(2, 3).decode(), text_of(5, 3).decode()]
    assert [bool(delta["content"]) for delta in deltas] == [False, True, True]


def test_a_stall_is_in_the_truth_and_not_in_the_plan(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1")
    answer(sim, "mid_stall=2,ms=60")
    (record,) = sim.stop()
    held_ms = (record["write_ns"][2] - record["planned_ns"][2]) / 1e6
    assert held_ms >= 59
    assert record["write_ns"][1] < record["write_ns"][2] - 50_000_000
    assert (record["fault"], record["tokens"]) == ("mid_stall", [1] * 4)


def test_a_stream_that_never_ends_stays_silent(fast_sim: RunningSim) -> None:
    with sent(fast_sim, PATH, {"prompt": "a", "max_tokens": 4, "stream": True}, "x-sim-fault: never_ends=2") as stream:
        received = read_until(stream, text_of(2, 1))
        stream.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stream.recv(65536)
    assert received.count(b'"text":') == 2


def test_faults_are_armed_and_disarmed_while_it_runs(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1", "--fault", "http_500")
    body = {"prompt": "a", "max_tokens": 2}

    def statuses(requests: int) -> list[bytes]:
        found = []
        for _ in range(requests):
            with sent(sim, PATH, body, CLOSE) as connection:
                found.append(read_all(connection).split(b" ", 2)[1])
        return found

    assert statuses(2) == [b"500", b"500"]
    armed = {"faults": ["http_503,nth=2"], "seed": 3}
    with sent(sim, "/imax/faults", armed, CLOSE) as connection:
        assert json.loads(read_all(connection).split(b"\r\n\r\n", 1)[1])["faults"] == armed["faults"]
    assert statuses(4) == [b"200", b"503", b"200", b"503"]
    with sent(sim, "/imax/faults", {"faults": ["nonsense"]}, CLOSE) as connection:
        assert b"unknown fault" in read_all(connection)
    assert statuses(2) == [b"200", b"503"]
    with sim.connect() as connection:
        connection.sendall(b"DELETE /imax/faults HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n")
        assert b'"faults":[]' in read_all(connection)
    assert statuses(2) == [b"200", b"200"]


def test_a_crash_breaks_all_streams_and_the_engine_comes_back(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1")
    with sim.connect() as bystander:
        bystander.sendall(raw_request(PATH, {"prompt": "a", "max_tokens": 900_000, "stream": True}))
        assert bystander.recv(100)
        crash = "x-sim-fault: engine_crash,ms=50"
        with sent(sim, PATH, {"prompt": "a", "stream": True}, crash) as culprit, pytest.raises(ConnectionResetError):
            read_all(culprit)
        with pytest.raises(ConnectionResetError):
            read_all(bystander)
    with come_back(sim) as connection:
        connection.sendall(raw_request(PATH, {"prompt": "a", "max_tokens": 2}, CLOSE))
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_a_slow_rank_slows_every_stream_in_the_plan(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "2")
    answer(sim, "one_slow_rank=10,ms=5000")
    (record,) = sim.stop()
    assert {after - before for before, after in pairwise(record["planned_ns"])} == {20_000_000}


def test_thrashing_preempts_the_newest(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "2")
    with sent(sim, PATH, {"prompt": "a", "max_tokens": 200, "stream": True}, CLOSE, "X-Request-Id: old") as old:
        read_until(old, b'"text":')
        answer(sim, "kv_thrash,ms=20", max_tokens=30)
        read_all(old)
    records = {record["request_id"]: record for record in sim.stop()}
    (new,) = (record for name, record in records.items() if name != "old")
    assert (records["old"]["preemptions"], sum(records["old"]["tokens"])) == (0, 200)
    assert new["preemptions"] >= 1
    assert sum(new["tokens"]) == 30


def test_a_closed_port_opens_again(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1")
    assert answer(sim, "connection_refused,ms=50").startswith(b"HTTP/1.1 200")  # who is connected goes on
    come_back(sim).close()
