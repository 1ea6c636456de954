import io
from pathlib import Path

import orjson
import pytest
from scripted_engine import sse
from traces.test_tokenizer import saved

from imaxproxy.load.answer_tokens import READY
from imaxproxy.load.token_counter import answered, serve, tokens_of
from imaxproxy.metrics import ANSWER, REASONING
from imaxproxy.traces.tokenizer import Tokenizer, load_tokenizer
from load.items import PATH


@pytest.fixture
def words(tmp_path: Path) -> Tokenizer:
    """Each word is a token."""
    return load_tokenizer(saved(tmp_path, ("one", "two")))


def events(*texts: str) -> bytes:
    chunks = [sse({"choices": [{"index": 0, "delta": {"content": text}}]}) for text in texts]
    return b"".join(chunk.split(b"\r\n", 1)[1].removesuffix(b"\r\n") for chunk in chunks)


def test_a_token_is_of_the_event_in_which_it_ends(words: Tokenizer) -> None:
    assert tokens_of([(ANSWER, "one tw"), (ANSWER, "o"), (ANSWER, " one two one")], words) == [1, 1, 3]


def test_no_token_lies_in_reasoning_and_answer_both(words: Tokenizer) -> None:
    assert tokens_of([(ANSWER, "on"), (ANSWER, "e")], words) == [0, 1]
    assert tokens_of([(REASONING, "on"), (ANSWER, "e")], words) == [1, 1]


def test_what_cannot_be_told_is_not(words: Tokenizer) -> None:
    assert answered("/v1/embeddings", events("one"), words) is None
    assert answered(PATH, events("one", " two"), words) == [1, 1]


def test_questions_are_answered_in_their_order(words: Tokenizer) -> None:
    bodies = [events("one two"), events(), events("one", " two two")]
    asked = b"".join(orjson.dumps([PATH, len(body)]) + b"\n" + body for body in bodies)
    answers = io.BytesIO()
    serve(io.BytesIO(asked), answers, words)
    assert answers.getvalue() == READY + b"[2]\n[]\n[1,2]\n"
