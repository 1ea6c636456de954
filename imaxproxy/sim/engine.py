"""The step loop: takes requests in, runs the scheduler's steps one by one, tells each stream when its tokens exist."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from imaxproxy.clock import NS_PER_MS, NS_PER_S, Clock
from imaxproxy.sim.pace import Pace
from imaxproxy.sim.power import EnergyCounter
from imaxproxy.sim.scheduler import Scheduler, Step, Stream

MOST_BEHIND_NS = 250 * NS_PER_MS
"""Further behind than this, the plan is moved to the present instead of being caught up with in one burst."""


class Timer(Protocol):
    """Rings once at a time of the engine's clock: `imaxproxy.clock.Alarm`, or a virtual one."""

    def set(self, due_ns: int) -> None:
        """Ring at `due_ns`; setting it again moves it."""

    def clear(self) -> None:
        """Do not ring."""


class Engine:
    """Steps follow each other without a gap, each ends at an absolute time, so that lateness of one delays no other.

    Who builds it sets `timer` and has it call `ring`. `between_steps(until_ns)` may use the time that is left.
    """

    timer: Timer

    def __init__(
        self,
        scheduler: Scheduler,
        pace: Pace,
        clock: Clock,
        between_steps: Callable[[int], None] = lambda _until_ns: None,
        energy: EnergyCounter | None = None,
    ) -> None:
        self.scheduler = scheduler
        self._pace = pace
        self._clock = clock
        self._between_steps = between_steps
        self._arriving: deque[tuple[int, Stream, Callable[[int], None]]] = deque()
        self.energy = energy
        self._step: Step | None = None
        self._step_start_ns = 0
        self._step_end_ns = 0
        self._last_step_ns = 0.0
        self.steps = 0
        self.slips = 0
        self.slipped_ns = 0
        self._slow_factor, self._slow_until_ns = 1.0, 0
        self._thrash_until_ns = 0

    def __repr__(self) -> str:
        return f"<Engine {self.steps} steps, {self.slips} slips, {self.scheduler!r}>"

    @property
    def load(self) -> int:
        """Streams it has."""
        scheduler = self.scheduler
        return len(self._arriving) + len(scheduler.waiting) + self._in_prefill + len(scheduler.running)

    @property
    def _in_prefill(self) -> int:
        """Also those whose prompt ends with the step under way: they are in no queue meanwhile."""
        ending = self._step.first if self._step is not None else ()
        return len(self.scheduler.prefilling) + sum(stream.lease is not None for stream in ending)

    @property
    def is_idle(self) -> bool:
        """No step is under way and none is due."""
        return self._step is None and not self._arriving

    def state(self) -> dict[str, float]:
        """How it is doing, for `/imax/engine`. A slip means that this process could not keep its own plan."""
        return {
            "steps": self.steps,
            "slips": self.slips,
            "slipped_ms": self.slipped_ns / NS_PER_MS,
            "arriving": len(self._arriving),
            "waiting": len(self.scheduler.waiting),
            "in_prefill": self._in_prefill,
            "running": len(self.scheduler.running),
            "preemptions": self.scheduler.preemptions,
            "kv_used_blocks": self.scheduler.pool.used_blocks,
            "kv_blocks": self.scheduler.pool.blocks,
            "drafted_tokens": self.scheduler.drafted_tokens,
            "accepted_tokens": self.scheduler.accepted_tokens,
        }

    def submit(self, stream: Stream, read_ns: int, on_admitted: Callable[[int], None] = lambda _time_ns: None) -> None:
        """Take a request that was read at `read_ns`. `on_admitted` gets the time it enters the scheduler's queue."""
        hold_ns = 0 if stream.is_transferred else self._pace.hold_ns + round(self._pace.hold_steps * self._last_step_ns)
        due_ns = max(read_ns + hold_ns, self._arriving[-1][0] if self._arriving else 0)
        self._arriving.append((due_ns, stream, on_admitted))
        if self._step is None and len(self._arriving) == 1:
            self.timer.set(due_ns)

    def slow_down(self, factor: float, for_s: float) -> None:
        """A fault: one slow rank, which all others wait for."""
        self._slow_factor, self._slow_until_ns = factor, self._clock() + round(for_s * NS_PER_S)

    def thrash(self, for_s: float) -> None:
        """A fault: each step preempts the newest stream, as if the KV cache were full."""
        self._thrash_until_ns = self._clock() + round(for_s * NS_PER_S)

    def cancel(self, stream: Stream) -> None:
        """Its reader left: free its slot and its memory now."""
        self._arriving = deque(entry for entry in self._arriving if entry[1] is not stream)
        self.scheduler.cancel(stream)

    def ring(self) -> None:
        """The timer rang: the step under way is over, or the first request of an idle engine is due."""
        due_ns = self._due_ns()
        if due_ns is None:
            return
        if self._clock() < due_ns:  # set anew meanwhile
            self.timer.set(due_ns)
            return
        if self._step is not None:
            self._end_step(self._step)
        self._start_step(self._not_too_late(due_ns))

    def _due_ns(self) -> int | None:
        if self._step is not None:
            return self._step_end_ns
        return self._arriving[0][0] if self._arriving else None

    def _end_step(self, step: Step) -> None:
        planned_ns = self._step_end_ns
        if step.decoded is None:
            for stream in step.decode:
                stream.on_tokens(planned_ns, 1)
        else:
            for stream, tokens in zip(step.decode, step.decoded, strict=True):
                stream.on_tokens(planned_ns, tokens)
        for stream in step.first:
            stream.on_tokens(planned_ns, 1)
        if self.energy is not None:
            power_w = self._pace.step_w(step, self._last_step_ns)
            self.energy.step(self._step_start_ns, planned_ns, power_w)
        self.scheduler.complete(step)
        self.steps += 1
        self._step = None

    def _not_too_late(self, due_ns: int) -> int:
        """When the next step starts: when it was due, unless that is too long ago."""
        behind_ns = self._clock() - due_ns
        if behind_ns <= MOST_BEHIND_NS:
            return due_ns
        self.slips += 1
        self.slipped_ns += behind_ns
        return due_ns + behind_ns

    def _start_step(self, start_ns: int) -> None:
        """Start a step if there is work, else wait for the next arrival."""
        self._take_arrivals(start_ns)
        if start_ns < self._thrash_until_ns:
            self.scheduler.preempt_newest()
        step = self.scheduler.next_step()
        if not step.is_empty:
            for stream in step.admitted:
                stream.on_scheduled(start_ns)
                if stream.is_transferred:  # its first token came with its KV
                    stream.on_tokens(start_ns, 1)
            self._step = step
            self._last_step_ns = self._pace.step_ns(step)
            if start_ns < self._slow_until_ns:
                self._last_step_ns *= self._slow_factor
            self._step_start_ns = start_ns
            self._step_end_ns = start_ns + round(self._last_step_ns)
        due_ns = self._due_ns()
        if due_ns is not None:
            self.timer.set(due_ns)
        self._between_steps(due_ns if due_ns is not None else self._clock() + NS_PER_MS)

    def _take_arrivals(self, start_ns: int) -> None:
        while self._arriving and self._arriving[0][0] <= start_ns:
            due_ns, stream, on_admitted = self._arriving.popleft()
            on_admitted(due_ns)
            self.scheduler.submit(stream)
