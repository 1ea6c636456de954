"""Processes beside this one that do what would take one core too long: a function of many items, item by item.

Children of a plain interpreter and not forks: whoever sums up a run may have threads, an event loop, or Ray in it.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from imaxproxy.errors import ImaxproxyError

_AHEAD = 2
"""Items for each helper that wait or are done, beyond those whose answer was asked for: what bounds the memory."""
T = TypeVar("T")


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Helpers:
    """So many of them, for as long as the `with` lasts; none for a count of 1: this process does it then."""

    def __init__(self, count: int) -> None:
        self._idle: SimpleQueue[_Helper] = SimpleQueue()
        self._helpers = [_Helper() for _ in range(count)] if count > 1 else []
        for helper in self._helpers:
            self._idle.put(helper)
        self._threads = ThreadPoolExecutor(len(self._helpers)) if self._helpers else None

    def map(self, function: Callable[..., T], items: Iterable[Any], *more: object) -> Iterator[T]:
        """`function(item, *more)` of each, in order. All of it travels as a pickle; the function is a module's own.

        Raises the ImaxproxyError that a helper met, or one that says that it died.
        """
        if self._threads is None:
            yield from (function(item, *more) for item in items)
            return
        waiting: deque[Future[T]] = deque()
        for item in items:
            waiting.append(self._threads.submit(self._do, function, (item, *more)))
            if len(waiting) > _AHEAD * len(self._helpers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def __enter__(self) -> "Helpers":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self.close(at_once=kind is not None)

    def close(self, *, at_once: bool = False) -> None:
        """Let all go once they have done what they do, or at once."""
        for helper in self._helpers:
            helper.end(at_once=at_once)
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _do(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        helper = self._idle.get()
        try:
            return helper.do(function, arguments)
        finally:
            self._idle.put(helper)


class _Helper:
    """One process: tasks go in by its standard input, answers come out."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "imaxproxy.runs.helper"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def do(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump((function, arguments), self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
            went_well, answer = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise ImaxproxyError(
                "a process that helped to sum up the run died (out of memory?); the journal is whole: run "
                "`imaxproxy report RUN` again, with `taskset -c 0` before it for one process only"
            ) from error
        if not went_well:
            raise answer
        return answer  # type: ignore[no-any-return]

    def end(self, *, at_once: bool) -> None:
        """Let it go once it has done what it does, or at once."""
        if at_once:
            self._process.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it has died, and who asked it has heard
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
