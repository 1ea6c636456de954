"""What makes the live snapshot (`imaxproxy.live/1`) of a proxy and of a player; docs/live.md lists its fields.

`proxy_page` is not behind this door: it would bring the proxy into every replay.
"""

from imaxproxy.live.feed.beside import Beside
from imaxproxy.live.feed.crew_view import HERE, CrewView, Lookable, View
from imaxproxy.live.feed.maker import Facts, SnapshotMaker
from imaxproxy.live.feed.nodes import Look, NodeSeen, NodesSeen
from imaxproxy.live.feed.player_feed import PlayerFeed

__all__ = [
    "HERE",
    "Beside",
    "CrewView",
    "Facts",
    "Look",
    "Lookable",
    "NodeSeen",
    "NodesSeen",
    "PlayerFeed",
    "SnapshotMaker",
    "View",
]
