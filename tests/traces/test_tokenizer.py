from pathlib import Path

import pytest
import tokenizers

from imaxproxy.errors import UsageError
from imaxproxy.traces import TraceRow
from imaxproxy.traces.tokenizer import CountTokens, load_tokenizer


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
