"""What is wrong with one record, in every published form: one line that names the place and the field."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.traces import FORMATS, open_trace

DATA = Path(__file__).parents[1] / "data" / "traces"


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def whole(name: str) -> Any:  # noqa: ANN401 (a JSON document)
    return json.loads((DATA / name).read_text())


def table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((DATA / name).read_text())))


MOONCAKE = {"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]}
WEKA = whole("weka_trace_0026.json")
OTEL = whole("otel_fan_in.json")
AIPERF_TURN = {"session_id": "s", "turns": [{"text": "a"}, {"text": "b", "delay": 5}]}


def changed(record: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {**record, **fields}


def in_list(record: dict[str, Any], name: str, place: int, **fields: object) -> dict[str, Any]:
    """The record with one member of one of its lists changed."""
    members = [changed(each, **fields) if at == place else each for at, each in enumerate(record[name])]
    return {**record, name: members}


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("mooncake", changed(MOONCAKE, input_length="600"), "field `input_length`: expected a whole number of tokens"),
    ("mooncake", changed(MOONCAKE, output_length=-1), "field `output_length`: expected a whole number of tokens"),
    ("mooncake", changed(MOONCAKE, timestamp=-5), "field `timestamp`: expected milliseconds from 0"),
    ("mooncake", changed(MOONCAKE, hash_ids=[1]), "field `hash_ids`: expected 2 ids"),
    ("mooncake", changed(MOONCAKE, hash_ids=[1, -2]), "field `hash_ids`: expected a list of whole numbers, none neg"),
    ("azure", changed(table("azure_code_2023.head4.csv")[0], TIMESTAMP="yesterday"), "field `TIMESTAMP`: expected a"),
    ("azure", changed(table("azure_code_2023.head4.csv")[0], ContextTokens="x"), "field `ContextTokens`: expected a"),
    ("azure", changed(table("azure_code_2023.head4.csv")[0], GeneratedTokens="-3"), "field `GeneratedTokens`: exp"),
    ("burstgpt", changed(table("burstgpt_1.excerpt.csv")[0], Timestamp="-1"), "field `Timestamp`: expected seconds"),
    ("burstgpt", changed(table("burstgpt_1.excerpt.csv")[0], **{"Request tokens": "x"}), "field `Request tokens`"),
    ("bailian", changed(lines("bailian_thinking.row1.jsonl")[0], timestamp=-1.0), "field `timestamp`: expected sec"),
    ("bailian", changed(lines("bailian_thinking.row1.jsonl")[0], input_length=None), "field `input_length`"),
    ("bailian", changed(lines("bailian_thinking.row1.jsonl")[0], hash_ids=[1]), "field `hash_ids`"),
    ("weka", in_list(WEKA, "requests", 1, think_time=-2.0), "field `think_time`: expected seconds from 0"),
    ("weka", in_list(WEKA, "requests", 1, **{"in": "many"}), "field `in`: expected a whole number of tokens"),
    ("weka", in_list(WEKA, "requests", 1, t="noon"), "field `t`: expected seconds"),
    ("mlcommons", changed(lines("mlcommons_agentic.head5.jsonl")[0], role="nobody"), "field `role`"),
    ("mlcommons", changed(lines("mlcommons_agentic.head5.jsonl")[0], delay_seconds=-1), "field `delay_seconds`"),
    ("lmcache", changed(lines("lmcache_magagent.tail3.jsonl")[0], timestamp=-1), "field `timestamp`: expected"),
    ("lmcache", changed(lines("lmcache_magagent.tail3.jsonl")[0], input=7), "field `input`"),
    ("tracelab", changed(lines("tracelab_rounds.head2.jsonl")[0], prefix_tokens=10**7), "field `prefix_tokens`: exp"),
    ("tracelab", changed(lines("tracelab_rounds.head2.jsonl")[0], input_tokens_total=None), "field `input_tokens_t"),
    ("tracelab", in_list(lines("tracelab_rounds.head2.jsonl")[0], "timing_events", 0, timestamp="x"), "timing_events"),
    ("tracelab-csv", changed(table("tracelab_replay.csv")[0], tool_wait_after_ms="-7"), "field `tool_wait_after_ms`"),
    ("tracelab-csv", changed(table("tracelab_replay.csv")[0], prefix_len="x"), "field `prefix_len`"),
    ("otel", in_list(OTEL, "spans", 0, end_time="1999-01-01T00:00:00Z"), "spans[0]: field `end_time`: expected a time"),
    ("otel", in_list(OTEL, "spans", 0, start_time="noon"), "spans[0]: field `start_time`: expected an ISO 8601 time"),
    ("aibrix", {"timestamp": -1, "requests": []}, "field `timestamp`: expected milliseconds from 0"),
    ("aibrix", {"timestamp": 0, "requests": [{"Prompt Length": -4}]}, "requests[0]: field `prompt_length`: expected"),
    ("aibrix", {"timestamp": 0, "requests": [{"Output Length": 4}]}, "requests[0]: field `Prompt Length`: expected"),
    ("sharegpt", {"conversations": [{"from": "alien", "value": "x"}]}, "field `conversations[].from`: expected"),
    ("sharegpt", {"conversations": [{"from": "human"}]}, "field `conversations[].value`: expected text"),
    ("openai-batch", changed(lines("openai_batch.jsonl")[0], body=[]), "field `body`: expected an OpenAI request"),
    ("openai-batch", changed(lines("openai_batch.jsonl")[0], custom_id=[]), "field `custom_id`"),
    ("openai-body", {"model": "m", "messages": "hi"}, "field `messages`"),
    ("aiperf-single-turn", {"text": "hi", "delay": -1}, "field `delay`: expected milliseconds from 0"),
    ("aiperf-single-turn", {"text": "hi", "texts": ["ho"]}, "field `texts`: expected either `text` or `texts`"),
    ("aiperf-single-turn", {"audio": "a.wav"}, "field `audio`: expected text or images"),
    ("aiperf-multi-turn", in_list(AIPERF_TURN, "turns", 1, delay=-5), "turns[1]: field `delay`: expected millisec"),
    ("aiperf-multi-turn", {"session_id": "s", "turns": []}, "field `turns`: expected at least one turn"),
    ("aiperf-inputs", {"session_id": "s", "payloads": []}, "field `payloads`: expected at least one request body"),
    ("aiperf-inputs", {"session_id": "s", "payloads": ["x"]}, "field `payloads`: expected a list of objects"),
    ("aiperf-mooncake", {"session_id": "s", "input_length": 5, "delay": -1}, "field `delay`: expected milliseconds"),
    ("vllm-custom", {"prompt": "hi", "output_tokens": -1}, "field `output_tokens`: expected a whole number of tokens"),
    ("vllm-custom", {"prompt": None}, "field `prompt`: expected text, or `content` parts"),
    ("canonical", {"input_tokens": 5, "delay_ms": -1}, "field `delay_ms`: expected milliseconds from 0"),
    ("canonical", {"input_length": 5, "delay": -1}, "field `delay`: expected milliseconds from 0"),
    ("canonical", {"input_length": 5, "tool_wait_ms": -1}, "field `tool_wait_ms`: expected milliseconds from 0"),
    ("canonical", {"input_length": 5, "wait_for": "a"}, "field `wait_for`: expected a list of texts"),
    ("canonical", {"input_length": 20_000_000}, "field `input_length`: expected a whole number of tokens from 0 to"),
    ("canonical", {"input_length": 5, "output_length": 4, "reasoning_length": 9}, "field `reasoning_length`: expect"),
]


@pytest.mark.parametrize(("format", "record", "says"), BAD, ids=[f"{row[0]}-{row[2][:40]}" for row in BAD])
def test_a_field_that_is_wrong_is_named(tmp_path: Path, format: str, record: dict[str, Any], says: str) -> None:
    path = tmp_path / "bad.trace"
    if format in ("azure", "burstgpt", "tracelab-csv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, record)
            writer.writeheader()
            writer.writerow(record)
    else:
        path.write_text(json.dumps(record) + "\n")
    with pytest.raises(UsageError) as told:
        list(open_trace(path, format=format))
    line = str(told.value)
    assert line.startswith(f"{path}"), line
    assert says in line
    assert "\n" not in line
    assert "--skip-bad" in line


def test_every_format_has_its_bad_input_here() -> None:
    assert {format for format, _, _ in BAD} == FORMATS.keys() - {"spec"}


@pytest.mark.parametrize("format", sorted(FORMATS.keys() - {"spec"}))
def test_what_is_left_out_is_counted(tmp_path: Path, format: str) -> None:
    """With --skip-bad: nothing goes missing in silence, and a file of nothing else is an error."""
    bad = [record for name, record, _ in BAD if name == format]
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in bad))
    trace = open_trace(path, format=format, skip_bad=True)
    with pytest.raises(UsageError, match="has no row that can be used"):
        list(trace)
    assert trace.skipped == len(bad)
