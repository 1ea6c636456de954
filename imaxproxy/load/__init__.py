"""The load: which request leaves when, and the player that sends it."""

from imaxproxy.load.cancel import Cancel, cancel_of
from imaxproxy.load.feeding import Feeder, Turn
from imaxproxy.load.idle import IdleCap
from imaxproxy.load.item import FrameReader, Item
from imaxproxy.load.lanes import LanePlan
from imaxproxy.load.maker import Asking, ItemMaker
from imaxproxy.load.placement import Placement
from imaxproxy.load.player import Player
from imaxproxy.load.rules import Ended, Rules
from imaxproxy.load.schedule import Scheduled, by_arrivals, by_session_starts, by_trace, closed_loop

__all__ = [
    "Asking",
    "Cancel",
    "Ended",
    "Feeder",
    "FrameReader",
    "IdleCap",
    "Item",
    "ItemMaker",
    "LanePlan",
    "Placement",
    "Player",
    "Rules",
    "Scheduled",
    "Turn",
    "by_arrivals",
    "by_session_starts",
    "by_trace",
    "cancel_of",
    "closed_loop",
]
