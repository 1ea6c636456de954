"""What makes the live snapshot (`imaxproxy.live/1`) of a proxy and of a player; docs/live.md lists its fields.

`proxy_page` is not behind this door: it would bring the proxy into every replay.
"""

from imaxproxy.live.feed.beside import Beside
from imaxproxy.live.feed.maker import Facts, SnapshotMaker
from imaxproxy.live.feed.player_feed import Lookable, PlayerFeed

__all__ = ["Beside", "Facts", "Lookable", "PlayerFeed", "SnapshotMaker"]
