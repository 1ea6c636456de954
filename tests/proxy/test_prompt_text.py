"""Prompts of every API, as one text."""

from typing import Any

import pytest

from imaxproxy.proxy.prompt_text import prompt_text

SYSTEM = {"role": "system", "content": "be kind"}
USER = {"role": "user", "content": "hello"}
SAID = {"role": "assistant", "content": "hi"}
PARTS = [{"type": "text", "text": "he"}, {"type": "text", "text": "llo"}]


@pytest.mark.parametrize(
    ("body", "text", "opening", "turn"),
    [
        ({"messages": [SYSTEM, USER]}, "<system>be kind<user>hello", "<system>be kind<user>hello", 0),
        (
            {"messages": [SYSTEM, USER, SAID, {"role": "user", "content": "more"}]},
            "<system>be kind<user>hello<assistant>hi<user>more",
            "<system>be kind<user>hello",
            1,
        ),
        ({"messages": [{"role": "user", "content": PARTS}]}, "<user>hello", "<user>hello", 0),
        # tools stand first, as templates put them
        ({"messages": [USER], "tools": [{"a": 1}]}, '{"a":1}<user>hello', '{"a":1}<user>hello', 0),
        ({"prompt": "once"}, "once", "once", 0),
        ({"prompt": [1, 22, 333]}, "1 22 333", "1 22 333", 0),
        ({"prompt": ["a", "b"]}, "ab", "ab", 0),
        # Responses: a text, or items
        ({"input": "hello", "instructions": "be kind"}, "<system>be kind<user>hello", "<system>be kind<user>hello", 0),
        (
            {
                "input": [
                    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
                    {"type": "function_call", "name": "look", "arguments": "{}"},
                    {"type": "function_call_output", "output": "42"},
                ]
            },
            "<user>hello<function_call>look{}<function_call_output>42",
            "<user>hello",
            0,
        ),
        # Messages
        (
            {"system": [{"type": "text", "text": "be kind", "cache_control": {}}], "messages": [USER]},
            "<system>be kind<user>hello",
            "<system>be kind<user>hello",
            0,
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"text": "42"}]}]}]},
            "<user>42",
            "<user>42",
            0,
        ),
    ],
)
def test_what_is_asked(body: dict[str, Any], text: str, opening: str, turn: int) -> None:
    asked = prompt_text(body)
    assert asked is not None
    assert (asked.text, asked.text[: asked.opening_chars], asked.turn) == (text, opening, turn)


def test_an_image_counts_as_little_and_is_told_from_another() -> None:
    def with_image(data: str) -> dict[str, Any]:
        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        return {"messages": [{"role": "user", "content": [part]}]}

    one, same, other = (prompt_text(with_image(data * 100_000)) for data in "AAB")
    assert one is not None
    assert other is not None
    assert one == same
    assert one.text != other.text
    assert len(one.text) < 100


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"messages": "hello?"}, {"messages": 1}, {"input": {}}, {"x": 1}]
)
def test_other_forms_are_not_guessed_at(body: dict[str, Any]) -> None:
    assert prompt_text(body) is None
