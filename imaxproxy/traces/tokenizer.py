"""Exact token counts with the model's own tokenizer, from a local file; needs the extra `imaxproxy[tokenizers]`."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.traces.history import recorded_answer
from imaxproxy.traces.row import Json, TraceRow


class Tokenizer:
    """Counts tokens as the model does, without the special ones that a chat template or the server adds."""

    def __init__(self, path: Path, tokenizer: Any) -> None:  # noqa: ANN401 (tokenizers has no types)
        self._path, self._tokenizer = path, tokenizer

    def __repr__(self) -> str:
        return f"<Tokenizer {self._path} | {self._tokenizer.get_vocab_size()} tokens>"

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def load_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer.json, or a folder that holds one; never a hub. Raises UsageError."""
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"{file} does not exist; name a tokenizer.json, or the model's local folder that holds it")
    try:
        import tokenizers
    except ImportError:
        raise UsageError("a tokenizer needs the extra: pip install 'imaxproxy[tokenizers]'") from None
    try:
        return Tokenizer(file, tokenizers.Tokenizer.from_file(str(file)))
    except Exception as error:  # the library raises bare Exceptions
        raise UsageError(f"{file} is no tokenizer.json ({' '.join(str(error).split())})") from None


class CountTokens:
    """A step that fills in `input_length`, `output_length` and `reasoning_length` of rows of text.

    Texts alone are counted: a chat template adds its own tokens, some ten a message. A length in the file stays.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._counted = 0

    def look(self, rows: Iterable[TraceRow]) -> None:
        pass

    def apply(self, rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
        self._counted = 0
        history: dict[str, int] = {}
        for row in rows:
            yield self._with_lengths(row, history) if row.has_content else row

    def report(self) -> dict[str, Any]:
        return {"requests_counted": self._counted}

    def _with_lengths(self, row: TraceRow, history: dict[str, int]) -> TraceRow:
        self._counted += 1
        asked = self._tokenizer.count("\n".join(_texts(row)))
        before = history.get(row.session_id or "", 0) if row.messages_mode == "delta" else 0
        answer = recorded_answer(row)
        reasoning, visible = (self._tokenizer.count("\n".join(texts)) for texts in _said(answer))
        if row.session_id is not None:
            history[row.session_id] = before + asked + reasoning + visible
        if isinstance(row.prompt, tuple):
            asked = len(row.prompt)
        output = reasoning + visible
        return replace(
            row,
            input_length=row.input_length if row.input_length is not None else max(1, before + asked),
            output_length=row.output_length if row.output_length is not None or not output else output,
            reasoning_length=row.reasoning_length if row.reasoning_length is not None or not reasoning else reasoning,
        )


def _texts(row: TraceRow) -> Iterator[str]:
    if row.text_input is not None:
        yield row.text_input
    yield from _message_texts(row.messages)
    body = row.body or {}
    messages, prompt = body.get("messages"), body.get("prompt", row.prompt)
    yield from _message_texts(messages if isinstance(messages, list) else ())
    if isinstance(prompt, str):
        yield prompt


def _message_texts(messages: Iterable[Any]) -> Iterator[str]:
    """The texts of messages, their parts, and what tools were called with."""
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        parts = content if isinstance(content, list) else [{"text": content}]
        yield from (part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
        for call in message.get("tool_calls") or () if isinstance(message, dict) else ():
            called = call.get("function", {}) if isinstance(call, dict) else {}
            yield f"{called.get('name', '')} {called.get('arguments', '')}"


def _said(answer: list[Json]) -> tuple[list[str], list[str]]:
    """Texts of the reasoning, and of the rest."""
    thoughts = [text for message in answer if isinstance(text := message.get("reasoning_content"), str)]
    return thoughts, list(_message_texts(answer))
