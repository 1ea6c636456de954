"""All samples of the meter's health, and the verdict on them: are its stamps to be believed?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.metrics.health import HealthSample
from imaxproxy.metrics.histogram import Histogram

LAG_LIMIT_MS = 1.0
"""What the loop stamps is late by as much as the loop lags: from here on the tails of TTFT and ITL are partly ours."""
LAG_LIMIT_SHARE = 0.02
CPU_LIMIT_SHARE = 0.90
RATE_LIMIT_SHARE = 0.95
LOOP_STAMPS_SHARE = 0.01
"""Of a worker's reads: where fewer were stamped by the loop, they are beginnings of answers, and no gap is theirs."""
COALESCED_LIMIT_SHARE = 0.01
"""Of token events that share a read: with late reads, some of them may have come apart."""


@dataclass(slots=True)
class _Worker:
    """One data process over the run."""

    lag: Histogram = field(default_factory=Histogram)
    read_lag: Histogram = field(default_factory=Histogram)
    by_thread: int = 0
    by_loop: int = 0
    wall_ns: int = 0
    cpu_ns: int = 0
    busy_samples: int = 0
    samples: int = 0

    @property
    def lag_p99_ms(self) -> float:
        return (self.lag.value_at(99.0) or 0) / Histogram.UNIT

    @property
    def read_lag_p99_ms(self) -> float:
        return (self.read_lag.value_at(99.0) or 0) / Histogram.UNIT

    @property
    def late_with_the_loop(self) -> str | None:
        """What the loop's lag makes uncertain; None where it stamps nothing."""
        late, reads = self.by_thread + self.by_loop, self.by_thread + self.by_loop + self.read_lag.total
        if late > LOOP_STAMPS_SHARE * reads or not reads:
            return "tails of TTFT and ITL are"
        return "the tail of TTFT is" if late else None

    def add(self, sample: HealthSample) -> None:
        self.lag.record_counts(sample.lag_us)
        if sample.reads is not None:
            self.read_lag.record_counts(sample.reads.late_us)
            self.by_thread += sample.reads.by_thread
            self.by_loop += sample.reads.by_loop
        self.wall_ns += sample.wall_ns
        self.cpu_ns += sample.cpu_ns
        self.samples += 1
        self.busy_samples += sample.cpu_ns > CPU_LIMIT_SHARE * sample.wall_ns

    def merge(self, other: "_Worker") -> None:
        self.lag.merge(other.lag)
        self.read_lag.merge(other.read_lag)
        self.by_thread += other.by_thread
        self.by_loop += other.by_loop
        self.wall_ns += other.wall_ns
        self.cpu_ns += other.cpu_ns
        self.samples += other.samples
        self.busy_samples += other.busy_samples

    @property
    def is_saturated(self) -> bool:
        return self.busy_samples * 10 > self.samples  # a busy second or two at the start is no saturation


