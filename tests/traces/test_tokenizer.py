from pathlib import Path

import pytest
import tokenizers

from imaxproxy.errors import UsageError
from imaxproxy.traces import Prompts, TraceRow, shipped_words
from imaxproxy.traces.tokenizer import CountTokens, fitting_words, load_tokenizer


def saved(folder: Path, words: tuple[str, ...]) -> Path:
    """A tokenizer of whole words; any other is one token too, but not one that it can tell from others."""
    model = tokenizers.models.WordLevel({"[UNK]": 0, "a": 1} | {word: n + 2 for n, word in enumerate(words)}, "[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_counts_what_is_asked_and_keeps_what_the_file_says(tmp_path: Path) -> None:
    step = CountTokens(load_tokenizer(saved(tmp_path, ("one", "two"))))
    rows = [TraceRow("a", text_input="one two one"), TraceRow("b", text_input="one", input_length=9)]
    assert [row.input_length for row in step.apply(rows)] == [3, 9]


def test_what_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match=r"no tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_prompts_of_words_that_fit_are_exact(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(saved(tmp_path, shipped_words()[:400]))
    prompts = Prompts(0, words=fitting_words(tokenizer))
    assert tokenizer.count(prompts.text(TraceRow("a", input_length=700))) == 700


def test_a_conversation_of_deltas_is_counted_with_what_was_said_before(tmp_path: Path) -> None:
    step = CountTokens(load_tokenizer(saved(tmp_path, ("one", "two"))))
    answer = {"response": {"text": "two two"}}
    rows = [
        TraceRow(
            str(number),
            session_id="s",
            messages=({"role": "user", "content": "one one one"},),
            messages_mode="delta",
            recorded=answer,
        )
        for number in range(2)
    ]
    assert [(row.input_length, row.output_length) for row in step.apply(rows)] == [(3, 2), (8, 2)]
    assert step.report() == {"requests_counted": 2}


def test_tokens_of_pieces_are_those_of_the_whole(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(saved(tmp_path, ("one", "two")))
    assert tokenizer.counts_of_pieces(["one t", "", "wo on", "e"]) == [1, 0, 1, 1]
    assert tokenizer.counts_of_pieces(["", ""]) == [0, 0]
