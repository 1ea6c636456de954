"""The table of engines' dialects, held against recorded answers of these engines."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.wire import ENGINE_DIALECTS, UNKNOWN, EngineDialect, known_dialect

DATA = Path(__file__).parents[1] / "data"
RECORDED = {
    "vllm": "vllm",
    "sglang": "sglang",
    "dynamo": "dynamo",
    "llamacpp": "llamaserver",
    "transformers": "transformers",
}
"""Dialects that were recorded, and how their files begin; TensorRT-LLM's was only read."""
DIALECTS = [ENGINE_DIALECTS[name] for name in RECORDED]
REFUSALS = {400, 404, 422}


class Answer:
    """One recorded answer."""

    def __init__(self, dialect: EngineDialect, case: str) -> None:
        name = f"{RECORDED[dialect.name]}-{case}.txt"
        path = DATA / "engines" / "answers" / name
        text = (path if path.exists() else DATA / "wire" / name).read_text("utf-8")
        asked = _first(r"^# request-body: (.*)$", text)
        self.asked: dict[str, Any] = {} if case == "err-badjson" else json.loads(asked or "{}")
        self.status = int(_first(r"status: HTTP (\d+)", text))
        self.body = next((line for line in text.splitlines() if line.startswith("{")), "")
        self.data = re.findall(r"^\[ *[\d.]+\] data: (.*)$", text, re.M)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.data if data != "[DONE]"]

    @property
    def usages(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("usage")]


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.M)
    assert found, pattern
    return found[1]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_unknown_fields(dialect: EngineDialect) -> None:
    answer = Answer(dialect, "err-unknown-field")
    assert "foo_bar" in answer.asked
    assert (answer.status in REFUSALS) == (dialect.unknown_field == "refused")


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_unknown_models(dialect: EngineDialect) -> None:
    answer = Answer(dialect, "err-nomodel")
    assert (answer.status in REFUSALS) == (dialect.unknown_model == "refused")


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_fields_that_hold_a_length(dialect: EngineDialect) -> None:
    """What was taken was sent with a 200; transformers' refusal names the unknown field, as ours would be."""
    answer = Answer(dialect, "chat-stream-contusage")
    assert answer.status == 200
    assert set(dialect.extras) == {"ignore_eos", "min_tokens"} & set(answer.asked)
    assert answer.usages[-1]["usage"]["completion_tokens"] == answer.asked["max_tokens"]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_where_usage_stands(dialect: EngineDialect) -> None:
    (told,) = Answer(dialect, "chat-stream-usage").usages
    assert (told["choices"] == []) == (dialect.usage == "own event")
    continuous = Answer(dialect, "chat-stream-contusage")
    assert continuous.asked["stream_options"]["continuous_usage_stats"] is True
    assert (len(continuous.usages) > 1) == (dialect.continuous_usage == "heeded")


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_how_a_stream_ends(dialect: EngineDialect) -> None:
    assert (Answer(dialect, "chat-stream-usage").data[-1] == "[DONE]") == dialect.ends_with_done


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_the_form_of_errors(dialect: EngineDialect) -> None:
    error = json.loads(Answer(dialect, "err-badjson").body)
    form = {"nested": "message" in (error.get("error") or {}), "flat": "message" in error, "detail": "detail" in error}
    assert [name for name, found in form.items() if found] == [dialect.error_form]


@pytest.mark.parametrize(("name", "case"), [("vllm", "opts-reasoning-stream"), ("sglang", "chat-stream")])
def test_the_key_of_reasoning(name: str, case: str) -> None:
    dialect = ENGINE_DIALECTS[name]
    deltas = [choice["delta"] for event in Answer(dialect, case).events for choice in event["choices"]]
    keys = {key for delta in deltas for key, value in delta.items() if value and key not in ("role", "content")}
    assert keys == {dialect.reasoning_key}


@pytest.mark.parametrize("name", ["vllm", "sglang", "dynamo", "llamacpp"])
def test_an_engine_is_known_by_its_models_page(name: str) -> None:
    page = json.loads(Answer(ENGINE_DIALECTS[name], "models").body)
    assert known_dialect(page["data"][0]["owned_by"]) is ENGINE_DIALECTS[name]


@pytest.mark.parametrize("owner", ["openai", None, 3, ["vllm"], ""])
def test_another_owner_is_not_known(owner: object) -> None:
    assert known_dialect(owner) is None


def test_the_safe_set_holds_only_what_openai_documents() -> None:
    assert UNKNOWN.extras == frozenset()
    assert not UNKNOWN.holds_lengths
    assert ENGINE_DIALECTS["transformers"].extras == frozenset()
    assert ENGINE_DIALECTS["trtllm"].extras == {"ignore_eos", "min_tokens"}
