"""The measuring proxy."""

from imaxproxy.proxy.board import Board, LocalBoard
from imaxproxy.proxy.doors import open_doors
from imaxproxy.proxy.fleet import Fleet
from imaxproxy.proxy.front import bind
from imaxproxy.proxy.proxy import Proxy, Sink
from imaxproxy.proxy.seat import Seat
from imaxproxy.proxy.supervisor import Ended, Supervisor, usable_cpus
from imaxproxy.proxy.worker import WorkerBoard, obey

__all__ = [
    "Board",
    "Ended",
    "Fleet",
    "LocalBoard",
    "Proxy",
    "Seat",
    "Sink",
    "Supervisor",
    "WorkerBoard",
    "bind",
    "obey",
    "open_doors",
    "usable_cpus",
]
