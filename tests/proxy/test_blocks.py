"""Prompts as hashed blocks."""

from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.proxy.blocks import BLOCK_BYTES, SLICE_BYTES, BlockHasher, digests_of

HASHER = BlockHasher(b"salt")


def blocks(text: bytes, salt: bytes = b"salt") -> list[int]:
    return digests_of(b"".join(BlockHasher(salt).slices(text)).hex())


@given(st.binary(max_size=2000), st.binary(max_size=2000), st.binary(max_size=2000))
def test_prompts_share_the_blocks_of_their_common_beginning_and_no_other(same: bytes, one: bytes, other: bytes) -> None:
    first, second = same + b"1" + one, same + b"2" + other
    shared = len(same) // BLOCK_BYTES
    assert blocks(first)[:shared] == blocks(second)[:shared]
    assert not set(blocks(first)[shared:]) & set(blocks(second)[shared:])


def test_a_long_prompt_comes_in_slices_that_go_on_with_each_other() -> None:
    text = bytes(range(256)) * (2 * SLICE_BYTES // 256) + b"x"
    assert len(list(BlockHasher(b"s").slices(text))) == 3
    assert blocks(text)[: SLICE_BYTES // BLOCK_BYTES] == blocks(text[:SLICE_BYTES])
    assert len(set(blocks(text))) == 2 * SLICE_BYTES // BLOCK_BYTES + 1


def test_another_salt_gives_other_blocks_and_names() -> None:
    assert not set(blocks(b"text" * 500)) & set(blocks(b"text" * 500, b"another"))
    assert BlockHasher(b"a").name(b"alice") != BlockHasher(b"b").name(b"alice") == BlockHasher(b"b").name(b"alice")


@given(st.binary(max_size=600), st.binary(max_size=600), st.binary(max_size=600))
def test_a_beginning_has_one_name_whatever_comes_after_it(beginning: bytes, one: bytes, other: bytes) -> None:
    def name(text: bytes) -> str:
        return HASHER.name_of(beginning, b"".join(HASHER.slices(text)))

    assert name(beginning + one) == name(beginning + other)
    assert name(beginning) != HASHER.name_of(beginning + b"x", b"".join(HASHER.slices(beginning + b"x")))


def test_no_text_has_no_blocks() -> None:
    assert blocks(b"") == []
