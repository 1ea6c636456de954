"""A supervisor's side of one place in the proxy: its door, and who stands at it."""

import os
import socket
from dataclasses import dataclass

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.proxy.channel import Channel

BACK_OFF_FIRST_NS = 100 * NS_PER_MS
BACK_OFF_MOST_NS = 10 * NS_PER_S
HEALTHY_NS = 10 * NS_PER_S
"""A worker that lived so long did not die of its start: the next one comes at once."""


@dataclass(eq=False, slots=True)
class WorkerProcess:
    """One forked worker, from its start to its end."""

    number: int
    column: int
    pid: int
    place: "Place"
    channel: Channel
    started_ns: int
    ready: bool = False
    """It lets clients in, or did."""

    def reap(self) -> int:
        """Its exit status, as a shell says it (137: killed). Its channel has ended, so the process is ending too."""
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:
            return 0
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code


class Place:
    """One door. While workers change, two stand at it; while one is replaced, none, and its queue waits."""

    def __init__(self, door: socket.socket) -> None:
        self.door = door
        self.current: WorkerProcess | None = None
        self.newcomer: WorkerProcess | None = None
        self.due_ns: int | None = None
        """When the next worker is to start."""
        self.again = False
        """Another restart was asked for while one was under way."""
        self._failures = 0

    def failed(self, now_ns: int, lived_ns: int = 0) -> None:
        """A worker of this place died, having served for so long."""
        self._failures = 1 if lived_ns >= HEALTHY_NS else self._failures + 1

    def back_off_ns(self) -> int:
        """The wait before the next one: none after the first death, then 0.1 s, doubled up to 10 s."""
        if self._failures <= 1:
            return 0
        return min(BACK_OFF_FIRST_NS << min(self._failures - 2, 16), BACK_OFF_MOST_NS)