class MeterHealth:
    """All samples of a run, of all workers, and the verdict on it: one worker that is late spoils its own streams."""

    def __init__(self) -> None:
        self._workers: dict[int, _Worker] = {}

    @property
    def lag(self) -> Histogram:
        """The loops' lag, of all workers."""
        return _merged(worker.lag for worker in self._workers.values())

    @property
    def read_lag(self) -> Histogram:
        """How late the threads read, of all workers; empty where none does."""
        return _merged(worker.read_lag for worker in self._workers.values())

    def add(self, sample: HealthSample) -> None:
        self._workers.setdefault(sample.worker, _Worker()).add(sample)

    def merge(self, other: "MeterHealth") -> None:
        """Add another's samples."""
        for number, theirs in other._workers.items():
            self._workers.setdefault(number, _Worker()).merge(theirs)

    def of_workers(self, workers: Iterable[int]) -> "MeterHealth":
        """The samples of these alone."""
        part = MeterHealth()
        part._workers = {number: self._workers[number] for number in workers if number in self._workers}
        return part

    @property
    def cpu_ns(self) -> int:
        """CPU time (user + system) of all workers."""
        return sum(worker.cpu_ns for worker in self._workers.values())

    @property
    def cpu_share(self) -> float | None:
        """CPU seconds (user + system) a second of one worker, over the run."""
        wall_ns = sum(worker.wall_ns for worker in self._workers.values())
        return self.cpu_ns / wall_ns if wall_ns else None

    def verdict(
        self,
        *,
        itl_p99_ms: float | None,
        coalesced_event_share: float | None,
        offered_rate: float | None,
        achieved_rate: float | None,
        is_virtual: bool = False,
    ) -> dict[str, Any]:
        """`meter` of summary.json: figures, and the reasons for which they should not be believed.

        is_virtual: time was simulated, so that no stamp can be late and nobody had to look.
        """
        reasons = [
            reason
            for reason in (
                None if is_virtual else self._unseen(),
                *self._lagging(itl_p99_ms),
                self._hiding(itl_p99_ms, coalesced_event_share),
                self._saturated(),
                _behind(offered_rate, achieved_rate),
            )
            if reason
        ]
        return {
            "valid": not reasons,
            "reasons": reasons,
            "cpu_share": self.cpu_share,
            "loop_lag_ms": self.lag.stats(),
            "read_lag_ms": self.read_lag.stats(),
            "stamped_by": self._stamped_by(),
            "coalesced_event_share": coalesced_event_share,
            "offered_rate": offered_rate,
            "achieved_rate": achieved_rate,
        }

    def _unseen(self) -> str | None:
        return None if self._workers else "meter health was not recorded: nobody knows how late the stamps are"

    def _stamped_by(self) -> dict[str, int] | None:
        """Reads by who stamped them; None where nobody counted: the loop did."""
        workers = self._workers.values()
        kernel, thread = sum(w.read_lag.total for w in workers), sum(w.by_thread for w in workers)
        loop = sum(w.by_loop for w in workers)
        return {"kernel": kernel, "thread": thread, "loop": loop} if kernel or thread or loop else None

    def _lagging(self, itl_p99_ms: float | None) -> Iterator[str]:
        limit_ms = _limit_ms(itl_p99_ms)
        late: dict[str, dict[int, str]] = {}
        for number, worker in sorted(self._workers.items()):
            if (what := worker.late_with_the_loop) is not None and worker.lag_p99_ms > limit_ms:
                late.setdefault(what, {})[number] = f"{worker.lag_p99_ms:.2f} ms"
        for what, said in late.items():
            yield f"loop lag p99 is {self._listed(said)} (limit {limit_ms:.2f}): {what} uncertain by as much"

    def _hiding(self, itl_p99_ms: float | None, coalesced_event_share: float | None) -> str | None:
        """The kernel's stamps are right however late one reads, but of what is read at once it stamps the last."""
        limit_ms = _limit_ms(itl_p99_ms)
        late = {n: worker.read_lag_p99_ms for n, worker in self._workers.items() if worker.read_lag_p99_ms > limit_ms}
        if not late or (coalesced_event_share or 0.0) <= COALESCED_LIMIT_SHARE:
            return None
        lags = self._listed({number: f"{lag_ms:.2f} ms" for number, lag_ms in late.items()})
        return (
            f"reads came p99 {lags} after their bytes (limit {limit_ms:.2f}), and {coalesced_event_share:.0%} of "
            "events shared one: gaps between these are lost"
        )

    def _saturated(self) -> str | None:
        busy = {number: worker for number, worker in self._workers.items() if worker.is_saturated}
        if not busy:
            return None
        samples = self._listed({n: f"{worker.busy_samples} of {worker.samples} samples" for n, worker in busy.items()})
        return f"the meter used over {CPU_LIMIT_SHARE:.0%} of a core in {samples}: it, not the engine, may set the pace"

    def _listed(self, said: dict[int, str]) -> str:
        """What is said of single workers, each named where there are several."""
        if len(self._workers) == 1:
            return next(iter(said.values()))
        return ", ".join(f"{text} in worker {number}" for number, text in sorted(said.items()))


def _limit_ms(itl_p99_ms: float | None) -> float:
    return max(LAG_LIMIT_MS, LAG_LIMIT_SHARE * (itl_p99_ms or 0.0))


def _merged(histograms: Iterable[Histogram]) -> Histogram:
    whole = Histogram()
    for histogram in histograms:
        whole.merge(histogram)
    return whole


def _behind(offered_rate: float | None, achieved_rate: float | None) -> str | None:
    if offered_rate is None or achieved_rate is None or achieved_rate >= RATE_LIMIT_SHARE * offered_rate:
        return None
    return f"sent {achieved_rate:.2f} requests/s of {offered_rate:.2f} offered: the schedule was not kept"
