"""The simulated deployment in virtual time: a discrete-event simulation of the same schedulers, without sockets.

Between two events nothing changes but contexts, which grow by a token a step: such steps are computed as one run, whose
first and last step are priced and those between lie on a line (the model is linear in the context but for the p-norm).
An arrival in mid-run cuts the run at the end of the step under way, as the live engine's step would end.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from operator import attrgetter

from imaxproxy.sim.assembly import Assembly, Worker
from imaxproxy.sim.power import SAMPLE_NS, EnergyCounter, PowerSample
from imaxproxy.sim.scheduler import Scheduler, Step, Stream


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
            self._times_ns = [self._end_ns(number) for number in range(1, self.steps + 1)]
        return self._times_ns

    def steps_until(self, time_ns: int) -> int:
        """The least number of steps that end at `time_ns` or later: n * first + slope * n(n-1)/2 >= time."""
        passed_ns = time_ns - self.start_ns
        half = self.slope_ns / 2
        if half <= 0:
            steps = passed_ns / self.first_ns
        else:
            linear = self.first_ns - half
            steps = (math.sqrt(linear * linear + 4 * half * passed_ns) - linear) / (2 * half)
        return min(self.steps, max(1, math.ceil(steps - 1e-6)))

    def _end_ns(self, steps: int) -> int:
        return self.start_ns + round(steps * self.first_ns + self.slope_ns * steps * (steps - 1) / 2)


class VirtualStream(Stream):
    """A stream that remembers when its tokens came: by runs, or step by step with speculative decoding."""

    __slots__ = ("arrived_ns", "first_scheduled_ns", "key", "runs", "steps")

    def __init__(
        self, key: object, arrived_ns: int, prompt_tokens: int, output_tokens: int, block_names: Sequence[int] = ()
    ) -> None:
        super().__init__(prompt_tokens, output_tokens, block_names=block_names)
        self.key = key
        self.arrived_ns = arrived_ns
        self.first_scheduled_ns: int | None = None
        self.runs: list[Run] = []
        self.steps: list[tuple[int, int]] = []

    def token_times_ns(self) -> tuple[list[int], list[int]]:
        """When tokens came, and how many at each of these times."""
        if self.steps:
            return [time_ns for time_ns, _ in self.steps], [tokens for _, tokens in self.steps]
        times_ns: list[int] = []
        for run in self.runs:
            times_ns += run.times_ns()
        return times_ns, [1] * len(times_ns)


OnDone = Callable[[VirtualStream, int], None]


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
        self.last_step_ns = 0.0
        self.steps = 0
        self.run: Run | None = None
        self._wake = wake

    def admit(self, stream: VirtualStream, now_ns: int) -> None:
        """A stream enters the queue; the step under way ends first."""
        self.scheduler.submit(stream)
        if self.run is None:
            self._start(now_ns)
        elif self.run.steps > 1:
            steps = self.run.steps_until(now_ns)
            if steps < self.run.steps:
                self.run.steps = steps
                self._wake(self.run.end_ns, self)

    def end_run(self, now_ns: int) -> list[Stream]:
        """The run is over: the streams that are done with it. The next begins at once."""
        run = self.run
        assert run is not None
        step = run.step
        if step.decoded is None:
            for stream in step.decode:
                stream.runs.append(run)  # type: ignore[attr-defined]
        else:
            for stream, tokens in zip(step.decode, step.decoded, strict=True):
                stream.steps.append((now_ns, tokens))  # type: ignore[attr-defined]
        for stream in step.first:
            self._note(stream, run, now_ns, step.decoded is not None)
        done = self.scheduler.complete(step, run.steps)
        self.load -= len(done)
        self.steps += run.steps
        self.last_step_ns = run.first_ns + run.slope_ns * (run.steps - 1)
        if self.energy is not None:
            power_w = self.pace.step_w(step, run.first_ns, run.steps // 2)
            self.energy.step(run.start_ns, now_ns, power_w)
        self._start(now_ns)
        return done

    def _start(self, now_ns: int) -> None:
        self.run = None
        step = self.scheduler.next_step()
        for stream in step.admitted:
            stream.first_scheduled_ns = now_ns  # type: ignore[attr-defined]
            if stream.is_transferred:
                self._note(stream, Run(step, now_ns, 0.0, 0.0, 1), now_ns, step.decoded is not None)
        if step.is_empty:
            return
        repeats = self.scheduler.repeats(step)
        first_ns = self.pace.step_ns(step)
        slope_ns = (self.pace.step_ns(step, repeats - 1) - first_ns) / (repeats - 1) if repeats > 1 else 0.0
        self.run = Run(step, now_ns, first_ns, slope_ns, repeats)
        self._wake(self.run.end_ns, self)

    @staticmethod
    def _note(stream: Stream, run: Run, now_ns: int, is_speculative: bool) -> None:
        """A stream's first token (or the one after a preemption)."""
        assert isinstance(stream, VirtualStream)
        if is_speculative or stream.steps:
            stream.steps.append((now_ns, 1))
        else:
            stream.runs.append(run)


