"""The load: which request leaves when, and the player that sends it."""

from imaxproxy.load.item import FrameReader, Item
from imaxproxy.load.player import Ended, Player, Rules
from imaxproxy.load.schedule import ItemMaker, Scheduled, by_arrivals, by_trace, closed_loop

__all__ = [
    "Ended",
    "FrameReader",
    "Item",
    "ItemMaker",
    "Player",
    "Rules",
    "Scheduled",
    "by_arrivals",
    "by_trace",
    "closed_loop",
]
