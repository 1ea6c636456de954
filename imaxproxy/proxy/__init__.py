"""The measuring proxy."""

from imaxproxy.proxy.front import bind
from imaxproxy.proxy.proxy import Proxy, Sink

__all__ = ["Proxy", "Sink", "bind"]
