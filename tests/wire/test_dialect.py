from typing import Any

import pytest

from imaxproxy.metrics import EngineTiming, Flag, Usage
from imaxproxy.wire.dialect import Facts, error_message, note_choice, note_common, one_line, usage_of


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"error": {"message": "too long", "type": "x", "code": 400}}, "too long"),  # vLLM, llama.cpp, OpenAI
        ({"object": "error", "message": "too long", "code": 400}, "too long"),  # SGLang, TensorRT-LLM
        ({"error": {"object": "error", "message": "gone", "code": 500}}, "gone"),  # SGLang inside a stream
        ({"error": "Unauthorized"}, "Unauthorized"),  # vLLM's 401; transformers
        ({"detail": "Not Found"}, "Not Found"),  # FastAPI's own
        ({"error": {"code": 7}}, "{'code': 7}"),
        ({"other": 1}, "{'other': 1}"),
    ],
)
def test_errors_of_each_engine_have_a_message(message: dict[str, Any], expected: str) -> None:
    assert error_message(message) == expected


def test_a_message_is_one_short_line() -> None:
    assert one_line("Traceback:\n  File\r\n    x") == "Traceback: File x"
    assert len(one_line("word " * 1000)) == 300


def test_errors_are_noted() -> None:
    for message in ({"error": {"message": "m"}}, {"object": "error", "message": "m"}):
        facts = Facts()
        note_common(message, facts)
        assert facts.error == "m"
    facts = Facts()
    note_common({"error": None, "object": "chat.completion.chunk", "model": 5}, facts)
    assert (facts.error, facts.model) == (None, None)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 20, "completion_tokens": 8}, Usage(20, 8)),
        ({"prompt_tokens": 20, "prompt_tokens_details": None}, Usage(20)),
        ({"prompt_tokens_details": {"cached_tokens": 19}, "reasoning_tokens": 4}, Usage(None, None, 4, 19)),  # SGLang
        ({"reasoning_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 3}}, Usage(reasoning_tokens=3)),
        ({"completion_tokens": "8", "prompt_tokens": -1}, Usage()),  # no counts
        ({"completion_tokens": True, "prompt_tokens": 1 << 40, "prompt_tokens_details": []}, Usage()),
        ({"completion_tokens": 8.0}, Usage()),
    ],
)
def test_usage_is_what_is_a_count(usage: dict[str, Any], expected: Usage) -> None:
    assert usage_of(Facts(usage=usage), one_prompt=True) == expected


def facts_of(*chunks: dict[str, Any]) -> Facts:
    facts = Facts()
    for chunk in chunks:
        note_common(chunk, facts)
        for choice in chunk["choices"]:
            note_choice(choice, facts)
    return facts


def tokens(given: int, made: int) -> dict[str, int]:
    return {"prompt_tokens": given, "completion_tokens": made}


def test_of_one_choice_the_last_usage_counts() -> None:
    facts = facts_of({"choices": [{}], "usage": tokens(5, 1)}, {"choices": [], "usage": tokens(5, 2)})
    assert usage_of(facts, one_prompt=True) == Usage(5, 2)
    again = facts_of({"choices": [{}]}, *[{"choices": [], "usage": tokens(5, 2)}] * 2)
    assert usage_of(again, one_prompt=True) == Usage(5, 2)  # said twice is not twice as many


EIGHT = {"choices": [], "usage": tokens(20, 8)}


def ended(index: int) -> dict[str, Any]:
    return {"choices": [{"index": index, "finish_reason": "stop"}]}


TWO = {"choices": [{"index": 0}, {"index": 1}]}


def test_of_many_choices_one_object_for_all_counts() -> None:
    facts = facts_of(TWO, {"choices": [{"index": 1}], "usage": tokens(5, 8)}, {"choices": [], "usage": tokens(5, 16)})
    assert usage_of(facts, one_prompt=True) == Usage(5, 16)