class VirtualCluster:
    """All workers of a deployment, and the events between them. Time moves with `advance`.

    A request goes to the worker with the fewest streams. With prefill workers it is read there, its KV travels, and it
    goes on where the fewest decode.
    """

    def __init__(self, assembly: Assembly, on_done: OnDone, *, samples_power: bool = False) -> None:
        self._on_done = on_done
        self._sample_ns = SAMPLE_NS if samples_power else None
        self._heap: list[tuple[int, int, VirtualWorker, VirtualStream | None]] = []
        self._numbers = itertools.count()
        devices = itertools.count()
        self.workers = [self._worker(worker, devices) for worker in assembly.workers]
        self.prefill_workers = [self._worker(worker, devices) for worker in assembly.prefill_workers]
        self._transfer_ns_per_token = assembly.transfer_ns_per_token
        self._beyond: dict[int, VirtualStream] = {}

    @property
    def next_ns(self) -> int | None:
        """Time of the next event; None when all is idle."""
        return self._heap[0][0] if self._heap else None

    @property
    def steps(self) -> int:
        """Steps computed by all workers."""
        return sum(worker.steps for worker in (*self.workers, *self.prefill_workers))

    @property
    def counters(self) -> list[EnergyCounter]:
        """Energy of each worker that has boards."""
        workers = (*self.workers, *self.prefill_workers)
        return [worker.energy for worker in workers if worker.energy is not None]

    @property
    def energy_j(self) -> float:
        """Of all boards, up to the last step or `idle_until`."""
        return sum(counter.total_j for counter in self.counters)

    @property
    def pending_samples(self) -> int:
        """Of power, not yet taken."""
        return sum(len(counter.samples) for counter in self.counters)

    def take_samples(self) -> list[PowerSample]:
        """Of power, in the order of their time."""
        taken = [sample for counter in self.counters for sample in counter.take()]
        return sorted(taken, key=attrgetter("time_ns"))

    def submit(self, stream: VirtualStream, now_ns: int) -> None:
        """A request arrived. Raises ValueError for one that can never fit."""
        if not self.prefill_workers:
            self._send(self.workers, stream, now_ns)
            return
        reading = VirtualStream(stream.key, now_ns, stream.prompt_tokens, 1, stream.block_names)
        self._beyond[id(reading)] = stream
        self._send(self.prefill_workers, reading, now_ns)

    def advance(self) -> int:
        """Take the next event; its time."""
        now_ns, _, worker, stream = heapq.heappop(self._heap)
        if stream is not None:
            worker.admit(stream, now_ns)
        elif worker.run is not None and worker.run.end_ns == now_ns:  # else the run was cut, and this is its old end
            for done in worker.end_run(now_ns):
                assert isinstance(done, VirtualStream)
                self._end(done, now_ns)
        return now_ns

    def _worker(self, worker: Worker, devices: "itertools.count[int]") -> VirtualWorker:
        gpus = worker.pace.gpus
        first = next(devices)
        for _ in range(gpus - 1):
            next(devices)
        energy = EnergyCounter(first, gpus, worker.pace.idle_w, 0, self._sample_ns) if gpus else None
        return VirtualWorker(worker, energy, self._wake)

    def _wake(self, time_ns: int, worker: VirtualWorker) -> None:
        heapq.heappush(self._heap, (time_ns, next(self._numbers), worker, None))

    def _send(self, workers: list[VirtualWorker], stream: VirtualStream, now_ns: int, *, held: bool = True) -> None:
        worker = workers[0] if len(workers) == 1 else min(workers, key=attrgetter("load"))
        worker.load += 1
        hold_ns = worker.pace.hold_ns + round(worker.pace.hold_steps * worker.last_step_ns) if held else 0
        heapq.heappush(self._heap, (now_ns + hold_ns, next(self._numbers), worker, stream))

    def _end(self, done: VirtualStream, now_ns: int) -> None:
        stream = self._beyond.pop(id(done), None)
        if stream is None:
            self._on_done(done, now_ns)
            return
        stream.cached_tokens = done.cached_tokens
        stream.first_scheduled_ns = done.first_scheduled_ns
        if stream.output_tokens == 1:
            stream.runs = done.runs
            self._on_done(stream, now_ns)
            return
        stream.is_transferred = True
        stream.emitted_tokens = 1
        moved_ns = round(self._transfer_ns_per_token * (stream.prompt_tokens - stream.cached_tokens))
        self._send(self.workers, stream, now_ns + moved_ns, held=False)
