"""Plays a sweep's virtual points: as many processes as are asked for, a curve at a time in each."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import orjson

from imaxproxy.cli.sweep_conductor import Conductor
from imaxproxy.errors import ImaxproxyError
from imaxproxy.sweep import Curve, Point


def play_virtual_curves(curves: Sequence[Curve], conductor: Conductor, jobs: int) -> None:
    """All of them. On Ctrl-C the processes are ended, and the points that they were at stay undone."""
    if not curves:
        return
    waiting = list(reversed(curves))
    workers = [_Worker() for _ in range(min(jobs, len(curves)))]
    try:
        with ThreadPoolExecutor(len(workers)) as pool:
            try:
                for thread in [pool.submit(_work, waiting, conductor, worker) for worker in workers]:
                    thread.result()
            except BaseException:  # also Ctrl-C: raised again when all has ended
                conductor.stop()
                for worker in workers:
                    worker.kill()
                raise
    finally:
        for worker in workers:
            worker.close()


def _work(waiting: list[Curve], conductor: Conductor, worker: "_Worker") -> None:
    while not conductor.stopped:
        try:
            curve = waiting.pop()
        except IndexError:
            return
        conductor.play(curve, worker.play)


class _Worker:
    """One process, started when there is something to play, and anew when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self._closing = threading.Lock()

    def play(self, point: Point) -> None:
        """Raises ImaxproxyError with the reason of a point that could not be played, or that the process died of."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(orjson.dumps({"argv": point.argv, "number": point.repeat - 1}) + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = b""
        if not answer.endswith(b"\n"):
            code = process.wait()
            self._close()
            raise ImaxproxyError(f"the process that simulated it ended with code {code}")
        if (error := orjson.loads(answer)["error"]) is not None:
            raise ImaxproxyError(error)

    def kill(self) -> None:
        """End it at once; nothing is started any more."""
        self._killed = True
        if (process := self._process) is not None:  # its thread forgets it as soon as it is dead
            process.kill()

    def close(self) -> None:
        """Let it end: its input does."""
        self._close()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._killed:
            raise ImaxproxyError("interrupted")
        if self._process is None:
            argv = [sys.executable, "-m", "imaxproxy.cli.sweep_worker"]
            self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _close(self) -> None:
        """By whoever comes first: on Ctrl-C the command and the thread that plays both do."""
        with self._closing:
            process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:  # what was to be written has no reader any more
                continue
        process.wait()
