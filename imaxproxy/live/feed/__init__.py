"""What makes the live snapshot (`imaxproxy.live/1`) of a proxy and of a player; docs/live.md lists its fields."""

from imaxproxy.live.feed.proxy_page import ProxyPage

__all__ = ["ProxyPage"]
