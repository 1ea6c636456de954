"""The simulated deployment in virtual time: a discrete-event simulation of the same schedulers, without sockets."""

import heapq
import itertools
from collections.abc import Callable
from operator import attrgetter

from imaxproxy.power import Device, PowerSample
from imaxproxy.sim.assembly import Assembly, Worker
from imaxproxy.sim.power import SAMPLE_NS, Boards, EnergyCounter
from imaxproxy.sim.virtual_stream import VirtualStream
from imaxproxy.sim.virtual_worker import VirtualWorker

_ADMISSION, _STEP_END = 0, 1
"""What happens at one time, in this order: who comes as a step ends is in the next one."""

OnDone = Callable[[VirtualStream, int], None]


def _nobody(_stream: VirtualStream, _now_ns: int) -> None:
    """No reader leaves."""


class VirtualCluster:
    """All workers of a deployment, and the events between them. Time moves with `advance`.

    A request goes to the worker with the fewest streams. With prefill workers it is read there, its KV travels, and it
    goes on where the fewest decode.
    """

    def __init__(
        self, assembly: Assembly, on_done: OnDone, on_seen: OnDone = _nobody, *, samples_power: bool = False
    ) -> None:
        """`on_done`: a stream has ended; `on_seen`: its reader's patience has, and it is to be cancelled."""
        self._on_done, self._on_seen = on_done, on_seen
        self._sample_ns = SAMPLE_NS if samples_power else None
        self._heap: list[tuple[int, int, int, VirtualWorker, VirtualStream | None]] = []
        self._numbers = itertools.count()
        devices = itertools.count()
        self.workers = [self._worker(worker, devices) for worker in assembly.workers]
        self.prefill_workers = [self._worker(worker, devices) for worker in assembly.prefill_workers]
        self._transfer_ns_per_token = assembly.transfer_ns_per_token
        self._beyond: dict[int, VirtualStream] = {}
        self._places: dict[VirtualStream, tuple[VirtualWorker, VirtualStream]] = {}

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

    def devices(self) -> list[Device]:
        """All boards, as `power.jsonl` begins with them."""
        return [device for counter in self.counters for device in counter.boards.devices(0)]

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
            self._send(self.workers, stream, stream, now_ns)
            return
        reading = VirtualStream(stream.key, now_ns, stream.prompt_tokens, 1, stream.block_names)
        self._beyond[id(reading)] = stream
        self._send(self.prefill_workers, reading, stream, now_ns)

    def cancel(self, stream: VirtualStream, now_ns: int) -> None:
        """Its reader leaves, wherever it is. The tokens that it had by then stay known."""
        worker, part = self._places.pop(stream)
        self._beyond.pop(id(part), None)
        worker.cancel(part, now_ns)
        stream.has_left = True

    def advance(self) -> int:
        """Take the next event; its time."""
        now_ns, kind, _, worker, stream = heapq.heappop(self._heap)
        if kind == _ADMISSION:
            self._admit(worker, stream, now_ns)
        elif worker.run is not None and worker.run.end_ns == now_ns:  # else the run was cut, and this is its old end
            done, leaving = worker.end_run(now_ns)
            for ended in done:
                assert isinstance(ended, VirtualStream)
                self._end(ended, now_ns)
            for reader in leaving:
                self._on_seen(reader, now_ns)
        return now_ns

    def _admit(self, worker: VirtualWorker, stream: VirtualStream | None, now_ns: int) -> None:
        """This one, and all others that come at the same time: an idle engine takes them into one step."""
        admitting = [worker]
        while True:
            if stream is not None and not stream.has_left:
                worker.admit(stream, now_ns)
            if not self._heap or self._heap[0][:2] != (now_ns, _ADMISSION):
                break
            _, _, _, worker, stream = heapq.heappop(self._heap)
            admitting.append(worker)
        for one in admitting:
            one.start_if_idle(now_ns)

    def _worker(self, worker: Worker, devices: "itertools.count[int]") -> VirtualWorker:
        energy = None
        if worker.pace.power is not None:
            numbers = list(itertools.islice(devices, worker.pace.gpus))
            energy = EnergyCounter(Boards(numbers[0], len(numbers), worker.pace.power), 0, self._sample_ns)
        return VirtualWorker(worker, energy, self._wake)

    def _wake(self, time_ns: int, worker: VirtualWorker) -> None:
        heapq.heappush(self._heap, (time_ns, _STEP_END, next(self._numbers), worker, None))

    def _send(
        self,
        workers: list[VirtualWorker],
        part: VirtualStream,
        stream: VirtualStream,
        now_ns: int,
        *,
        held: bool = True,
    ) -> None:
        worker = workers[0] if len(workers) == 1 else min(workers, key=attrgetter("load"))
        worker.load += 1
        self._places[stream] = worker, part
        worker.due_ns = due_ns = max(worker.due_ns, now_ns + (worker.hold_ns(now_ns) if held else 0))
        heapq.heappush(self._heap, (due_ns, _ADMISSION, next(self._numbers), worker, part))

    def _end(self, done: VirtualStream, now_ns: int) -> None:
        stream = self._beyond.pop(id(done), None)
        if stream is None:
            del self._places[done]
            self._on_done(done, now_ns)
            return
        stream.cached_tokens = done.cached_tokens
        stream.first_scheduled_ns = done.first_scheduled_ns
        if stream.output_tokens == 1:
            stream.runs = done.runs
            del self._places[stream]
            self._on_done(stream, now_ns)
            return
        stream.is_transferred = True
        stream.emitted_tokens = 1
        moved_ns = round(self._transfer_ns_per_token * (stream.prompt_tokens - stream.cached_tokens))
        self._send(self.workers, stream, stream, now_ns + moved_ns, held=False)
