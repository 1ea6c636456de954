"""Answers that the proxy makes itself."""

from typing import Any

import orjson
from aiohttp import web

from imaxproxy.errors import WireError
from imaxproxy.proxy.request_body import REFUSED


def json_page(status: int, value: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def error_page(error: WireError) -> web.Response:
    """An error of ours, in OpenAI's form. The SDK must not retry it: hidden retries would double the load."""
    status = REFUSED.get(error.kind, 504 if error.kind.startswith("timeout_") else 502)
    blame = "imaxproxy_upstream_error" if status >= 500 else "invalid_request_error"
    message = {"error": {"message": str(error), "type": blame, "param": None, "code": error.kind}}
    page = json_page(status, message)
    page.headers["x-should-retry"] = "false"
    return page
