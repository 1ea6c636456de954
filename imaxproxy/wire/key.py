"""Keys, kept out of what is written down: those that a request carries, and whatever else looks like one."""

import re
from collections.abc import Iterable
from dataclasses import replace

from imaxproxy.metrics import Exchange

SECRET_HEADERS = frozenset(
    {b"authorization", b"proxy-authorization", b"x-api-key", b"api-key", b"cookie", b"set-cookie"}
)
"""Lower-case names of headers whose value nobody writes down."""
HIDDEN = "***"

_CARRIED = re.compile(
    rb"^(?:(?:proxy-)?authorization:[ \t]*(?:bearer|basic)?|(?:x-)?api-key:)[ \t]*(\S+)",
    re.IGNORECASE | re.MULTILINE,
)
_USERINFO = re.compile(r"(?<=://)\S*@")  # also a password with a slash in it, which is no URL any more
_PARAMETER = re.compile(
    r"((?:^|[?&;])(?:[a-z_-]*(?:key|token|secret|password)|sig|signature)=)([^&;#\s]+)", re.IGNORECASE
)
_TOLD = re.compile(
    r"\b(?:sk|pk|rk|hf|gsk|xai|nvapi|ghp|AIza)[-_]?[\w-]{8,}"  # as providers issue them
    r"|(?<=bearer )[\w.~+/=-]{8,}"
    r"|(?<=key\": \")[^\"]+|(?<=key\":\")[^\"]+",  # {"api_key": "..."}
    re.IGNORECASE,
)


def shown(url: str) -> str:
    """A URL, or a part of one, as it may be written down: without user and password, without keys in its query."""
    if "=" in url:
        url = _PARAMETER.sub(rf"\1{HIDDEN}", url)
    return _USERINFO.sub(f"{HIDDEN}@", url) if "@" in url else url


def keyless(exchange: Exchange, request: bytes) -> Exchange:
    """The exchange, its detail without keys: engines repeat in their error messages what they were sent."""
    detail = exchange.detail
    if detail is None:
        return exchange
    head = request[: request.find(b"\r\n\r\n")]
    target = head.partition(b"\r\n")[0].decode(errors="replace")
    carried = [key.decode(errors="replace") for key in _CARRIED.findall(head)]
    return replace(exchange, detail=hidden(detail, carried + [value for _, value in _PARAMETER.findall(target)]))


def hidden(text: str, keys: Iterable[str] = ()) -> str:
    """What somebody said, without these keys and without whatever else looks like one."""
    for key in keys:
        text = text.replace(key, HIDDEN)
    return shown(_TOLD.sub(HIDDEN, text))
