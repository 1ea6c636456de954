"""What a worker is handed when it is forked."""

import socket
from dataclasses import dataclass

from imaxproxy.proxy.channel import Channel


@dataclass(frozen=True, slots=True)
class Seat:
    """One worker's place in the proxy."""

    number: int
    """Never used again: its files are `exchanges-<number>.jsonl` and the like."""
    column: int
    """The lowest number that no other living worker has."""
    workers: int
    """How many serve at a time: limits that hold for the whole proxy are shared among so many."""
    door: socket.socket
    channel: Channel
    """To the supervisor; its end is the supervisor's end."""
