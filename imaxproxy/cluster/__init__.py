"""A Ray cluster that runs already: which nodes it has, actors on them, their clocks, files to and from them.

Knows nothing of loads and runs. Ray is imported when a command asks for it.
"""

from imaxproxy.cluster.asking import is_gone, reason_of
from imaxproxy.cluster.clocks import Drift, Offset, Trip, offset_of
from imaxproxy.cluster.connection import Cluster
from imaxproxy.cluster.files import FileFacts, NodeFiles, fetch, ship
from imaxproxy.cluster.nodes import Node, NodeFacts, check_versions
from imaxproxy.cluster.orphan import end_when_orphaned
from imaxproxy.cluster.reservation import Reservation, close_actors

__all__ = [
    "Cluster",
    "Drift",
    "FileFacts",
    "Node",
    "NodeFacts",
    "NodeFiles",
    "Offset",
    "Reservation",
    "Trip",
    "check_versions",
    "close_actors",
    "end_when_orphaned",
    "fetch",
    "is_gone",
    "offset_of",
    "reason_of",
    "ship",
]
