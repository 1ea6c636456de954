"""One client's request under way: what came, and for whom the answer is."""

import asyncio
from dataclasses import dataclass

import orjson
from aiohttp import web

from imaxproxy.metrics import Ask, Flow, Who
from imaxproxy.proxy.allowance import Account
from imaxproxy.proxy.front import ClientSide
from imaxproxy.proxy.json_edit import find_member
from imaxproxy.proxy.labels import TAG_HEADER, tags_of
from imaxproxy.proxy.marks import Marks
from imaxproxy.proxy.shown_keys import holds_key
from imaxproxy.wire import DIALECTS, shown

_RETRIES_DIGITS = 4
_MOST_QUOTES = 2_000
_LONGEST_MODEL = 200


@dataclass(slots=True, eq=False)
class Call:
    """From the head's arrival to the Exchange. The body is empty until it was read."""

    request: web.BaseRequest
    client: ClientSide
    transport: asyncio.Transport
    ask: Ask
    marks: Marks
    body: bytes = b""
    credential: bytes | None = None
    """The header line with the key that the engine was shown instead of the client's."""
    upstream: str | None = None
    """The name of the engine that it was put to."""

    @classmethod
    def of(cls, request: web.BaseRequest, started_ns: int, account: Account) -> "Call | None":
        """None when the client left before its request was looked at."""
        client, transport = request.protocol, request.transport
        assert isinstance(client, ClientSide)
        if transport is None:
            return None
        marks = Marks.of(request.headers)
        return cls(request, client, transport, _asked(request, started_ns, marks, account), marks)

    def who(self) -> Who:
        """For whoever looks at what is in flight."""
        ask = self.ask
        return Who(ask.request_id, ask.started_ns, self.upstream, ask.client, ask.tags, _model_asked(self.body))

    def flow(self) -> Flow | None:
        """As `EngineConnection.flow`."""
        engine = self.client.engine
        return None if engine is None else engine.flow()


def _asked(request: web.BaseRequest, started_ns: int, marks: Marks, account: Account) -> Ask:
    """The request's side as far as it is known when its head has come."""
    path = request.path
    return Ask(
        marks.request_id,
        shown(path),
        started_ns,
        dialect=DIALECTS[path].name if path in DIALECTS else None,
        client=account.name,
        client_retry=_retries(request.headers.get("x-stainless-retry-count", "")),
        trace_id=marks.trace_id,
        tags=tags_of(request.headers.getall(TAG_HEADER, ()), lambda text: holds_key(text, request.headers)),
    )


def _retries(said: str) -> int | None:
    """What the OpenAI and Anthropic SDKs say of how often they had sent this request before."""
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= _RETRIES_DIGITS else None


def _model_asked(body: bytes) -> str | None:
    """The model that a body names, where that is found in well under a millisecond: viewers may do without."""
    span = find_member(body, "model") if body.count(b'"') <= _MOST_QUOTES else None
    if span is None:
        return None
    try:
        model = orjson.loads(body[slice(*span)])
    except orjson.JSONDecodeError:
        return None
    return model if isinstance(model, str) and len(model) <= _LONGEST_MODEL else None
