"""A request in virtual time: the runs of steps in which its tokens came, and a reader who may leave early."""

import math
from collections.abc import Sequence

from imaxproxy.sim.cut import Cutter
from imaxproxy.sim.scheduler import Step, Stream


class Run:
    """Steps in a row, each `slope_ns` longer than the one before."""

    __slots__ = ("_times_ns", "first_ns", "slope_ns", "start_ns", "step", "steps")

    def __init__(self, step: Step, start_ns: int, first_ns: float, slope_ns: float, steps: int) -> None:
        self.step = step
        self.start_ns = start_ns
        self.first_ns = first_ns
        self.slope_ns = slope_ns
        self.steps = steps
        self._times_ns: list[int] | None = None

    @property
    def end_ns(self) -> int:
        """Of the last step."""
        return self._end_ns(self.steps)

    def times_ns(self) -> list[int]:
        """The end of each step; made once, for all streams of the run ask."""
        if self._times_ns is None:
            start_ns, first_ns, half = self.start_ns, self.first_ns, self.slope_ns / 2  # in line: calls cost the double
            self._times_ns = [
                start_ns + round(steps * (first_ns + half * (steps - 1))) for steps in range(1, self.steps + 1)
            ]
        return self._times_ns

    def steps_until(self, time_ns: int) -> int:
        """The least number of steps that end at `time_ns` or later: n * first + slope * n(n-1)/2 >= time."""
        passed_ns = time_ns - self.start_ns
        half = self.slope_ns / 2
        linear = self.first_ns - half
        steps = 2 * passed_ns / (linear + math.sqrt(linear * linear + 4 * half * passed_ns))
        return min(self.steps, max(1, math.ceil(steps - 1e-6)))

    def step_ns_at(self, time_ns: int) -> float:
        """How long the step takes that is under way, or ends, then."""
        return self.first_ns + self.slope_ns * (self.steps_until(time_ns) - 1)

    def until(self, time_ns: int) -> "Run | None":
        """The part whose steps have ended by then; None when none has."""
        steps = self.steps_until(time_ns)
        steps -= self._end_ns(steps) > time_ns
        return Run(self.step, self.start_ns, self.first_ns, self.slope_ns, steps) if steps else None

    def _end_ns(self, steps: int) -> int:
        return self.start_ns + round(steps * (self.first_ns + self.slope_ns / 2 * (steps - 1)))


class Patience:
    """A reader who leaves when so many events have come. `cutter` says which tokens make an event."""

    def __init__(self, events: int, cutter: Cutter) -> None:
        self._left_events = events
        self._cutter = cutter
        ahead = cutter.copy()
        for _ in range(events):
            ahead.cut(ahead.due_tokens)
        self.last_token = ahead.sent_tokens
        """The last that it waits for, if tokens come one by one."""

    def has_ended(self, emitted_tokens: int, *, one_by_one: bool) -> bool:
        """Whether it leaves now. Asked after each step where a step may give several tokens."""
        if one_by_one:
            return emitted_tokens >= self.last_token
        while self._left_events and emitted_tokens >= self._cutter.due_tokens and not self._cutter.is_over:
            self._cutter.cut(emitted_tokens)
            self._left_events -= 1
        return not self._left_events


class VirtualStream(Stream):
    """A stream that remembers when its tokens came: by runs, or step by step with speculative decoding."""

    __slots__ = ("arrived_ns", "first_scheduled_ns", "has_left", "key", "patience", "runs", "steps")

    def __init__(
        self, key: object, arrived_ns: int, prompt_tokens: int, output_tokens: int, block_names: Sequence[int] = ()
    ) -> None:
        super().__init__(prompt_tokens, output_tokens, block_names=block_names)
        self.key = key
        self.arrived_ns = arrived_ns
        self.first_scheduled_ns: int | None = None
        self.runs: list[Run] = []
        self.steps: list[tuple[int, int]] = []
        self.patience: Patience | None = None
        self.has_left = False
        """Its reader: no token counts any more."""

    def token_times_ns(self) -> tuple[list[int], list[int]]:
        """When tokens came, and how many at each of these times."""
        if self.steps:
            return [time_ns for time_ns, _ in self.steps], [tokens for _, tokens in self.steps]
        times_ns: list[int] = []
        for run in self.runs:
            times_ns += run.times_ns()
        return times_ns, [1] * len(times_ns)
