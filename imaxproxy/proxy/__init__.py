"""The measuring proxy."""

from imaxproxy.proxy.proxy import Proxy, Sink

__all__ = ["Proxy", "Sink"]
