"""`python -m imaxproxy.load.token_counter PATH`: counts tokens of answers beside the player. Not for people.

A process of its own, because reading an answer once more and tokenizing it takes milliseconds, in which the player
would stamp late. Asked on stdin, it answers on stdout, both in order; it ends when its input does.
"""

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import IO

import orjson

from imaxproxy.load.answer_tokens import READY
from imaxproxy.traces.tokenizer import Tokenizer, load_tokenizer
from imaxproxy.wire import DIALECTS, EventText, event_texts


def tokens_of(texts: Sequence[EventText], tokenizer: Tokenizer) -> list[int]:
    """Tokens of each event. Reasoning and what is said aloud are different texts: no token lies in both."""
    counts: list[int] = []
    for _, events in groupby(texts, key=lambda event: event[0]):
        counts += tokenizer.counts_of_pieces([text for _, text in events])
    return counts


def answered(path: str, body: bytes, tokenizer: Tokenizer) -> list[int] | None:
    """Tokens of each event of the body of an answer at `path`; None where they cannot be told."""
    dialect = DIALECTS.get(path)
    texts = None if dialect is None else event_texts(body, dialect)
    return None if texts is None else tokens_of(texts, tokenizer)


def serve(asked: IO[bytes], answers: IO[bytes], tokenizer: Tokenizer) -> None:
    """Each question is a line `[path, bytes]` and so many bytes; each answer a line of JSON."""
    answers.write(READY)
    answers.flush()
    while line := asked.readline():
        path, body_bytes = orjson.loads(line)
        counts = answered(path, asked.read(body_bytes), tokenizer)
        answers.write(orjson.dumps(counts) + b"\n")
        answers.flush()


def main() -> None:
    tokenizer = load_tokenizer(Path(sys.argv[1]))
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer, tokenizer)
    except (BrokenPipeError, KeyboardInterrupt):  # the player is gone
        sys.stdout = None  # nothing is left to be flushed to it


if __name__ == "__main__":
    main()
