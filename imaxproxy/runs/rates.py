"""Offered and achieved requests/s of an open loop."""

from imaxproxy.metrics import Exchange, per_second, seconds


class Rates:
    """Over the span of the schedule, and of the sends. Mergeable."""

    def __init__(self) -> None:
        self._scheduled = _Span()
        self._sent = _Span()

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.scheduled_ns is None:
            return
        self._scheduled.add(exchange.ask.scheduled_ns)
        if exchange.ask.sent_ns is not None:
            self._sent.add(exchange.ask.sent_ns)

    def merge(self, other: "Rates") -> None:
        self._scheduled.merge(other._scheduled)
        self._sent.merge(other._sent)

    def offered(self) -> float | None:
        return self._scheduled.rate_per_s()

    def achieved(self) -> float | None:
        return self._sent.rate_per_s()


class _Span:
    """How many moments, and the first and last of them."""

    def __init__(self) -> None:
        self._count, self._first_ns, self._last_ns = 0, 0, 0

    def add(self, at_ns: int) -> None:
        self._take(1, at_ns, at_ns)

    def merge(self, other: "_Span") -> None:
        if other._count:
            self._take(other._count, other._first_ns, other._last_ns)

    def rate_per_s(self) -> float | None:
        return per_second(self._count - 1, seconds(self._last_ns - self._first_ns)) if self._count > 1 else None

    def _take(self, count: int, first_ns: int, last_ns: int) -> None:
        self._first_ns = min(self._first_ns, first_ns) if self._count else first_ns
        self._last_ns = max(self._last_ns, last_ns) if self._count else last_ns
        self._count += count
