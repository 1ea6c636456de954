"""Answers that the proxy makes itself."""

from typing import Any

import orjson
from aiohttp import web

from imaxproxy.errors import WireError
from imaxproxy.proxy.refused import STATUS, Refused

_ANTHROPIC_PATH = "/v1/messages"
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    413: "request_too_large",
    429: "rate_limit_error",
    502: "api_error",
}
"""By status; others are `invalid_request_error`."""


def json_page(status: int, value: dict[str, Any]) -> web.Response:
    headers = {"Server": "imaxproxy"}  # aiohttp would tell its version, and Python's
    return web.Response(status=status, body=orjson.dumps(value), headers=headers, content_type="application/json")


def error_page(error: WireError, path: str = "") -> web.Response:
    """An error of ours, in the form that the API of this path has for it.

    The SDK must not retry it: hidden retries would double the load. A client that asked too much may, after a while
    that it is told: no engine has heard of it yet.
    """
    status = STATUS.get(error.kind, 502)
    page = json_page(status, _anthropic(status, error) if path.startswith(_ANTHROPIC_PATH) else _openai(status, error))
    if isinstance(error, Refused) and error.retry_after_s is not None:
        page.headers["Retry-After"] = str(error.retry_after_s)
    else:
        page.headers["x-should-retry"] = "false"
    if status == 401:
        page.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Refused) and error.close:
        page.force_close()
    return page


def _openai(status: int, error: WireError) -> dict[str, Any]:
    blame = {429: "rate_limit_error", 502: "imaxproxy_upstream_error"}.get(status, "invalid_request_error")
    code = "invalid_api_key" if status == 401 else error.kind
    return {"error": {"message": str(error), "type": blame, "param": None, "code": code}}


def _anthropic(status: int, error: WireError) -> dict[str, Any]:
    blame = _ANTHROPIC_TYPES.get(status, "invalid_request_error")
    return {"type": "error", "error": {"type": blame, "message": str(error)}}
