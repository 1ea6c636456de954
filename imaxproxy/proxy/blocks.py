"""A prompt's text as hashed blocks: equal beginnings give equal blocks, and the text cannot be had from them.

Nobody here has the engine's tokenizer, so blocks are cut by bytes; how many tokens they come to is found out later,
from the engine's own counts (`gather.py`). Where a block ends depends on nothing but the text before it, so that all
workers, and a conversation's later turns, cut a shared beginning alike.
"""

import hashlib
from collections.abc import Iterator

BLOCK_BYTES = 256
"""Some 64 tokens of English or of code. Hashing costs about 3 us a KiB; cutting by words, which was tried, 28 us."""
DIGEST_BYTES = 6
"""Two of a million blocks share a digest with a chance of 0.2 %; longer ones only make longer lines."""
SLICE_BYTES = 512 * BLOCK_BYTES
"""So much is hashed at a time: about 0.4 ms."""


class BlockHasher:
    """Hashes with a run's own salt: without it nobody can test a guess at a prompt, and nobody writes it down."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def slices(self, text: bytes) -> Iterator[bytes]:
        """The digests of all blocks, each of it and all before it; slice by slice: the caller may rest in between."""
        chain, view = hashlib.blake2b(digest_size=DIGEST_BYTES, key=self._salt), memoryview(text)
        for start in range(0, len(text), SLICE_BYTES):
            digests = bytearray()
            for at in range(start, min(start + SLICE_BYTES, len(text)), BLOCK_BYTES):
                chain.update(view[at : at + BLOCK_BYTES])
                digests += chain.copy().digest()
            yield bytes(digests)

    def name(self, data: bytes) -> str:
        """A short name for it, the same for the whole run."""
        return hashlib.blake2b(data, digest_size=DIGEST_BYTES, key=self._salt).hexdigest()

    def name_of(self, beginning: bytes, blocks: bytes) -> str:
        """A name for a beginning of a text whose blocks are known: what they stand for is not hashed once more."""
        whole = len(beginning) // BLOCK_BYTES
        return self.name(blocks[: whole * DIGEST_BYTES] + beginning[whole * BLOCK_BYTES :])


def digests_of(written: str) -> list[int]:
    """Each block's, as `bytes.hex` wrote all of them."""
    data = bytes.fromhex(written)
    return [int.from_bytes(data[at : at + DIGEST_BYTES]) for at in range(0, len(data), DIGEST_BYTES)]
