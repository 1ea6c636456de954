"""The process over the workers: starts them, replaces the dead, restarts all without a gap, has everybody's figures.

It relays nothing. It holds one listening socket for each place (`doors.py`) for as long as it lives; worker after
worker accepts from it. Workers are forked, so they need no settings handed over, and read keys and certificates anew.
"""

import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.metrics import Exchange, Objective
from imaxproxy.proxy.board import LivePage
from imaxproxy.proxy.channel import Channel, Message
from imaxproxy.proxy.figures import Figures, Questions
from imaxproxy.proxy.live_round import LiveRound
from imaxproxy.proxy.place import Place, WorkerProcess
from imaxproxy.proxy.seat import Seat

Work = Callable[[Seat], int]
"""What a worker does; its result is the exit status of its process."""
Recover = Callable[[int, int], Iterable[Exchange]]
"""The exchanges of a worker's journal from a byte offset on: what it had no time to tell of before it was killed."""

KILL_AFTER_S = 5.0
"""A worker that was told to drop its streams has so long to write them down."""
_FLUSH_EVERY_NS = NS_PER_S // 20
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Ended:
    """How it all ended."""

    how: str
    """finished, dropped streams, or failed: a worker could not even start."""
    lost_lines: int


class Supervisor:
    """Runs until it is told to stop by a signal.

    SIGTERM or SIGINT: no new connections, streams may end within `drain_timeout_s`; again: they are dropped. SIGHUP: a
    new worker takes each place, and the old one goes when its clients have gone, which nothing hurries.
    """

    def __init__(
        self,
        doors: Sequence[socket.socket],
        work: Work,
        recover: Recover,
        *,
        engine: dict[str, Any] | None,
        drain_timeout_s: float,
        say: Callable[[str], None],
        clear: Callable[[int], None] = lambda column: None,
        clock_ns: Clock = monotonic_ns,
        live: LivePage | None = None,
        objectives: tuple[Objective, ...] = (),
    ) -> None:
        """clear: told the column of each worker that has ended.  live: makes the live snapshots.

        objectives: as in Board.
        """
        self._places = [Place(door) for door in doors]
        self._work, self._recover, self._clear = work, recover, clear
        self._drain_timeout_s, self._say, self._clock_ns = drain_timeout_s, say, clock_ns
        self._selector = selectors.DefaultSelector()
        self._figures = Figures(objectives)
        self._questions = Questions(self._figures, engine, clock_ns, live)
        self._live = LiveRound(live, self._figures.merged, clock_ns)
        self._workers: dict[int, WorkerProcess] = {}
        self._next_number = 0
        self._stopping = self._dropping = self._dropped = self._failed = self._announced = False
        self._kill_at_ns: int | None = None
        self._greet: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return f"<Supervisor {len(self._places)} places, {len(self._workers)} workers>"

    def run(self, greet: Callable[[], None]) -> Ended:
        """Until all workers have ended. `greet` is called once, when all places are taken."""
        self._greet = greet
        before, self._alarm, self._bell = self._take_signals()
        try:
            for place in self._places:
                self._start(place)
            while self._workers or not self._stopping:
                for key, _ in self._selector.select(self._patience_s()):
                    key.data()
                self._look_at_the_clock()
        finally:
            self._put_back_signals(before)
            self._kill_all()
            self._selector.close()
        how = "failed" if self._failed else "dropped streams" if self._dropped else "finished"
        return Ended(how, self._figures.lost_lines)

    # Signals ----------------------------------------------------------------------------------------------------------

    def _take_signals(self) -> tuple[dict[int, Any], socket.socket, socket.socket]:
        alarm, bell = socket.socketpair()
        for end in (alarm, bell):
            end.setblocking(False)
        before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
        self._selector.register(alarm, selectors.EVENT_READ, self._on_signal)
        return {int(number): handler for number, handler in before.items()}, alarm, bell

    def _put_back_signals(self, before: dict[int, Any]) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        self._alarm.close()
        self._bell.close()

    def _on_signal(self) -> None:
        for number in self._alarm.recv(256):
            if number == signal.SIGHUP:
                self._restart()
            elif self._stopping:
                self._drop()
            else:
                self._say("stopping; streams in flight may end (again to drop them)")
                self._stop()

    def _stop(self) -> None:
        self._stopping = True
        for place in self._places:
            place.door.close()  # the workers close theirs: from now on nobody is let in
        for worker in self._workers.values():
            worker.channel.send("drain", self._drain_timeout_s)
        self._kill_at_ns = self._clock_ns() + round((self._drain_timeout_s + KILL_AFTER_S) * NS_PER_S)

    def _drop(self) -> None:
        self._dropping = True
        for worker in self._workers.values():
            worker.channel.send("drop")
        self._kill_at_ns = self._clock_ns() + round(KILL_AFTER_S * NS_PER_S)

    def _restart(self) -> None:
        if self._stopping:
            return
        self._say("SIGHUP: new workers take over; old ones go when their clients have gone")
        for place in self._places:
            if place.newcomer is not None:
                place.again = True  # it may have read the keys too soon
            elif place.due_ns is None:
                self._start(place)

    # Workers ----------------------------------------------------------------------------------------------------------

    def _start(self, place: Place) -> None:
        """Fork a worker for this place. It serves beside the one that is there, which goes once this one is ready."""
        place.due_ns, place.again = None, False
        number, self._next_number = self._next_number, self._next_number + 1
        taken = {worker.column for worker in self._workers.values()}
        column = next(column for column in count() if column not in taken)
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become_worker(Seat(number, column, len(self._places), place.door, Channel(theirs)), blocked)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
        worker = WorkerProcess(number, column, pid, place, Channel(ours), self._clock_ns())
        place.newcomer = worker
        self._workers[number] = worker
        self._figures.join(number, pid)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._on_readable(worker))

    def _become_worker(self, seat: Seat, blocked: Iterable[int]) -> None:
        """Never returns. What belongs to the supervisor is closed: a worker must see the supervisor's end as one."""
        code = 70
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # the terminal's Ctrl-C is for the supervisor
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            self._selector.close()
            self._alarm.close()
            self._bell.close()
            for worker in self._workers.values():
                worker.channel.close()
            for place in self._places:
                if place.door is not seat.door:
                    place.door.close()
            code = self._work(seat)
        except BaseException:  # a fork must not run on as its parent; stderr hears of it
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _on_readable(self, worker: WorkerProcess) -> None:
        try:
            messages = worker.channel.receive()
        except EOFError:
            self._bury(worker)
            return
        for message in messages:
            self._hear(worker, message)

    def _hear(self, worker: WorkerProcess, message: Message) -> None:
        match message:
            case "figures", part:
                self._figures.take(worker.number, part, self._clock_ns())
                self._questions.answered(worker.number)
            case "part", part:
                self._live.take(worker.number, part, self._workers.values())
            case "watch", on:
                self._live.watch(worker.number, on=on, workers=self._workers.values())
            case "page", (request, name):
                self._questions.ask(request, name, worker, self._workers.values())
            case "ready", _:
                self._seat(worker)
            case "leaving", _:  # somebody told this one worker to go
                self._figures.state(worker.number, "leaving")
                if worker.place.current is worker:
                    worker.place.current = None
                    self._replace(worker.place)
            case "dropped", _:
                self._dropped = True

    def _seat(self, worker: WorkerProcess) -> None:
        place, worker.ready = worker.place, True
        if self._stopping:
            return
        before, place.current, place.newcomer = place.current, worker, None
        self._figures.state(worker.number, "serving")
        if before is not None:
            self._figures.state(before.number, "leaving")
            before.channel.send("retire")
        if place.again:
            self._start(place)
        if not self._announced and all(each.current for each in self._places):
            self._announced = True
            self._greet()

    def _bury(self, worker: WorkerProcess) -> None:
        """A worker has ended: take what it had not told, and see who takes its place."""
        self._selector.unregister(worker.channel.fileno())
        worker.channel.close()
        code = worker.reap()
        del self._workers[worker.number]
        self._clear(worker.column)
        self._figures.leave(worker.number, self._recover)
        self._questions.answered(worker.number)
        self._live.leave(worker.number, self._workers.values())
        place = worker.place
        if self._stopping:
            self._dropped = self._dropped or (code != 0 and not self._failed)
        elif not self._announced and place.newcomer is worker:
            self._give_up(worker, code)
        elif place.newcomer is worker:
            place.newcomer = None
            self._say(f"worker {worker.number} could not start (exit {code})")
            place.failed(self._clock_ns())
            if place.current is None:
                self._replace(place)
        elif place.current is worker:
            place.current = None
            self._figures.restarts += 1
            self._say(f"worker {worker.number} died (exit {code}); its journal is kept, another one takes its place")
            place.failed(self._clock_ns(), lived_ns=self._clock_ns() - worker.started_ns)
            self._replace(place)

    def _replace(self, place: Place) -> None:
        if place.newcomer is None and not self._stopping:
            place.due_ns = self._clock_ns() + place.back_off_ns()

    def _give_up(self, worker: WorkerProcess, code: int) -> None:
        """One that cannot even start the first time will not the second time."""
        self._say(f"worker {worker.number} could not start (exit {code})")
        self._failed = True
        worker.place.newcomer = None
        self._stop()
        self._drop()

    # Time -------------------------------------------------------------------------------------------------------------

    def _patience_s(self) -> float | None:
        """How long nothing but a message or a signal needs us."""
        dues = [place.due_ns for place in self._places] + [
            self._kill_at_ns,
            self._questions.due_ns(),
            self._live.due_ns(),
        ]
        known = [due_ns for due_ns in dues if due_ns is not None]
        if any(worker.channel.backlog for worker in self._workers.values()):
            known.append(self._clock_ns() + _FLUSH_EVERY_NS)
        return max(0.0, (min(known) - self._clock_ns()) / NS_PER_S) if known else None

    def _look_at_the_clock(self) -> None:
        now_ns = self._clock_ns()
        for place in self._places:
            if place.due_ns is not None and place.due_ns <= now_ns and not self._stopping:
                self._start(place)
        for worker in self._workers.values():
            worker.channel.flush()
        self._questions.look(now_ns)
        self._live.look(self._workers.values())
        if self._kill_at_ns is not None and self._kill_at_ns <= now_ns:
            self._kill_at_ns = None
            self._dropped = True
            for worker in self._workers.values():
                os.kill(worker.pid, signal.SIGKILL)

    def _kill_all(self) -> None:
        """On the way out, only after a bug of ours: nobody is left otherwise."""
        for worker in self._workers.values():
            os.kill(worker.pid, signal.SIGKILL)
            worker.reap()


def usable_cpus() -> int:
    """Of `--workers auto`: the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
