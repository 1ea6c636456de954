"""The key that a request carries, kept out of what is written down about it."""

import re
from dataclasses import replace

from imaxproxy.metrics import Exchange

_KEY = re.compile(
    rb"^(?:authorization:[ \t]*(?:bearer|basic)?|(?:x-)?api-key:)[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE
)


def keyless(exchange: Exchange, request: bytes) -> Exchange:
    """The exchange, its detail without the request's own keys: engines repeat them in their error messages."""
    detail = exchange.detail
    if detail is None:
        return exchange
    for key in _KEY.findall(request[: request.find(b"\r\n\r\n")]):
        detail = detail.replace(key.decode(errors="replace"), "***")
    return replace(exchange, detail=detail)