def test_of_many_choices_an_object_each_is_added_up() -> None:
    beside_none = facts_of(TWO, ended(0), {"choices": [], "usage": tokens(20, 8)}, ended(1), EIGHT)
    assert usage_of(beside_none, one_prompt=True) == Usage(20, 16)  # llama.cpp with n=2
    assert not beside_none.flags
    beside_each = facts_of(
        {"choices": [{"index": 1}], "usage": tokens(4, 3)}, {"choices": [{"index": 0}], "usage": tokens(2, 3)}
    )
    assert usage_of(beside_each, one_prompt=False) == Usage(6, 6)  # llama.cpp with two prompts


def test_a_total_said_twice_counts_once() -> None:
    for choices in (TWO, {"choices": [{"index": 0}]}):
        facts = facts_of(choices, ended(0), ended(1), EIGHT, EIGHT)
        assert usage_of(facts, one_prompt=True) == Usage(20, 8)
        assert facts.flags == {Flag.DUPLICATE_USAGE}


def test_token_ids_are_counted_over_all_choices() -> None:
    assert facts_of({"choices": [{"token_ids": None}]}).token_ids is None
    facts = facts_of({"choices": [{"token_ids": [1, 2]}]}, {"choices": [{"index": 1, "token_ids": []}]}, ended(0))
    assert facts.token_ids == 2


@pytest.mark.parametrize(
    ("numbers", "odd"), [([0, 1, 2], False), ([5, 6], False), ([0, 2], True), ([1, 1], True), (["a", None, 3.0], False)]
)
def test_numbers_are_in_order_when_each_is_the_next(numbers: list[object], odd: bool) -> None:
    facts = Facts()
    for number in numbers:
        facts.note_order(number)
    assert facts.flags == ({Flag.OUT_OF_ORDER} if odd else set())


def test_tokens_so_far_of_many_choices_are_of_all() -> None:
    facts = facts_of(
        {"choices": [{"index": 0}], "usage": tokens(5, 1)},
        {"choices": [{"index": 1}], "usage": tokens(5, 1)},
        {"choices": [{"index": 0}], "usage": tokens(5, 2)},
    )
    assert facts.tokens_so_far() == 3
    assert facts_of({"choices": [{}], "usage": tokens(5, 2)}).tokens_so_far() == 2
    assert facts_of({"choices": [{}], "usage": {"prompt_tokens": 5}}).tokens_so_far() is None


def test_choices_end_each_for_itself() -> None:
    facts = facts_of({"choices": [{"index": 0, "finish_reason": "stop"}]}, {"choices": [{"index": 1}]})
    assert facts.unfinished == {1}  # it began when the first had ended
    note_choice({"index": 0}, facts)  # a chunk behind the end
    assert facts.unfinished == {1}
    note_choice({"index": 1, "finish_reason": "length"}, facts)
    assert (facts.unfinished, facts.finish_reason) == (set(), "length")


@pytest.mark.parametrize(
    ("metrics", "timing"),
    [
        ({"time_to_first_token_ms": 5.25, "mean_itl_ms": 4.5, "queue_time_ms": 0.03}, EngineTiming(5.25, 4.5, 0.03)),
        ({"time_to_first_token_ms": 5.25, "mean_itl_ms": None}, EngineTiming(5.25)),
        ({"time_to_first_token_ms": float("nan"), "mean_itl_ms": -1.0}, None),
        ({"time_to_first_token_ms": "5"}, None),
        ([], None),
        (None, None),
    ],
)
def test_vllms_own_times_are_noted(metrics: object, timing: EngineTiming | None) -> None:
    facts = Facts()
    note_common({"choices": [], "metrics": metrics}, facts)
    assert facts.timing == timing


def test_llama_servers_own_time_between_tokens_is_noted() -> None:
    """As recorded; the time that it read the prompt in leaves out the queue, so it is no TTFT."""
    facts = Facts()
    timings = {"cache_n": 19, "prompt_n": 1, "prompt_ms": 0.482, "predicted_n": 8, "predicted_per_token_ms": 0.2567}
    note_common({"choices": [], "timings": timings}, facts)
    assert facts.timing == EngineTiming(itl_ms=0.2567)
