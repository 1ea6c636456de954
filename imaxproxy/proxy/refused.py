"""Requests that the proxy turns away itself, for no fault of an engine."""

from imaxproxy.errors import WireError

STATUS = {
    "bad_request": 400,
    "bad_body": 400,
    "no_key": 401,
    "method_refused": 405,
    "body_timeout": 408,
    "body_too_large": 413,
    "head_too_large": 431,
    "target_too_long": 414,
    "too_many_in_flight": 429,
    "rate_limited": 429,
}
"""The name under which it is counted, and the status that the client is told."""


class Refused(WireError):
    """The engine never heard of it. `retry_after_s`: when it is worth another try; None: never as it stands."""

    def __init__(self, kind: str, detail: str, *, retry_after_s: int | None = None, close: bool = False) -> None:
        super().__init__(kind, detail)
        self.retry_after_s = retry_after_s
        self.close = close
        """What else comes on this connection is not to be trusted, or not worth reading."""
