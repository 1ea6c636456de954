"""What falls into the windows of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imaxproxy.metrics import Exchange, Objective, Outcome, SloTally, Tally, Window, Windows, per_second, seconds


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of what a window held; None where not known."""

    completed: int
    """Requests sent in it that completed, whenever they did."""
    output_tokens: int | None
    """Arrived in it."""
    total_tokens: int | None
    """Those, and the input of the requests sent in it."""


class WindowTally:
    """What falls into one window: requests by their send, tokens by their arrival. Mergeable."""

    def __init__(
        self, window: Window, objectives: tuple[Objective, ...] = (), run: Window | None = None, *, is_run: bool = False
    ) -> None:
        """run: of which it is a part, or which it is."""
        self.window = window
        self.slo = SloTally(objectives, run or window) if objectives else None
        self._is_run = is_run
        self.tally = Tally()
        self._arrived_output_tokens = 0
        self._tokens_are_known = False

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.dialect is None:  # only passed through: no window is about it, the run counts it
            if self._is_run:
                self.tally.add(exchange)
            return
        self._arrived_output_tokens += self.window.tokens_of(exchange)
        self._tokens_are_known = self._tokens_are_known or exchange.output_tokens is not None
        if self.window.holds(exchange.ask.begun_ns):
            self.tally.add(exchange)
            if self.slo is not None:
                self.slo.add(exchange)

    def merge(self, other: "WindowTally") -> None:
        """Add what another counted: of this window elsewhere, or of a part of this window."""
        self.tally.merge(other.tally)
        if self.slo is not None and other.slo is not None:
            self.slo.merge(other.slo)
        self._arrived_output_tokens += other._arrived_output_tokens
        self._tokens_are_known = self._tokens_are_known or other._tokens_are_known

    def throughput(self, gpus: int | None) -> dict[str, float | None]:
        """Output tokens count when they arrive, input tokens with their request's send."""
        duration_s, counts = seconds(self.window.duration_ns), self.counts()
        output_rate = per_second(counts.output_tokens, duration_s)
        total_rate = per_second(counts.total_tokens, duration_s)
        return {
            "requests_per_s": per_second(counts.completed, duration_s),
            "output_tokens_per_s": output_rate,
            "total_tokens_per_s": total_rate,
            "output_tokens_per_s_per_gpu": output_rate / gpus if output_rate is not None and gpus else None,
            "total_tokens_per_s_per_gpu": total_rate / gpus if total_rate is not None and gpus else None,
        }

    def counts(self) -> Counts:
        """What rates and ratios are made of."""
        output = self._arrived_output_tokens if self._tokens_are_known else None
        known = [tokens for tokens in (self.tally.input_tokens, output) if tokens is not None]
        total = sum(known) if len(known) == 2 else None
        return Counts(self.tally.outcomes[Outcome.COMPLETED], output, total)

    def part(self, zero_ns: int, gpus: int | None) -> dict[str, Any]:
        """A member of `windows` in summary.json."""
        bounds = {"start_s": seconds(self.window.start_ns - zero_ns), "end_s": seconds(self.window.end_ns - zero_ns)}
        counts = {"requests": self.tally.requests(), "tokens": self.tally.tokens()}
        return bounds | counts | {"throughput": self.throughput(gpus)} | self.tally.stats()


class WindowTallies:
    """What falls into a run and its parts. Mergeable.

    Warm-up, steady window and drain together are the run: where it has them, each exchange is counted in its part only,
    and the whole is their sum.
    """

    def __init__(self, windows: Windows, objectives: tuple[Objective, ...] = ()) -> None:
        parts = {"warmup": windows.warmup, "steady": windows.steady, "drain": windows.drain}
        self._objectives = objectives
        self._whole = WindowTally(windows.whole, objectives, is_run=True)
        self._parts = {
            name: WindowTally(window, objectives, windows.whole) for name, window in parts.items() if window is not None
        }

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.dialect is None or not self._parts:
            self._whole.add(exchange)
        else:
            for part in self._parts.values():
                part.add(exchange)

    def merge(self, other: "WindowTallies") -> None:
        self._whole.merge(other._whole)
        for name, part in self._parts.items():
            part.merge(other._parts[name])

    def close(self) -> Mapping[str, WindowTally]:
        """`whole`, and the parts by name. After the last exchange."""
        whole = WindowTally(self._whole.window, self._objectives, is_run=True)
        for part in (self._whole, *self._parts.values()):
            whole.merge(part)
        return {"whole": whole, **self._parts}
