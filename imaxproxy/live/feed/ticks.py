"""The last seconds of a live view: the window that `now` looks back over, and a value a second for sparklines."""

from collections import deque
from dataclasses import dataclass

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import LivePart

WINDOW_S = 10.0
STEP_S = 1.0
MOST_HISTORY = 300


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


class Ticks:
    """Takes a part a second; remembers so many as the window and the history need."""

    def __init__(self) -> None:
        self._parts: deque[LivePart] = deque()
        self._history: deque[tuple[float | None, float | None, int, float | None]] = deque(maxlen=MOST_HISTORY)
        self._at_ns = 0

    def add(self, part: LivePart, tokens_an_event: float, power_w: float | None) -> None:
        """The newest. After a time in which nobody looked, the window begins anew.

        A part of several processes begins where the first of them was last looked at: before the last part's end.
        """
        if part.since_ns > self._at_ns:
            self._parts.clear()
        self._at_ns = part.at_ns
        seconds = (part.at_ns - part.since_ns) / NS_PER_S
        if seconds > 0:
            self._parts.append(part)
            rates = Rates.of(part, tokens_an_event, seconds)
            self._history.append((rates.output_tokens_per_s, rates.requests_per_s, part.in_flight, power_w))
        while self._parts and (part.at_ns - self._parts[0].since_ns) / NS_PER_S > WINDOW_S + STEP_S / 2:
            self._parts.popleft()

    def window(self) -> tuple[LivePart, float]:
        """What the last WINDOW_S came to, and how many seconds of it there are. Its gauges mean nothing."""
        whole = LivePart()
        for part in self._parts:
            whole.merge_counts(part)
        return whole, (self._at_ns - self._parts[0].since_ns) / NS_PER_S if self._parts else 0.0

    def history(self) -> dict[str, object]:
        names = ("output_tokens_per_s", "requests_per_s", "in_flight", "power_w")
        columns = list(zip(*self._history, strict=True)) if self._history else [()] * len(names)
        return {"step_s": STEP_S, **{name: list(column) for name, column in zip(names, columns, strict=True)}}
