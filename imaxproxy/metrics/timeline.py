"""When each token-bearing event of one response came, of which kind, and with how many tokens."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, groupby
from operator import sub

from imaxproxy.clock import NS_PER_US

REASONING, ANSWER, TOOL = 1, 2, 3
"""Kinds of token events. 0 means: no token event (a role, an empty delta, usage, `[DONE]`)."""

_KIND_BITS = 2
_KIND_MASK = (1 << _KIND_BITS) - 1


def mark(kind: int, tokens: int) -> int:
    """Kind and token count of one event as one int."""
    return tokens << _KIND_BITS | kind


class Timeline:
    """Two int arrays of one length: `times_ns` (monotonic, never falling) and `marks` (see `mark`). Never changed.

    `counted` says whether the marks hold token counts; where nobody knows them (no usage, no tokenizer) they hold 0.
    """

    __slots__ = ("_counts", "_first_ns", "_gaps_ns", "_gaps_us", "_last_ns", "_times_ns", "counted", "marks")

    def __init__(self, times_ns: Iterable[int] = (), marks: Iterable[int] = (), *, counted: bool = True) -> None:
        times = array("q", times_ns)
        self._times_ns: array[int] | None = times
        self.marks = array("i", marks)
        self.counted = counted
        self._counts: Counter[int] | None = None
        self._gaps_ns: list[int] | None = None
        self._gaps_us: list[int] | None = None
        self._first_ns, self._last_ns = (times[0], times[-1]) if times else (0, 0)
        if len(times) != len(self.marks):
            raise ValueError(f"{len(times)} times, {len(self.marks)} marks")

    @classmethod
    def of_gaps(cls, first_ns: int, gaps_ns: list[int], marks: Iterable[int], *, counted: bool) -> "Timeline":
        """As the journal has it: the first event's time, and the gaps from one to the next.

        The times are made when somebody asks: most figures need the gaps alone, and each time costs 0.08 us.
        """
        timeline = cls((), (), counted=counted)
        timeline.marks = array("i", marks)
        timeline._times_ns, timeline._gaps_ns = None, gaps_ns
        timeline._first_ns, timeline._last_ns = array("q", (first_ns, first_ns + sum(gaps_ns)))  # or it is no time
        if len(gaps_ns) + 1 != len(timeline.marks):
            raise ValueError(f"{len(gaps_ns) + 1} times, {len(timeline.marks)} marks")
        return timeline

    @property
    def times_ns(self) -> "array[int]":
        """Of each event."""
        if self._times_ns is None:
            gaps_ns = self._gaps_ns or []
            self._times_ns = array("q", list(accumulate(gaps_ns, initial=self._first_ns)))  # of a list: half the price
        return self._times_ns

    @property
    def first_ns(self) -> int:
        """Of the first event; 0 where there is none."""
        return self._first_ns

    @property
    def last_ns(self) -> int:
        """Of the last event; 0 where there is none."""
        return self._last_ns

    def __len__(self) -> int:
        return len(self.marks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timeline):
            return NotImplemented
        return (self.times_ns, self.marks, self.counted) == (other.times_ns, other.marks, other.counted)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Timeline {len(self)} events, {self.total_tokens if self.counted else 'uncounted'} tokens>"

    @property
    def tokens(self) -> list[int]:
        """Tokens of each event; zeros where not counted."""
        return [value >> _KIND_BITS for value in self.marks]

    @property
    def kinds(self) -> list[int]:
        return [value & _KIND_MASK for value in self.marks]

    def gaps_ns(self) -> list[int]:
        """The time between neighbouring events; made once, for journal and figures both ask."""
        if self._gaps_ns is None:
            self._gaps_ns = list(map(sub, self.times_ns[1:], self.times_ns))
        return self._gaps_ns

    def gaps_us(self) -> list[int]:
        """The time between neighbouring events, in whole microseconds; made once, for the run and its windows ask."""
        if self._gaps_us is None:
            self._gaps_us = [gap_ns // NS_PER_US for gap_ns in self.gaps_ns()]
        return self._gaps_us

    @property
    def total_tokens(self) -> int:
        return _tokens(self._mark_counts())

    @property
    def reasoning_tokens(self) -> int:
        return _tokens({value: n for value, n in self._mark_counts().items() if value & _KIND_MASK == REASONING})

    def tokens_between(self, first: int, last: int) -> int:
        """Tokens of the events from index `first` up to, not including, `last`."""
        if first <= 0 and last >= len(self):
            return self.total_tokens
        return sum([value >> _KIND_BITS for value in self.marks[first:last]])

    def one_token_each(self) -> bool:
        """True when every event is known to hold exactly one token: the common case, and the cheap one."""
        return self.counted and all(value >> _KIND_BITS == 1 for value in self._mark_counts())

    def first_output_ns(self) -> int | None:
        """Arrival of the first event that is not reasoning."""
        for at, value in enumerate(self.marks):
            if value & _KIND_MASK != REASONING:
                return self.times_ns[at] if at else self._first_ns
        return None

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """(kind, tokens, events) for each stretch of equal marks: how the journal stores them."""
        if self.marks and self.marks.count(self.marks[0]) == len(self.marks):  # the usual case, six times as fast
            yield self.marks[0] & _KIND_MASK, self.marks[0] >> _KIND_BITS, len(self.marks)
            return
        for value, group in groupby(self.marks):
            yield value & _KIND_MASK, value >> _KIND_BITS, sum(1 for _ in group)

    def _mark_counts(self) -> Mapping[int, int]:
        """How often each mark occurs. Few differ, so what is asked of all events is asked of these; counted once."""
        if self._counts is None:
            same = bool(self.marks) and self.marks.count(self.marks[0]) == len(self.marks)
            self._counts = Counter({self.marks[0]: len(self.marks)} if same else self.marks)
        return self._counts


def _tokens(mark_counts: Mapping[int, int]) -> int:
    return sum((value >> _KIND_BITS) * times for value, times in mark_counts.items())
