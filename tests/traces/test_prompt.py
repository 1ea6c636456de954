import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.traces import Prompts, TraceRow

VOCABULARY = 9_832


def hashed(ids: tuple[int, ...], length: int, request_id: str = "r", block: int = 512) -> TraceRow:
    return TraceRow(request_id, input_length=length, output_length=1, hash_ids=ids, block_size=block)


def shared_words(a: str, b: str) -> int:
    words_a, words_b = a.split(" "), b.split(" ")
    place = 0
    while place < min(len(words_a), len(words_b)) and words_a[place] == words_b[place]:
        place += 1
    return place


def test_the_first_words_never_change() -> None:
    """Golden: other words mean that every published run with synthetic prompts used another workload."""
    row = hashed((0, 1), 600)
    text = Prompts(seed=1).text(row)
    assert text.split(" ")[:8] == GOLDEN_WORDS
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN_SHA256


def test_the_text_does_not_depend_on_the_process() -> None:
    code = (
        "from imaxproxy.traces import Prompts, TraceRow;"
        "print(Prompts(3, 's').text(TraceRow('r', session_id='ü', input_length=40, hash_ids=(7, 8), block_size=16,"
        " hash_id_scope='session')))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(texts) == 1


@given(
    st.lists(st.integers(0, VOCABULARY - 1), max_size=6, unique=True),
    st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=2, unique=True),
    st.sampled_from([8, 16, 64, 512]),
    st.integers(1, 511),
)
def test_a_shared_hash_prefix_is_a_shared_text_prefix_of_exactly_its_words(
    prefix: list[int], forks: list[int], block: int, rest: int
) -> None:
    rest = min(rest, block)
    length = len(prefix) * block + rest
    prompts = Prompts(seed=5)
    one, two = (prompts.text(hashed((*prefix, fork), length, f"r{fork}", block)) for fork in forks)
    assert len(one.split(" ")) == len(two.split(" ")) == length
    assert shared_words(one, two) == len(prefix) * block


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(5, 16))
def test_two_ids_never_give_the_same_block(one: int, two: int, block: int) -> None:
    prompts = Prompts(seed=1)
    texts = [prompts.text(hashed((hash_id,), block, block=block)) for hash_id in (one, two)]
    assert (texts[0] == texts[1]) == (one == two)


@pytest.mark.parametrize(
    ("ids", "length", "private"),
    [
        ((1, 2), 1024, 0),  # whole blocks
        ((1, 2, 3), 1025, 0),  # ceil: the last block is cut, and belongs to its id
        ((1, 2), 1025, 1),  # floor: the last word is this request's own
        ((), 1, 1),
        ((), 700, 700),
        ((1,), 3, 0),  # shorter than the words that spell the id
    ],
)
def test_counts_are_exact_under_either_rule(ids: tuple[int, ...], length: int, private: int) -> None:
    prompts = Prompts(seed=1)
    mine, same, theirs = (prompts.text(hashed(ids, length, name)) for name in ("mine", "mine", "theirs"))
    assert len(mine.split(" ")) == length
    assert mine == same
    assert shared_words(mine, theirs) >= length - private
    assert (mine == theirs) == (private == 0)


def test_a_cut_block_is_the_beginning_of_the_whole_one() -> None:
    prompts = Prompts(seed=1)
    assert prompts.text(hashed((9,), 512)).startswith(prompts.text(hashed((9,), 100)) + " ")


def test_session_scope_keeps_equal_ids_of_two_sessions_apart() -> None:
    def row(session: str) -> TraceRow:
        return TraceRow("r", session_id=session, input_length=512, hash_ids=(1,), hash_id_scope="session")

    prompts = Prompts(seed=1)
    assert prompts.text(row("a")) == prompts.text(row("a")) != prompts.text(row("b"))


def test_seed_and_salt_change_everything() -> None:
    row = hashed((1, 2), 1100)
    texts = [Prompts(seed, salt).text(row).split(" ") for seed, salt in ((1, ""), (2, ""), (1, "run 2"))]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        same_words = sum(a == b for a, b in zip(texts[one], texts[two], strict=True))
        assert same_words < 10, "1,100 pairs of 9,832 words meet about 0.1 times by chance"


def test_a_prefix_length_is_shared_within_its_group_only() -> None:
    def row(name: str, group: str, prefix: int) -> TraceRow:
        return TraceRow(name, input_length=300, prefix_length=prefix, prefix_group=group)

    prompts = Prompts(seed=1)
    one, two, longer, other = map(
        prompts.text, (row("1", "g", 100), row("2", "g", 100), row("3", "g", 200), row("4", "h", 100))
    )
    assert {len(text.split(" ")) for text in (one, two, longer, other)} == {300}
    assert shared_words(one, two) == 100
    assert shared_words(one, longer) == 100
    assert shared_words(one, other) == 0


def test_a_prefix_length_without_group_is_shared_with_the_sessions_turn_before() -> None:
    prompts = Prompts(seed=1)
    first = prompts.text(TraceRow("1", session_id="s", input_length=100, prefix_length=0))
    second = prompts.text(TraceRow("2", session_id="s", input_length=250, prefix_length=100))
    assert second.startswith(first + " ")
    assert len(second.split(" ")) == 250


def test_the_memo_is_bounded_and_changes_nothing() -> None:
    rows = [hashed(tuple(range(start, start + 4)), 2048) for start in range(50)]
    small, none = Prompts(seed=1, memo_bytes=20_000), Prompts(seed=1, memo_bytes=0)
    assert [small.text(row) for row in rows] == [none.text(row) for row in rows]
    assert 0 < small._memo.size_bytes <= 20_000
    assert none._memo.size_bytes == 0


GOLDEN_WORDS = ["chim", "legislation", "fought", "log", "church", "complaining", "laid", "deploy"]
GOLDEN_SHA256 = "8b548e5ad00391d175efecb249b82bbdcde95bc9ed8d835355121d1fb1a902c8"
