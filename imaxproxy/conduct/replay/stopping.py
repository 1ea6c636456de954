"""Ctrl-C and SIGTERM while a load is played: once to stop in order, twice to give up."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from imaxproxy.conduct.output import say


class Stoppable(Protocol):
    """What plays."""

    def interrupt(self) -> None:
        """Ask it to stop."""


@dataclass(slots=True)
class Stop:
    """What has been asked for."""

    asked: bool = False
    load_is_over: bool = False
    """Nothing is left to stop: what has been played is being summed up."""


@contextlib.contextmanager
def stops_on_signal(players: Stoppable) -> Iterator[Stop]:
    """Inside, the first signal asks the players to stop, another one gives the command up (KeyboardInterrupt).

    The first one that comes when the load is over stops nothing: journals may still be on their way to here, and
    would be lost.
    """
    stop = Stop()

    def ask(_number: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.default_int_handler)
        stop.asked = True
        if stop.load_is_over:
            say("imaxproxy: the load is over, and is being summed up (again to give up)")
            return
        say("imaxproxy: stopping; what was done so far will be reported (again to give up)")
        players.interrupt()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def sigterm_is_ctrl_c() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt: what is held elsewhere is let go, as on Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
