"""The Timeline in the making: an answer's token events, 13 bytes each (17 where the engine counts their tokens)."""

from array import array
from collections.abc import Iterable
from functools import cache

from imaxproxy.metrics import TOOL, CountedBy, Timeline, mark
from imaxproxy.wire.apportion import apportion


class TokenEvents:
    """When each came, of which kind, with how much text; and its tokens, where the engine tells them event by event."""

    __slots__ = ("_chars", "_kinds", "_times_ns", "_tokens", "_tokens_so_far", "counted_by")

    def __init__(self) -> None:
        self._times_ns = array("q")
        self._chars = array("i")
        self._kinds = bytearray()
        self._tokens = array("i")
        self._tokens_so_far = 0
        self.counted_by: CountedBy | None = None
        """How every one so far told its tokens; None before the first."""

    def __len__(self) -> int:
        return len(self._times_ns)

    @property
    def times_ns(self) -> "array[int]":
        return self._times_ns

    @property
    def told(self) -> "array[int] | None":
        """Tokens of each event, where every one so far has told them."""
        return self._tokens if self.counted_by not in (None, CountedBy.EVENTS) else None

    def add(self, at_ns: int, kind: int, chars: int, counted_by: CountedBy, tokens_so_far: int | None) -> None:
        """Take in one; `tokens_so_far`: of the whole answer, as the engine says it with this event."""
        self._times_ns.append(at_ns)
        self._chars.append(chars)
        self._kinds.append(kind)
        if tokens_so_far is None or self.counted_by not in (None, counted_by):
            self.counted_by = CountedBy.EVENTS
            return
        self.counted_by = counted_by
        self._tokens.append(max(0, tokens_so_far - self._tokens_so_far))
        self._tokens_so_far = tokens_so_far

    def add_alike(self, kind: int, times_ns: Iterable[int], chars: Iterable[int]) -> None:
        """Take in many of one kind that do not tell their tokens."""
        self._times_ns.extend(times_ns)
        self._chars.extend(chars)
        self._kinds.extend(bytes((kind,)) * (len(self._times_ns) - len(self._kinds)))
        self.counted_by = CountedBy.EVENTS

    def add_packed(self, kind: int, times_ns: bytes, chars: bytes) -> None:
        """As `add_alike`, from arrays of int64 and int32."""
        self._times_ns.frombytes(times_ns)
        self._chars.frombytes(chars)
        self.add_alike(kind, (), ())

    def timeline(self, output_tokens: int | None) -> tuple[Timeline, CountedBy]:
        """`output_tokens`: the engine's total, which is shared out where the events did not tell theirs."""
        counted_by = self.counted_by or CountedBy.EVENTS
        if counted_by is not CountedBy.EVENTS:
            tokens = self._tokens.tolist()
        elif output_tokens is not None:
            tokens, counted_by = apportion(output_tokens, self._chars), CountedBy.USAGE
        else:
            tokens = [0] * len(self)
        marks = _marks(self._kinds, tokens)
        return Timeline(self._times_ns, marks, counted=counted_by is not CountedBy.EVENTS), counted_by


def _marks(kinds: bytearray, tokens: list[int]) -> Iterable[int]:
    """The mark of each event. Where all hold the same small number, nearly always 1, C makes them."""
    if tokens and mark(TOOL, tokens[0]) < 256 and tokens.count(tokens[0]) == len(tokens):
        return iter(kinds.translate(_marks_of(tokens[0])))
    return map(mark, kinds, tokens)


@cache
def _marks_of(tokens: int) -> bytes:
    """Kind -> mark, for events of so many tokens; at most 64 tables, for a mark is under 256."""
    return bytes(mark(kind, tokens) % 256 for kind in range(256))
