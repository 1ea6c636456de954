"""Plays a sweep's virtual points: as many processes as are asked for, a curve at a time in each."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from imaxproxy.conduct.sweeps.conductor import Conductor
from imaxproxy.conduct.sweeps.process import PointProcess
from imaxproxy.sweep import Curve


def play_virtual_curves(curves: Sequence[Curve], conductor: Conductor, jobs: int) -> None:
    """All of them. On Ctrl-C the processes are ended, and the points that they were at stay undone."""
    if not curves:
        return
    waiting = list(reversed(curves))
    workers = [PointProcess() for _ in range(min(jobs, len(curves)))]
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


def _work(waiting: list[Curve], conductor: Conductor, worker: PointProcess) -> None:
    while not conductor.stopped:
        try:
            curve = waiting.pop()
        except IndexError:
            return
        conductor.play(curve, worker.play)
