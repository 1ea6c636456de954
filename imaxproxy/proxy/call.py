"""One client's request under way: what came, and for whom the answer is."""

import asyncio
import re
import uuid
from dataclasses import dataclass

from aiohttp import web

from imaxproxy.metrics import Ask
from imaxproxy.proxy.front import ClientSide
from imaxproxy.proxy.labels import TAG_HEADER, tags_of
from imaxproxy.wire import DIALECTS

_REQUEST_ID = re.compile(r"[ -~]{1,500}")
"""Others are replaced by one of ours: they would stand in journals and logs."""


@dataclass(slots=True)
class Call:
    """From the head's arrival to the Exchange. The body is empty until it was read."""

    request: web.BaseRequest
    client: ClientSide
    transport: asyncio.Transport
    ask: Ask
    body: bytes = b""

    @classmethod
    def of(cls, request: web.BaseRequest, started_ns: int) -> "Call | None":
        """None when the client left before its request was looked at."""
        client, transport = request.protocol, request.transport
        assert isinstance(client, ClientSide)
        return None if transport is None else cls(request, client, transport, _asked(request, started_ns))


def _asked(request: web.BaseRequest, started_ns: int) -> Ask:
    """The request's side as far as it is known when its head has come."""
    path, request_id = request.path, request.headers.get("x-request-id", "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    return Ask(
        request_id,
        path,
        started_ns,
        dialect=DIALECTS[path].name if path in DIALECTS else None,
        client_retry=_retries(request.headers.get("x-stainless-retry-count", "")),
        tags=tags_of(request.headers.getall(TAG_HEADER, ())),
    )


def _retries(said: str) -> int | None:
    """What the OpenAI and Anthropic SDKs say of how often they had sent this request before."""
    return int(said) if said.isascii() and said.isdigit() and len(said) < 4 else None
