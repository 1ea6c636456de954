"""Keys taken out of what is captured: those of this request wherever they stand, and whatever is named as one."""

from typing import Any

from imaxproxy.proxy.call import Call
from imaxproxy.proxy.shown_keys import keys_of, long_words
from imaxproxy.wire import HIDDEN, SECRET_HEADERS

_NAMES = frozenset(
    {"authorization", "api_key", "api-key", "apikey", "x-api-key", "access_token", "client_secret", "password"}
)
"""Members of a body; tools of the Responses API bring the keys of their servers with them."""


def secrets_of(call: Call) -> list[str]:
    """The client's keys and cookies, and the key that the engine was shown instead."""
    shown = keys_of(call.request.headers)
    return long_words([*shown, call.credential.decode()]) if call.credential else shown


def redacted(value: Any, secrets: list[str]) -> Any:  # noqa: ANN401 (any JSON)
    """A copy of it without keys."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, dict):
        return {
            redacted(name, secrets): HIDDEN if name.lower() in _NAMES and each else redacted(each, secrets)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [redacted(each, secrets) for each in value]
    return value


def shown_headers(call: Call) -> dict[str, str]:
    """The client's, as they may be written down; of a name that comes twice the last."""
    return {
        str(name): HIDDEN if name.lower().encode() in SECRET_HEADERS else value  # aiohttp's names are no plain `str`
        for name, value in call.request.headers.items()
        if name.isascii() and value.isascii()
    }
