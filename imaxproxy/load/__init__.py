"""The load: which request leaves when, and the player that sends it."""

from typing import TYPE_CHECKING

from imaxproxy.doors import opened_late
from imaxproxy.load.item import FrameReader, Item
from imaxproxy.load.player import Player
from imaxproxy.load.rules import Ended, Rules

if TYPE_CHECKING:
    from imaxproxy.load.cancel import Cancel, cancel_of
    from imaxproxy.load.feeding import Feeder, Turn
    from imaxproxy.load.idle import IdleCap
    from imaxproxy.load.lanes import LanePlan
    from imaxproxy.load.maker import Asking, ItemMaker
    from imaxproxy.load.placement import Placement
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

# What makes requests knows traces, and the process that sends them does not need it.
__getattr__ = opened_late(
    __name__,
    {
        "Asking": "maker",
        "Cancel": "cancel",
        "Feeder": "feeding",
        "IdleCap": "idle",
        "ItemMaker": "maker",
        "LanePlan": "lanes",
        "Placement": "placement",
        "Scheduled": "schedule",
        "Turn": "feeding",
        "by_arrivals": "schedule",
        "by_session_starts": "schedule",
        "by_trace": "schedule",
        "cancel_of": "cancel",
        "closed_loop": "schedule",
    },
)
