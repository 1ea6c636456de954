"""A prompt's text as hashed blocks: equal beginnings give equal ids, and the text cannot be had from them.

Nobody here has the engine's tokenizer, so a block is 64 *units*: a word of up to 16 letters, up to three digits, one or
two CJK characters, or one other sign, each with the white space before it. That is within a tenth or two of the tokens
of usual vocabularies, and exact for the prompts that a replay makes up. Where a block ends depends on what stands before
it alone, so that all workers, and a conversation's later turns, cut a shared beginning alike.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK_TOKENS = 64
_ID_BITS = 48
"""Two blocks of a million share an id with a chance of 0.2 %; larger numbers only make longer lines."""
_UNIT = r"\s*+(?:[^\W\d_]{1,16}+|\d{1,3}+|[^\w\s]|_)"
_CJK = r"\s*+[぀-ヿ㐀-鿿가-힯]{1,2}+"
_BLOCK = re.compile(f"(?:{_CJK}|{_UNIT}){{1,{BLOCK_TOKENS}}}+")


@dataclass(slots=True)
class Cut:
    """One block: where it ends in the text, and the digest of it and all before it."""

    end: int
    digest: bytes


class BlockHasher:
    """Cuts and hashes with the salt of one run."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt[:64]

    def cuts(self, text: str) -> Iterator[Cut]:
        """Block after block, some 10 us each: the caller may rest in between."""
        digest, at = b"", 0
        while found := _BLOCK.match(text, at):
            digest = self.digest(digest + found[0].encode(errors="surrogatepass"))
            at = found.end()
            yield Cut(at, digest)

    def digest(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, digest_size=16, key=self._salt).digest()

    def ids(self, digests: list[bytes], input_tokens: int) -> tuple[int, ...]:
        """One id for each block of `input_tokens`, the last one partial.

        Where the engine counts fewer tokens than we units, the last blocks are left out; where it counts more, ids that
        follow from the last block are added: they are shared by equal prompts only.
        """
        count = -(-input_tokens // BLOCK_TOKENS)
        chain = digests[:count]
        while len(chain) < count:
            chain.append(self.digest((chain[-1] if chain else b"") + b"more"))
        return tuple(int.from_bytes(digest) >> (128 - _ID_BITS) for digest in chain)

    def name(self, text: str) -> str:
        """A short name for a text, the same for the whole run."""
        return self.digest(text.encode(errors="surrogatepass")).hex()[:12]
