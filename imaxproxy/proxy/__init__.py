"""The measuring proxy."""

from imaxproxy.proxy.fleet import Fleet
from imaxproxy.proxy.front import bind
from imaxproxy.proxy.proxy import Proxy, Sink

__all__ = ["Fleet", "Proxy", "Sink", "bind"]
