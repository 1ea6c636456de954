"""One engine in virtual time: its scheduler, and the run of steps that is under way.

Between two events nothing changes but contexts, which grow by a token a step: such steps are computed as one run, whose
first and last step are priced and those between lie on a line (the model is linear in the context but for the p-norm).
An arrival in mid-run cuts the run at the end of the step under way, as the live engine's step would end.
"""

from collections.abc import Callable

from imaxproxy.sim.assembly import Worker
from imaxproxy.sim.power import EnergyCounter
from imaxproxy.sim.scheduler import Scheduler, Step, Stream
from imaxproxy.sim.virtual_stream import Run, VirtualStream


class VirtualWorker:
    """One engine: a run under way, or idle."""

    def __init__(
        self, worker: Worker, energy: EnergyCounter | None, wake: Callable[[int, "VirtualWorker"], None]
    ) -> None:
        self.scheduler: Scheduler = worker.scheduler
        self.pace = worker.pace
        self.energy = energy
        self.load = 0
        """Streams it has, those on their way to it too."""
        self.due_ns = 0
        """When the last one of those on their way enters the queue: nobody overtakes."""
        self._last_step_ns = 0.0
        self.steps = 0
        self.run: Run | None = None
        self._wake = wake

    def hold_ns(self, now_ns: int) -> int:
        """How long a request is under way that comes now: see `Pace.hold_ns`, `Pace.hold_steps`."""
        step_ns = self.run.step_ns_at(now_ns) if self.run is not None else self._last_step_ns
        return self.pace.hold_ns + round(self.pace.hold_steps * step_ns)

    def admit(self, stream: VirtualStream, now_ns: int) -> None:
        """A stream enters the queue; the step under way ends first. An idle engine is to be started afterwards."""
        self.scheduler.submit(stream)
        if self.run is not None:
            self._cut(self.run, now_ns)

    def start_if_idle(self, now_ns: int) -> None:
        """All that come at this time are in the queue: they share the step that begins now."""
        if self.run is None:
            self._start(now_ns)

    def cancel(self, stream: VirtualStream, now_ns: int) -> None:
        """Its reader leaves: what it holds is free at once, and the step under way ends as it was planned."""
        self.load -= 1
        stream.has_left = True
        run = self.run
        if run is not None:
            if run.step.decoded is None and stream in run.step.decode and (seen := run.until(now_ns)):
                stream.runs.append(seen)
            self._cut(run, now_ns)
        self.scheduler.cancel(stream)

    def end_run(self, now_ns: int) -> tuple[list[Stream], list[VirtualStream]]:
        """The run is over: the streams that are done with it, and those whose readers leave now. The next begins."""
        run = self.run
        assert run is not None
        step = run.step
        self._note_decoded(run, now_ns)
        for stream in step.first:
            self._note(stream, run, now_ns, step.decoded is not None)
        done = self.scheduler.complete(step, run.steps)
        self.load -= len(done)
        self.steps += run.steps
        self._last_step_ns = run.step_ns_at(now_ns)
        if self.energy is not None:
            power_w = self.pace.step_w(step, run.first_ns, run.steps // 2)
            self.energy.step(run.start_ns, now_ns, power_w)
        leaving = [stream for stream in _impatient(step) if not stream.is_done and self._has_seen_enough(stream, step)]
        self._start(now_ns)
        return done, leaving

    def _start(self, now_ns: int) -> None:
        self.run = None
        step = self.scheduler.next_step()
        for stream in step.admitted:
            stream.first_scheduled_ns = now_ns  # type: ignore[attr-defined]
            if stream.is_transferred:
                self._note(stream, Run(step, now_ns, 0.0, 0.0, 1), now_ns, step.decoded is not None)
        if step.is_empty:
            return
        repeats = self._repeats(step)
        first_ns = self.pace.step_ns(step)
        slope_ns = (self.pace.step_ns(step, repeats - 1) - first_ns) / (repeats - 1) if repeats > 1 else 0.0
        self.run = Run(step, now_ns, first_ns, slope_ns, repeats)
        self._wake(self.run.end_ns, self)

    def _repeats(self, step: Step) -> int:
        """Until there is something to decide, or a reader leaves."""
        repeats = self.scheduler.repeats(step)
        for stream in _impatient(step) if repeats > 1 else ():
            assert stream.patience is not None
            repeats = min(repeats, max(1, stream.patience.last_token - stream.emitted_tokens))
        return repeats

    def _cut(self, run: Run, now_ns: int) -> None:
        """End the run with the step that is under way."""
        if run.steps > 1:
            steps = run.steps_until(now_ns)
            if steps < run.steps:
                run.steps = steps
                self._wake(run.end_ns, self)

    @staticmethod
    def _has_seen_enough(stream: VirtualStream, step: Step) -> bool:
        assert stream.patience is not None
        return stream.patience.has_ended(stream.emitted_tokens, one_by_one=step.decoded is None)

    @staticmethod
    def _note_decoded(run: Run, now_ns: int) -> None:
        step = run.step
        if step.decoded is None:
            for stream in step.decode:
                if not stream.has_left:  # type: ignore[attr-defined]
                    stream.runs.append(run)  # type: ignore[attr-defined]
            return
        for stream, tokens in zip(step.decode, step.decoded, strict=True):
            if not stream.has_left:  # type: ignore[attr-defined]
                stream.steps.append((now_ns, tokens))  # type: ignore[attr-defined]

    @staticmethod
    def _note(stream: Stream, run: Run, now_ns: int, is_speculative: bool) -> None:
        """A stream's first token (or the one after a preemption)."""
        assert isinstance(stream, VirtualStream)
        if stream.has_left:
            return
        if is_speculative or stream.steps:
            stream.steps.append((now_ns, 1))
        else:
            stream.runs.append(run)


def _impatient(step: Step) -> list[VirtualStream]:
    """The streams of a step whose readers will leave early, and have not yet."""
    streams = [*step.decode, *step.first] if step.first else step.decode
    return [stream for stream in streams if stream.patience is not None and not stream.has_left]  # type: ignore[attr-defined,misc]
