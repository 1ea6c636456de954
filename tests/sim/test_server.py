import http.client
import json
import re
import time
from itertools import pairwise
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from imaxproxy.sim.reply import text_of
from sim.conftest import RunningSim, StartSim, dechunked, events, raw_request, read_all, read_until, sent

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
CLOSE = "Connection: close"


def client(sim: RunningSim) -> OpenAI:
    return OpenAI(base_url=sim.base_url, api_key="none", max_retries=0, timeout=10)


def ask(sim: RunningSim, path: str, body: object, *headers: str) -> bytes:
    with sent(sim, path, body, CLOSE, *headers) as connection:
        return read_all(connection)


def stream_body(**fields: object) -> dict[str, object]:
    return {"model": "tiny", "prompt": "one two three", "max_tokens": 4, "stream": True, **fields}


def test_the_openai_client_streams_a_chat(fast_sim: RunningSim) -> None:
    with client(fast_sim) as openai:
        stream = openai.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": "one two three"}, {"role": "user", "content": "four"}],
            max_tokens=5,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    texts = [chunk.choices[0].delta.content for chunk in chunks[1:-1]]
    assert len(texts) == 5
    assert all(texts)
    assert [chunk.choices[0].finish_reason for chunk in chunks[1:-1]] == [None] * 4 + ["length"]
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (4, 5, 9)


def test_the_openai_client_reads_whole_answers(fast_sim: RunningSim) -> None:
    with client(fast_sim) as openai:
        completion = openai.completions.create(model="tiny", prompt=[1, 2, 3, 4, 5], max_tokens=3)
        chat = openai.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hello"}])
        models = list(openai.models.list())
    assert len(completion.choices[0].text.split()) == 3
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 5
    assert chat.choices[0].finish_reason == "stop"  # the default length; the model ended by itself
    assert chat.usage is not None
    assert chat.usage.completion_tokens == 128
    assert [(model.id, model.owned_by) for model in models] == [("tiny", "imaxproxy-sim")]


def test_a_streamed_and_a_whole_answer_say_the_same(fast_sim: RunningSim) -> None:
    with client(fast_sim) as openai:
        whole = openai.completions.create(model="tiny", prompt="a", max_tokens=300)
        streamed = openai.completions.create(model="tiny", prompt="a", max_tokens=300, stream=True)
        assert "".join(chunk.choices[0].text for chunk in streamed) == whole.choices[0].text


@pytest.mark.parametrize("recorded", ["vllm-chat-stream-usage", "vllm-chat-stream-contusage"])
def test_events_have_the_keys_of_vllms(fast_sim: RunningSim, recorded: str) -> None:
    """The keys of each kind of event, in order, as vLLM 0.32 sent them."""
    options = {"include_usage": True, "continuous_usage_stats": recorded.endswith("contusage")}
    body = stream_body(messages=[{"role": "user", "content": "one two"}], stream_options=options)
    ours = [json.loads(event) for event in events(dechunked(ask(fast_sim, CHAT, body)))[:-1]]
    top = ["id", "object", "created", "model", "choices"]
    usage = ["usage"] if options["continuous_usage_stats"] else []
    assert [list(event) for event in ours] == [[*top, *usage]] * 5 + [[*top, "usage", "system_fingerprint"]]
    assert list(ours[1]["choices"][0]) == ["index", "delta", "logprobs", "finish_reason", "token_ids"]
    assert list(ours[4]["choices"][0]) == ["index", "delta", "logprobs", "finish_reason", "stop_reason", "token_ids"]
    if usage:
        assert [event["usage"]["completion_tokens"] for event in ours] == [0, 1, 2, 3, 4, 4]


def test_every_answer_is_marked_simulated(fast_sim: RunningSim) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", fast_sim.port, timeout=10)
    for path, status in [("/health", 200), ("/ready", 200), ("/v1/models", 200), ("/imax/engine", 200), ("/nope", 404)]:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.getheader("x-imaxproxy-simulated")) == (status, "1")
    connection.request("GET", CHAT)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("allow"), answer.read()) == (
        405,
        "POST",
        b'{"detail":"Method Not Allowed"}',
    )
    connection.close()
    assert b"x-imaxproxy-simulated: 1" in ask(fast_sim, COMPLETIONS, stream_body())


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        (CHAT, b'{"model": "tiny", ', 400, "JSON decode error"),
        (CHAT, b"[]", 400, "valid dictionary"),
        (CHAT, {"model": "tiny"}, 400, "'loc': 'body.messages', 'msg': 'Field required'"),
        (CHAT, {"messages": []}, 400, "empty conversation"),
        (CHAT, {"messages": ["hi"]}, 400, "valid list of messages"),
        (CHAT, {"model": "nope", "messages": []}, 404, "The model `nope` does not exist"),
        (COMPLETIONS, {"model": "tiny"}, 400, "body.prompt"),
        (COMPLETIONS, {"prompt": ["a", "b"]}, 400, "takes one prompt"),
        (COMPLETIONS, {"prompt": "w " * 5000, "max_tokens": 4}, 400, "maximum context length is 4096"),
        (COMPLETIONS, {"prompt": "w", "max_tokens": 100_000}, 400, "maximum context length is 4096"),
        (COMPLETIONS, {"prompt": "w", "max_tokens": 0}, 400, "max_tokens must be at least 1, got 0"),
        (COMPLETIONS, {"prompt": "w", "max_tokens": "x"}, 400, "valid integer"),
        (COMPLETIONS, {"prompt": "w", "max_tokens": 4, "min_tokens": 20}, 400, "min_tokens must be less than"),
        (COMPLETIONS, {"prompt": "w", "stream_options": {"include_usage": True}}, 400, "Stream options can only"),
        (COMPLETIONS, {"prompt": "w", "n": 129}, 400, "n must be at most 128, got 129"),
    ],
)
def test_a_bad_request_is_refused_as_vllm_does(
    fast_sim: RunningSim, path: str, body: object, status: int, says: str
) -> None:
    answer = ask(fast_sim, path, body)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    error = json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["code"] == status
    assert says in error["message"]


