"""The data processes of a replay: started together, fed each its part, told one zero, heard as one."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from queue import SimpleQueue
from typing import IO, Any, cast

import orjson

from imaxproxy.clock import monotonic_ns
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.load.feeding import Feeder
from imaxproxy.load.item import END, WARM
from imaxproxy.load.player import LEAD_NS
from imaxproxy.load.rules import Ended
from imaxproxy.load.share import ALL, Share
from imaxproxy.load.worker import ZERO, WorkerSettings

_PIPE_BYTES = 1 << 20
_GRAVITY = [ended.value for ended in (Ended.FINISHED, Ended.DURATION, Ended.NO_ENGINE, Ended.INTERRUPTED)]
"""How a run has ended whose workers ended differently: as the last of these that one of them says."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """What one worker plays: the schedule, and before it what warms caches up."""

    feeder: Feeder
    warmup: Feeder | None = None

    def tell(self, told: Row | None) -> None:
        """What the worker says goes to both: each knows its own items."""
        for feeder in (self.warmup, self.feeder):
            if feeder is not None:
                feeder.told.put(told)


class PlayerProcess:
    """One worker. It takes 0.2 s to come up, so it is started early."""

    def __init__(self, module: str, worker: int = 0) -> None:
        self.worker = worker
        self._start_fd, self._zero_fd = os.pipe()
        self._look_fd, self._ask_fd = os.pipe()
        os.set_blocking(self._ask_fd, False)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=[self._start_fd, self._look_fd],
        )
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)
        with contextlib.suppress(OSError, AttributeError):  # a smaller pipe only means more switches
            fcntl.fcntl(self._stdin.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._threads: list[threading.Thread] = []
        self._feed_error: UsageError | None = None
        self._lock = threading.Lock()
        self._is_up = self._stop_asked = False
        """It takes signals; before that one would end it in the middle of its imports."""

    def __repr__(self) -> str:
        return f"<PlayerProcess {self.worker}, pid {self._process.pid}>"

    @property
    def pid(self) -> int:
        return self._process.pid

    def feed(self, settings: WorkerSettings, part: Part, heard: "SimpleQueue[tuple[int, Row | None]]") -> None:
        """Hand over items, and what the worker says of them, from threads of their own.

        Its other lines go to `heard` beside its number; None when it has said its last.
        """
        settings = replace(
            settings,
            worker=self.worker,
            start_fd=self._start_fd,
            look_fd=self._look_fd,
            warms_up=part.warmup is not None,
        )
        for run in (lambda: self._feed(settings, part), lambda: self._listen(part, heard)):
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            self._threads.append(thread)

    def start(self, zero_ns: int) -> None:
        """Tell it the schedule's zero."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._zero_fd, ZERO.pack(zero_ns))

    def look(self) -> None:
        """Ask it what is in flight; its answer comes among its other lines. One that is busy is not asked twice."""
        with self._lock, contextlib.suppress(BlockingIOError):  # who looks and who waits for the end may be two threads
            if self._ask_fd >= 0:
                os.write(self._ask_fd, b".")

    def interrupt(self) -> None:
        """Ask it to stop: what is in flight is recorded as aborted. One that is not up yet is asked when it is."""
        with self._lock:
            self._stop_asked = True
            if self._is_up:
                self._signal()

    def _heard_up(self) -> None:
        with self._lock:
            self._is_up = True
            if self._stop_asked:
                self._signal()

    def _signal(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def abandon(self) -> None:
        """End it if it still runs: the command gave up."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._join()  # a pipe that is closed under a thread's hands is no end that it knows
        self._close_pipes()

    def close(self) -> int:
        """Wait for the end; the worker's exit code. Raises UsageError when a row in mid-trace could not be sent."""
        code = self._process.wait()
        self._join()
        self._close_pipes()
        if self._feed_error is not None:
            raise self._feed_error
        return code

    def _join(self) -> None:
        """The worker has ended: so do both threads, at their pipes' ends."""
        for thread in self._threads:
            thread.join()

    def _close_pipes(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
        with self._lock:  # who gives up and who waits for the end may be two threads
            fds = (self._start_fd, self._zero_fd, self._look_fd, self._ask_fd)
            self._start_fd = self._zero_fd = self._look_fd = self._ask_fd = -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)

    def _feed(self, settings: WorkerSettings, part: Part) -> None:
        try:
            self._stdin.write(orjson.dumps(asdict(settings)) + b"\n")
            if part.warmup is not None:
                self._write(part.warmup)
                self._stdin.write(WARM)
            if self._feed_error is None:
                self._write(part.feeder)
            self._stdin.write(END)
        except BrokenPipeError:  # the worker was stopped
            pass
        finally:  # also when making an item broke: a pipe that closes without END stops the worker
            with contextlib.suppress(BrokenPipeError):
                self._stdin.close()

    def _write(self, feeder: Feeder) -> None:
        try:
            for item in feeder.items():
                self._stdin.write(item.frame())
                self._stdin.flush()
        except UsageError as error:  # told when the worker has ended: what was sent before is measured
            self._feed_error = error

    def _listen(self, part: Part, heard: "SimpleQueue[tuple[int, Row | None]]") -> None:
        for line in self._stdout:
            row: Row = orjson.loads(line)
            if "sent" in row:
                part.tell(row)
            elif "up" in row:
                self._heard_up()
            else:
                heard.put((self.worker, row))
        part.tell(None)
        heard.put((self.worker, None))


class Crew:
    """All workers of a run on this machine, as one: `feed`, then read `progress` to its end, then `close`."""

    def __init__(
        self,
        module: str,
        workers: int,
        share: Share = ALL,
        on_ready: "Callable[[Crew], None] | None" = None,
        *,
        goes_on: bool = False,
    ) -> None:
        """share: whose workers these are; in all shares together they are numbered through.

        on_ready: called once all are ready; it is to call `start`, there or later. None: they start at once.
        goes_on: those left play on when one of them dies, and `lost` names it.
        """
        self._all_workers = share.all_workers(workers)
        self._workers = [PlayerProcess(module, worker) for worker in share.workers(workers)]
        self._on_ready = on_ready or (lambda crew: crew.start(monotonic_ns() + LEAD_NS))
        self._goes_on = goes_on
        self._heard: SimpleQueue[tuple[int, Row | None]] = SimpleQueue()
        self.lost: list[int] = []
        """Workers that died before their end."""
        self.zero_ns: int | None = None
        """The schedule's zero, once it is known."""
        self.on_live: Callable[[int, Row], None] = lambda _worker, _part: None
        """Hears what a worker that was asked to `look` saw (`LivePart.as_row`); called by `progress`."""

    def __repr__(self) -> str:
        return f"<Crew of {len(self._workers)}>"

    @property
    def pids(self) -> list[int]:
        """Of the workers, by their numbers."""
        return [worker.pid for worker in self._workers]

    def feed(self, settings: WorkerSettings, parts: Sequence[Part]) -> None:
        """Hand each worker its part. Raises UsageError where a worker would have no place."""
        shares = [settings.rules.of_worker(worker.worker, self._all_workers) for worker in self._workers]
        for worker, part, rules in zip(self._workers, parts, shares, strict=True):
            worker.feed(replace(settings, rules=rules), part, self._heard)

    def start(self, zero_ns: int) -> None:
        """Tell all the schedule's zero, in ns of CLOCK_MONOTONIC."""
        self.zero_ns = zero_ns
        for worker in self._workers:
            worker.start(zero_ns)

    def progress(self) -> Iterator[Row]:
        """What the workers say, added up, until all have ended; the last row: `ended`, `lost_lines`, `idle_cut_ns`.

        Without `ended` one of them died, and the others were asked to stop; or none is left.
        """
        running = {worker.worker for worker in self._workers}
        unready = set(running)
        latest: dict[int, Row] = {}
        ends: dict[int, Row] = {}
        while running:
            number, row = self._heard.get()
            if row is None:
                running.discard(number)
                if number not in ends:
                    self.lost.append(number)
                    if not self._goes_on:
                        self.interrupt()
            if row is None or "ready" in row:
                if number in unready:
                    unready.discard(number)
                    if not unready and running and (self._goes_on or not self.lost):
                        self._on_ready(self)
            elif "ended" in row:
                ends[number] = row
            elif "live" in row:
                self.on_live(number, row["live"])
            else:
                latest[number] = row
                yield _added(latest.values())
        if ends and (self._goes_on or not self.lost):
            ended = gravest(row["ended"] for row in ends.values())
            lost_lines = sum(row["lost_lines"] for row in ends.values())
            cut_ns = sum(row.get("idle_cut_ns", 0) for row in latest.values())
            yield {"ended": ended, "lost_lines": lost_lines, "idle_cut_ns": cut_ns}

    @property
    def size(self) -> int:
        return len(self._workers)

    def look(self) -> None:
        """Ask all what is in flight."""
        for worker in self._workers:
            worker.look()

    def interrupt(self) -> None:
        """Ask all to stop."""
        for worker in self._workers:
            worker.interrupt()

    def abandon(self) -> None:
        """End those that still run: the command gave up."""
        for worker in self._workers:
            worker.abandon()

    def close(self) -> None:
        """Wait for all. Raises UsageError for a row that could not be sent, ImaxproxyError when a worker died (unless
        the others go on then)."""
        codes, unsendable = {}, []
        for worker in self._workers:
            try:
                codes[worker.worker] = worker.close()
            except UsageError as error:
                unsendable.append(error)
        if not self._goes_on:
            check_workers(codes)
        if unsendable:
            raise unsendable[0]


def check_workers(codes: Mapping[int, int]) -> None:
    """Raises ImaxproxyError when a worker died of something else than its end. codes: by the worker's number."""
    died = [f"worker {worker} with code {code}" for worker, code in codes.items() if code]
    if died:
        raise ImaxproxyError(
            f"the player process ended too soon ({', '.join(died)}): see its message above; the run was stopped there, "
            "and all journals are kept"
        )


def gravest(endings: Iterable[str]) -> str:
    """How a run has ended whose parts ended differently."""
    return max(endings, key=_GRAVITY.index)


def _added(rows: Iterable[Row]) -> Row:
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row)
    return dict(total)
