"""The measuring proxy."""

from imaxproxy.proxy.admission import Admission
from imaxproxy.proxy.allowance import Allowance, Rate
from imaxproxy.proxy.ask_usage import AskUsage
from imaxproxy.proxy.board import Board, LocalBoard
from imaxproxy.proxy.credentials import Credentials, key_in_environment, key_in_file
from imaxproxy.proxy.doors import open_doors
from imaxproxy.proxy.fleet import Fleet
from imaxproxy.proxy.front import bind
from imaxproxy.proxy.keys import KeyRing, read_keys
from imaxproxy.proxy.limits import Limits, connections_that_fit
from imaxproxy.proxy.proxy import Proxy, Sink
from imaxproxy.proxy.seat import Seat
from imaxproxy.proxy.supervisor import Ended, Supervisor, usable_cpus
from imaxproxy.proxy.tls import Certificate
from imaxproxy.proxy.worker import WorkerBoard, obey

__all__ = [
    "Admission",
    "Allowance",
    "AskUsage",
    "Board",
    "Certificate",
    "Credentials",
    "Ended",
    "Fleet",
    "KeyRing",
    "Limits",
    "LocalBoard",
    "Proxy",
    "Rate",
    "Seat",
    "Sink",
    "Supervisor",
    "WorkerBoard",
    "bind",
    "connections_that_fit",
    "key_in_environment",
    "key_in_file",
    "obey",
    "open_doors",
    "read_keys",
    "usable_cpus",
]