def test_the_openai_client_understands_the_errors(fast_sim: RunningSim) -> None:
    with client(fast_sim) as openai:
        with pytest.raises(NotFoundError, match="does not exist"):
            openai.completions.create(model="nope", prompt="a")
        with pytest.raises(BadRequestError, match="at least 1"):
            openai.completions.create(model="tiny", prompt="a", max_tokens=0)
        with pytest.raises(APIStatusError, match="simulated failure"):
            openai.completions.create(model="tiny", prompt="a", extra_headers={"x-sim-fault": "http_500"})


def test_only_json_is_read(fast_sim: RunningSim) -> None:
    request = raw_request(COMPLETIONS, stream_body(), CLOSE).replace(b"application/json", b"text/plain")
    with fast_sim.connect() as connection:
        connection.sendall(request)
        assert b"Only 'application/json' is allowed" in read_all(connection)


@pytest.mark.parametrize(
    ("fault", "tokens", "ends_well", "last"),
    [
        ("truncate=2", 2, True, r'"finish_reason":null'),
        ("truncate=0", 0, True, None),
        ("malformed=2", 4, True, r"\[DONE\]"),
        ("error_event=3", 3, True, r"\[DONE\]"),
        ("no_done", 4, True, r'"finish_reason":"length"'),
        ("truncate=9", 4, True, r"\[DONE\]"),  # longer than the answer: nothing happens
    ],
)
def test_a_fault_is_what_was_asked_for(
    fast_sim: RunningSim, fault: str, tokens: int, ends_well: bool, last: str | None
) -> None:
    found = events(dechunked(ask(fast_sim, COMPLETIONS, stream_body(), f"x-sim-fault: {fault}")))
    assert sum('"text":' in event for event in found) == tokens
    assert re.search(last, found[-1]) if last else not found
    assert any("simulated engine error" in event for event in found) == fault.startswith("error_event")
    assert any(event.startswith('{"id":"broken"') for event in found) == fault.startswith("malformed")


def test_a_disconnect_resets_the_connection(fast_sim: RunningSim) -> None:
    with sent(fast_sim, COMPLETIONS, stream_body(max_tokens=50), "x-sim-fault: disconnect=2") as connection:
        received = read_until(connection, text_of(2, 1))
        with pytest.raises(ConnectionResetError):
            read_all(connection)
    assert received.count(b'"text":') == 2


@pytest.mark.parametrize("fault", ["nonsense", "truncate", "truncate=x"])
def test_an_unknown_fault_is_refused(fast_sim: RunningSim, fault: str) -> None:
    assert ask(fast_sim, COMPLETIONS, stream_body(), f"x-sim-fault: {fault}").startswith(b"HTTP/1.1 400")


def test_a_connection_serves_one_request_after_another(fast_sim: RunningSim) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", fast_sim.port, timeout=10)
    for number in range(3):
        connection.request(
            "POST",
            COMPLETIONS,
            json.dumps(stream_body()),
            {"Content-Type": "application/json", "X-Request-Id": f"r{number}"},
        )
        answer = connection.getresponse()
        assert answer.read().endswith(b"data: [DONE]\n\n")
        assert answer.getheader("x-request-id") == f"r{number}"
    connection.close()


def test_reasoning_comes_first_and_several_tokens_an_event(start_sim: StartSim) -> None:
    sim = start_sim(
        *("--fixed-step-ms", "1", "--tokens-per-event", "4"),
        *("--reasoning-share", "0.5", "--reasoning-field", "reasoning_content"),
    )
    body = {
        "messages": [{"content": "hi"}],
        "max_tokens": 20,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    *chunks, usage = [json.loads(event) for event in events(dechunked(ask(sim, CHAT, body)))[:-1]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:]]
    assert [len(delta["reasoning_content"].split()) for delta in deltas if "reasoning_content" in delta] == [1, 4, 4, 1]
    assert [len(delta["content"].split()) for delta in deltas if "content" in delta] == [4, 4, 2]
    assert usage["usage"]["completion_tokens_details"] == {"reasoning_tokens": 10}
    (record,) = sim.stop()
    assert record["tokens"] == [1, 4, 4, 1, 4, 4, 2]


