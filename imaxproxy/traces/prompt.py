"""Making a prompt of exactly N tokens, that shares with others exactly what the trace says is shared.

A prompt is words that are one token each, whatever stands beside them ("atomic words"; atomic_words.md has the list's
origin and limits). Text is a pure function of its key (seed, salt, scope, hash id): any worker makes any block, in any
order, the same on every machine. No tokenizer is needed.
"""

import hashlib
import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path

import orjson

from imaxproxy.traces.row import TraceRow

MEMO_BYTES = 64 << 20
"""Holds some 20,000 blocks of 512 words."""

_UINT16_VALUES = 1 << 16
_HASH_ID_VALUES = 1 << 64


@dataclass(frozen=True, slots=True)
class Fit:
    """How words become the tokens that the server counts: `load/calibrate.py` measures it.

    tokens = overhead_tokens + tokens_per_word x words
    """

    overhead_tokens: int = 0
    """The chat template's, with the lead's. Every prompt is so much shorter; the rest shares as before."""
    tokens_per_word: float = 1.0
    """Not 1 where the word list does not fit the tokenizer: lengths and block borders then hold on average."""
    lead: str = ""
    """A word before all prompts: the first has no space before it, and may cost another number of tokens for that."""

    def words(self, tokens: int) -> int:
        """Words to write for a prompt of so many tokens; at least one."""
        return self.part(tokens - self.overhead_tokens)

    def part(self, tokens: int) -> int:
        """Words to write for so many tokens within a prompt: a block, a shared prefix; at least one."""
        return max(1, round(tokens / self.tokens_per_word))


class Prompts:
    """Makes prompt texts. A salt changes every word of them, so that a run does not hit the cache of the one before."""

    def __init__(
        self,
        seed: int,
        salt: str = "",
        memo_bytes: int = MEMO_BYTES,
        *,
        words: Sequence[str] | None = None,
        fit: Fit | None = None,
    ) -> None:
        """words: single tokens of the model's tokenizer (`tokenizer.fitting_words`), instead of the shipped list."""
        self._seed = seed
        self._salt = salt
        self._memo = _Memo(memo_bytes)
        self._fit = fit or Fit()
        self._vocabulary = shipped_words() if words is None else tuple(words)
        self._word_table = _word_table(self._vocabulary)
        self._id_words = _digits(_HASH_ID_VALUES, len(self._vocabulary))
        self.below_overhead = 0
        """Prompts that should be shorter than what the chat template alone takes; they are one word."""

    def text(self, row: TraceRow) -> str:
        """`row.input_length` words joined by single spaces; empty where the row has no length.

        Hash ids, each `block_size` words, come first (the last one cut to fit, under the ceil rule); then, without
        hash ids, the `prefix_length` words shared in the group or session; then words of this request alone.
        In a session without a group all words come from the session's one stream, so that a turn can share what the
        turn before it added; where a trace goes back to a shorter prefix, this shares more than the trace says.
        """
        left = self._fit.words(row.input_length) if row.input_length else 0
        self.below_overhead += bool(row.input_length) and (row.input_length or 0) <= self._fit.overhead_tokens
        parts: list[str] = [self._fit.lead] if self._fit.lead and left else []
        if row.hash_ids:
            left -= self._add_blocks(parts, row, left)
        elif row.prefix_length and row.prefix_group is not None:
            shared = min(left, self._fit.part(row.prefix_length))
            parts.append(self._words(shared, "group", row.prefix_group))
            left -= shared
        elif row.prefix_length is not None and row.session_id is not None:
            parts.append(self._words(left, "session", row.session_id))
            left = 0
        if left:
            parts.append(self._words(left, "tail", row.request_id))
        return " ".join(parts)

    def _add_blocks(self, parts: list[str], row: TraceRow, room: int) -> int:
        """Append the blocks' texts; return how many words they took."""
        scope, block_words = row.hash_scope, self._fit.part(row.block_size)
        whole, rest = divmod(room, block_words)
        parts += [self._whole_block(scope, hash_id, block_words) for hash_id in row.hash_ids[:whole]]
        if rest and len(row.hash_ids) > whole:
            parts.append(self._block(scope, row.hash_ids[whole], rest))
            return room
        return min(len(row.hash_ids), whole) * block_words

    def _whole_block(self, scope: str | None, hash_id: int, words: int) -> str:
        """From the memo; a partial block belongs to one request only, so it is not kept there."""
        key = (scope, hash_id, words)
        return self._memo.get(key) or self._memo.put(key, self._block(scope, hash_id, words))

    def _block(self, scope: str | None, hash_id: int, words: int) -> str:
        """The id's digits in base V lead, so that two ids never give the same block (of 5 words or more, V = 9,832).

        They are shifted by the scope's own key and summed up from left to right, which loses nothing:
        ids that differ by less than V already differ in their first word.
        """
        vocabulary = self._vocabulary
        shift = struct.unpack(f"<{self._id_words}H", self._hash(self._id_words, "shift", scope))
        digits = [hash_id // len(vocabulary) ** place % len(vocabulary) for place in range(self._id_words)]
        lead = accumulate(digit + key for digit, key in zip(digits, shift, strict=True))
        head = [vocabulary[at % len(vocabulary)] for at in lead][:words]
        if words > self._id_words:
            head.append(self._words(words - self._id_words, "block", scope, hash_id))
        return " ".join(head)

    def _words(self, count: int, *key: str | int | None) -> str:
        """The first `count` words of this key's endless stream."""
        return " ".join(map(self._word_table.__getitem__, struct.unpack(f"<{count}H", self._hash(count, *key))))

    def _hash(self, count: int, *key: str | int | None) -> bytes:
        """Two bytes a word. SHAKE is an extendable hash: a longer output begins with the shorter one."""
        return hashlib.shake_128(orjson.dumps([self._seed, self._salt, *key])).digest(2 * count)


class _Memo:
    """The block texts used latest, up to a number of bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._texts: OrderedDict[tuple[str | None, int, int], str] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: tuple[str | None, int, int]) -> str | None:
        text = self._texts.get(key)
        if text is not None:
            self._texts.move_to_end(key)
        return text

    def put(self, key: tuple[str | None, int, int], text: str) -> str:
        """Remember, forget what was used longest ago, and return the text."""
        self._texts[key] = text
        self.size_bytes += len(text)
        while self.size_bytes > self._limit_bytes:
            _, oldest = self._texts.popitem(last=False)
            self.size_bytes -= len(oldest)
        return text


@cache
def shipped_words() -> tuple[str, ...]:
    """The list in atomic_words.txt: single tokens in many tokenizers, measured in two (atomic_words.md)."""
    return tuple(Path(__file__).with_name("atomic_words.txt").read_text(encoding="ascii").split())


@lru_cache(maxsize=4)
def _word_table(vocabulary: tuple[str, ...]) -> list[str]:
    """A word for each value of two bytes. 65,536 is no multiple of 9,832: some words come 7 times, others 6."""
    return [vocabulary[value % len(vocabulary)] for value in range(_UINT16_VALUES)]


def _digits(values: int, base: int) -> int:
    """As many digits as the largest of so many values has: 9832 ** 5 > 2 ** 64, so 5."""
    digits = 1
    while base**digits < values:
        digits += 1
    return digits
