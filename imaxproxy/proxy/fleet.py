"""The engines behind the proxy, and which of them answers a call."""

from collections.abc import Sequence

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.proxy.call import Call
from imaxproxy.wire import BaseUrl, Pool


class Upstream:
    """One engine: where it is and its connections."""

    def __init__(self, url: BaseUrl, clock_ns: Clock = monotonic_ns) -> None:
        self.pool = Pool(url, clock_ns)

    def __repr__(self) -> str:
        return f"<Upstream {self.pool!r}>"

    @property
    def url(self) -> BaseUrl:
        return self.pool.url


class Fleet:
    """All engines; at least one."""

    def __init__(self, urls: Sequence[BaseUrl], clock_ns: Clock = monotonic_ns) -> None:
        self.upstreams = [Upstream(url, clock_ns) for url in urls]

    def __repr__(self) -> str:
        return f"<Fleet {self.upstreams}>"

    def choose(self, call: Call) -> Upstream:
        """The engine for this call."""
        return self.upstreams[0]

    def close(self) -> None:
        """Close every connection, busy ones too."""
        for upstream in self.upstreams:
            upstream.pool.close()