def test_the_truth_is_what_a_client_received(start_sim: StartSim) -> None:
    """Each event leaves after it was planned and arrives after it was sent: all on one clock."""
    sim = start_sim("--fixed-step-ms", "5", "--fixed-ttft-ms", "20")
    arrivals_ns: list[int] = []
    started_ns = time.monotonic_ns()
    with sent(sim, COMPLETIONS, stream_body(max_tokens=10), CLOSE, "X-Request-Id: raw-1") as connection:
        received = b""
        while piece := connection.recv(65536):
            now_ns = time.monotonic_ns()
            received += piece
            arrivals_ns += [now_ns] * (received.count(b'"text":') - len(arrivals_ns))
    (record,) = sim.stop()
    assert record["request_id"] == "raw-1"
    assert (record["isl"], record["osl"], record["cached"], record["end"]) == (3, 10, 0, "length")
    assert record["tokens"] == [1] * 10
    order = [record[f"t_{name}_ns"] for name in ("first_byte_in", "parsed", "admitted", "first_sched")]
    assert started_ns < order[0]
    assert order == sorted(order)
    planned, sending, sent_ns = record["planned_ns"], record["write_ns"], record["written_ns"]
    assert planned[0] - order[0] == 20_000_000  # reading the request is part of it
    assert {after - before for before, after in pairwise(planned)} == {5_000_000}
    for plan, before, after, arrival in zip(planned, sending, sent_ns, arrivals_ns, strict=True):
        assert plan <= before <= after
        assert before < arrival


def test_each_request_of_a_connection_has_its_own_first_byte(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1")
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=10)
    headers, sent_ns = {"Content-Type": "application/json"}, []
    for body in (stream_body(), {"bad": "request"}, stream_body()):
        connection.request("GET", "/health")
        connection.getresponse().read()
        sent_ns.append(time.monotonic_ns())
        connection.request("POST", COMPLETIONS, json.dumps(body), headers)
        connection.getresponse().read()
    connection.close()
    first, second = sim.stop()
    assert sent_ns[0] < first["t_first_byte_in_ns"] < sent_ns[1]
    assert sent_ns[2] < second["t_first_byte_in_ns"]


def test_a_client_that_leaves_frees_its_slot(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1", "--max-num-seqs", "1")
    with sent(sim, COMPLETIONS, stream_body(max_tokens=900_000)) as connection:
        read_until(connection, b'"text":')
    assert ask(sim, COMPLETIONS, stream_body(max_tokens=2)).count(b'"text":') == 2  # waits until the slot is free
    left, served = sim.stop()
    assert (left["end"], served["end"]) == ("aborted", "length")
    assert 0 < sum(left["tokens"]) < 900_000


def test_the_truth_is_complete_when_told_to_stop_in_mid_stream(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1")
    with sent(sim, COMPLETIONS, stream_body(max_tokens=900_000)) as connection:
        received = read_until(connection, b'"text":')
        (record,) = sim.stop()
        received += read_all(connection)  # counted as one: a read may end in the middle of an event
    assert record["end"] == "aborted"
    assert received.count(b'"text":') == sum(record["tokens"])


def test_a_modelled_engine_caches_prefixes(start_sim: StartSim) -> None:
    sim = start_sim("--model", "openai/gpt-oss-120b", "--gpu", "b200", "--tp", "2")
    prompt = " ".join(f"w{number}" for number in range(100))
    body: dict[str, Any] = {"prompt": prompt, "max_tokens": 3}
    first, second = (json.loads(ask(sim, COMPLETIONS, body).split(b"\r\n\r\n", 1)[1])["usage"] for _ in range(2))
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert second["prompt_tokens_details"]["cached_tokens"] == 96
    assert (sim.described["gpus"], sim.described["in_calibrated_range"]) == (2, True)
    assert [record["cached"] for record in sim.stop()] == [0, 96]


def test_a_strange_request_id_does_no_harm(fast_sim: RunningSim) -> None:
    with fast_sim.connect() as connection:
        connection.sendall(
            raw_request(COMPLETIONS, stream_body(), CLOSE, "X-Request-Id: IDHERE").replace(b"IDHERE", b"a\xff\xc3\x28b")
        )
        answer = read_all(connection)
    assert b"X-Request-Id: a(b\r\n" in answer
    assert b'"id":"cmpl-a(b"' in answer


def test_http_1_0_is_told_what_it_needs(fast_sim: RunningSim) -> None:
    with fast_sim.connect() as connection:
        connection.sendall(raw_request(COMPLETIONS, stream_body()).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert b"a streamed answer needs HTTP/1.1" in read_all(connection)
