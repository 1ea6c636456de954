"""The measuring proxy."""

from imaxproxy.proxy.admission import Admission
from imaxproxy.proxy.allowance import Allowance, Rate, Standing
from imaxproxy.proxy.ask_usage import AskUsage
from imaxproxy.proxy.board import Board, LivePage, LocalBoard
from imaxproxy.proxy.capture import Capture, CaptureSettings
from imaxproxy.proxy.captured import RunClock
from imaxproxy.proxy.credentials import Credentials, key_in_environment, key_in_file
from imaxproxy.proxy.doors import open_doors
from imaxproxy.proxy.fleet import Fleet, FleetRules
from imaxproxy.proxy.front import bind
from imaxproxy.proxy.gather import Gathered, gather
from imaxproxy.proxy.keys import KeyRing, read_keys
from imaxproxy.proxy.ledger import Ledger
from imaxproxy.proxy.limits import Limits, connections_that_fit
from imaxproxy.proxy.model_map import ModelMap
from imaxproxy.proxy.proxy import Proxy, Sink
from imaxproxy.proxy.routing import Routing
from imaxproxy.proxy.seat import Seat
from imaxproxy.proxy.site import Asset, Site
from imaxproxy.proxy.supervisor import Ended, Supervisor, usable_cpus
from imaxproxy.proxy.timeouts import Timeouts
from imaxproxy.proxy.tls import Certificate
from imaxproxy.proxy.upstream_health import HealthRules
from imaxproxy.proxy.worker import WorkerBoard, obey

__all__ = [
    "Admission",
    "Allowance",
    "AskUsage",
    "Asset",
    "Board",
    "Capture",
    "CaptureSettings",
    "Certificate",
    "Credentials",
    "Ended",
    "Fleet",
    "FleetRules",
    "Gathered",
    "HealthRules",
    "KeyRing",
    "Ledger",
    "Limits",
    "LivePage",
    "LocalBoard",
    "ModelMap",
    "Proxy",
    "Rate",
    "Routing",
    "RunClock",
    "Seat",
    "Sink",
    "Site",
    "Standing",
    "Supervisor",
    "Timeouts",
    "WorkerBoard",
    "bind",
    "connections_that_fit",
    "gather",
    "key_in_environment",
    "key_in_file",
    "obey",
    "open_doors",
    "read_keys",
    "usable_cpus",
]
