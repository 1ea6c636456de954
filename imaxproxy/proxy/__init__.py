"""The measuring proxy."""

from imaxproxy.proxy.ask_usage import AskUsage
from imaxproxy.proxy.fleet import Fleet
from imaxproxy.proxy.front import bind
from imaxproxy.proxy.proxy import Proxy, Sink

__all__ = ["AskUsage", "Fleet", "Proxy", "Sink", "bind"]
