"""Exact token counts with the model's own tokenizer, from a local file; needs the extra `imaxproxy[tokenizers]`."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.traces.history import recorded_answer
from imaxproxy.traces.prompt import shipped_words
from imaxproxy.traces.row import Json, TraceRow

MIN_WORDS = 256
"""Fewer give prompts that repeat themselves, and a block too few ways to differ."""
MAX_WORDS = 32_768
_SPACES = ("Ġ", "▁")
"""How byte-level BPE and SentencePiece write the space before a word."""


class Tokenizer:
    """Counts tokens as the model does, without the special ones that a chat template or the server adds."""

    def __init__(self, path: Path, tokenizer: Any) -> None:  # noqa: ANN401 (tokenizers has no types)
        self._path, self._tokenizer = path, tokenizer

    def __repr__(self) -> str:
        return f"<Tokenizer {self._path} | {self._tokenizer.get_vocab_size()} tokens>"

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [len(each.ids) for each in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def counts_of_pieces(self, pieces: Sequence[str]) -> list[int]:
        """Tokens of each piece of one text: a token is of the piece in which its last character stands.

        Together they are the text's: what the cut between two pieces does to a token does not count.
        """
        ends = list(accumulate(map(len, pieces)))
        counts = [0] * len(pieces)
        (encoding,) = self._tokenizer.encode_batch(["".join(pieces)], add_special_tokens=False)
        for _, end in encoding.offsets:
            counts[min(bisect_left(ends, end), len(pieces) - 1)] += 1
        return counts

    def vocabulary_words(self) -> list[str]:
        """Words of ASCII letters that the vocabulary writes with a space before them, sorted."""
        stripped = (token[1:] for token in self._tokenizer.get_vocab() if token.startswith(_SPACES))
        return sorted(word for word in stripped if len(word) > 1 and word.isascii() and word.isalpha())


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


def fitting_words(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Words for `Prompts` with which N words are exactly N tokens: of the shipped list, else of the vocabulary itself.

    Each is one token at the beginning of a text and after a space, and stays one beside the others. Raises UsageError
    when fewer than 256 do.
    """
    for candidates in (shipped_words(), tokenizer.vocabulary_words()):
        words = _stable(tokenizer, _single(tokenizer, candidates)[:MAX_WORDS])
        if len(words) >= MIN_WORDS:
            return tuple(words)
    raise UsageError(f"{tokenizer!r}: under {MIN_WORDS} words are single tokens; lengths cannot be exact with it")


class CountTokens:
    """A step that fills in `input_length`, `output_length` and `reasoning_length` of rows of text.

    Texts alone are counted: a chat template adds its own tokens, some ten a message. A length in the file stays.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._start_over()

    def _start_over(self) -> None:
        self._counted = 0
        self._history: dict[str, int] = {}
        """Session -> tokens of its conversation so far."""

    def look(self, rows: Iterable[TraceRow]) -> None:
        pass

    def apply(self, rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
        self._start_over()
        return map(self.counted, rows)

    def counted(self, row: TraceRow) -> TraceRow:
        """The row with its lengths; hand in those of a session in their order."""
        return self._with_lengths(row, self._history) if row.has_content else row

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


def _single(tokenizer: Tokenizer, words: Sequence[str]) -> list[str]:
    at_start, later = tokenizer.counts(words), _counts_after_space(tokenizer, words)
    return [word for word, *counts in zip(words, at_start, later, strict=True) if counts == [1, 1]]


def _counts_after_space(tokenizer: Tokenizer, words: Sequence[str]) -> list[int]:
    """Tokens of each word behind "a": what SentencePiece puts before a text then stands before that."""
    lead = tokenizer.count("a")
    return [count - lead for count in tokenizer.counts([f"a {word}" for word in words])]


def _stable(tokenizer: Tokenizer, words: list[str]) -> list[str]:
    """Those that stay one token each in one text together; what does not is found by halving."""
    if len(words) <= 1 or tokenizer.count(" ".join(words)) == len(words):
        return words
    if len(words) == 2:
        return words[:1]
    half = len(words) // 2
    return _stable(tokenizer, words[:half]) + _stable(tokenizer, words[half:])
