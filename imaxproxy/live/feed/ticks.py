"""The last seconds of a live view: the window that `now` looks back over, and a value a second for sparklines."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import LivePart

WINDOW_S = 10.0
STEP_S = 1.0
MOST_HISTORY = 300
SILENT_S = 3.0
"""Who has said nothing for longer is silent: the history knows nothing of it."""
_MOST_WINDOW_NS = round((WINDOW_S + STEP_S / 2) * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a span came to, a second. None: no time has passed."""

    requests_per_s: float | None
    output_tokens_per_s: float | None
    total_tokens_per_s: float | None
    events_per_s: float | None

    @classmethod
    def of(cls, part: LivePart, tokens_an_event: float, seconds: float) -> "Rates":
        """tokens_an_event: of streams whose engine does not tell the tokens of each event."""
        if seconds <= 0:
            return cls(None, None, None, None)
        output_tokens = part.events * tokens_an_event + part.tokens
        return cls(
            part.ended / seconds,
            output_tokens / seconds,
            (output_tokens + part.input_tokens) / seconds,
            part.events_seen / seconds,
        )

    @classmethod
    def summed(cls, rates: "Iterable[Rates]") -> "Rates":
        """Of several who were looked at over spans of their own."""
        each = list(rates)
        return cls(
            _sum(rate.requests_per_s for rate in each),
            _sum(rate.output_tokens_per_s for rate in each),
            _sum(rate.total_tokens_per_s for rate in each),
            _sum(rate.events_per_s for rate in each),
        )


@dataclass(frozen=True, slots=True)
class Span:
    """What one of those who are looked at came to, and in how many seconds. Its gauges mean nothing."""

    counts: LivePart = field(default_factory=LivePart)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Recent:
    """The last WINDOW_S of all, by who was looked at: each has a span of its own, for nobody waits for the others."""

    spans: Mapping[str, Span]
    whole: LivePart
    """Their counts together."""

    @classmethod
    def of(cls, spans: Mapping[str, Span]) -> "Recent":
        if len(spans) == 1:
            return cls(spans, next(iter(spans.values())).counts)
        whole = LivePart()
        for span in spans.values():
            whole.merge_counts(span.counts)
        return cls(spans, whole)

    @property
    def seconds(self) -> float:
        """The longest span."""
        return max((span.seconds for span in self.spans.values()), default=0.0)

    def rates(self, tokens_an_event: float) -> Rates:
        return Rates.summed(Rates.of(span.counts, tokens_an_event, span.seconds) for span in self.spans.values())

    def per_second(self, amount: Callable[[LivePart], float]) -> float | None:
        """The sum of what each came to a second; None where no time has passed."""
        return _sum(amount(span.counts) / span.seconds for span in self.spans.values() if span.seconds > 0)


class _Lane:
    """The last seconds of one who is looked at."""

    def __init__(self) -> None:
        self.newest = LivePart()
        self._parts: deque[LivePart] = deque()

    def add(self, part: LivePart) -> None:
        """After a time in which nobody looked, the window begins anew.

        A part of several processes begins where the first of them was last looked at: before the last part's end.
        """
        if part.since_ns > self.newest.at_ns:
            self._parts.clear()
        self.newest = part
        if part.at_ns > part.since_ns:
            self._parts.append(part)

    def span(self, now_ns: int) -> Span:
        while self._parts and now_ns - self._parts[0].since_ns > _MOST_WINDOW_NS:
            self._parts.popleft()
        if not self._parts:
            return Span()
        counts = LivePart()
        for part in self._parts:
            counts.merge_counts(part)
        return Span(counts, (self.newest.at_ns - self._parts[0].since_ns) / NS_PER_S)

    def rates(self, now_ns: int, tokens_an_event: float) -> Rates:
        """Of the newest part, where that is not too old."""
        is_silent = now_ns - self.newest.at_ns > SILENT_S * NS_PER_S
        seconds = 0.0 if is_silent else (self.newest.at_ns - self.newest.since_ns) / NS_PER_S
        return Rates.of(self.newest, tokens_an_event, seconds)


class Ticks:
    """Takes a part a second of each who is looked at; remembers so many as the window and the history need."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._history: deque[tuple[float | None, float | None, int, float | None]] = deque(maxlen=MOST_HISTORY)
        self._at_ns = 0

    def add(self, parts: Mapping[str, LivePart], now_ns: int, tokens_an_event: float, power_w: float | None) -> None:
        """The newest, by who saw it: those who have not answered in time have none."""
        for who, part in parts.items():
            self._lanes.setdefault(who, _Lane()).add(part)
        self._at_ns = now_ns
        rates = Rates.summed(lane.rates(self._at_ns, tokens_an_event) for lane in self._lanes.values())
        if rates.events_per_s is not None:
            in_flight = sum(lane.newest.in_flight for lane in self._lanes.values())
            self._history.append((rates.output_tokens_per_s, rates.requests_per_s, in_flight, power_w))

    def forget(self, who: str) -> None:
        """It will say nothing any more."""
        self._lanes.pop(who, None)

    def recent(self) -> Recent:
        """What the last WINDOW_S came to."""
        return Recent.of({who: lane.span(self._at_ns) for who, lane in self._lanes.items()})

    def newest(self) -> Mapping[str, LivePart]:
        """What each has last said."""
        return {who: lane.newest for who, lane in self._lanes.items()}

    def history(self) -> dict[str, object]:
        names = ("output_tokens_per_s", "requests_per_s", "in_flight", "power_w")
        columns = list(zip(*self._history, strict=True)) if self._history else [()] * len(names)
        return {"step_s": STEP_S, **{name: list(column) for name, column in zip(names, columns, strict=True)}}


def _sum(values: Iterable[float | None]) -> float | None:
    """Of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
