"""The simulated engine's OpenAI server. aiohttp reads requests; streamed events go straight to the client's socket."""

import asyncio
import itertools
import time
from asyncio import WriteTransport
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import HttpVersion11, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.sim.engine import Engine
from imaxproxy.sim.faults import HEADER as FAULT_HEADER
from imaxproxy.sim.faults import Fault, parse_fault
from imaxproxy.sim.kv import block_hashes
from imaxproxy.sim.reply import EventText, ReplyShape, StreamedReply, whole_reply
from imaxproxy.sim.request import BadRequest, CompletionRequest, Limits, parse_request
from imaxproxy.sim.scheduler import Stream
from imaxproxy.sim.truth import TruthLog, TruthRecord

MOST_BODY_BYTES = 64 << 20
_HEADERS = {"x-imaxproxy-simulated": "1", "Server": "imaxproxy-sim"}
_FLUSH_EVERY_S = 0.1
_LONGEST_ID = 200


class StampedConnection(web.RequestHandler):
    """aiohttp's connection, which notes when the first byte of a request came."""

    first_byte_ns = 0

    def data_received(self, data: bytes) -> None:
        """Stamp, then parse."""
        if not self.first_byte_ns:
            self.first_byte_ns = monotonic_ns()
        super().data_received(data)

    def take_first_byte_ns(self) -> int:
        """When the request that was just read began; what comes next begins another."""
        first_byte_ns, self.first_byte_ns = self.first_byte_ns, 0
        return first_byte_ns

    def forget_before(self, time_ns: int) -> None:
        """A request that came before `time_ns` is answered: its stamp is not the next one's."""
        if self.first_byte_ns < time_ns:
            self.first_byte_ns = 0


class StampingServer(web.Server):
    """aiohttp's low-level server with stamped connections and room for long prompts."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler, request_factory=_make_request, handler_cancellation=True, access_log=None)

    def __call__(self) -> StampedConnection:
        """A connection for the loop's `create_server`."""
        return StampedConnection(self, loop=self._loop, **self._kwargs)


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: Any,  # noqa: ANN401 (aiohttp names this type in a private module only)
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MOST_BODY_BYTES)


@dataclass(slots=True)
class Call:
    """One completion request on its way through the server."""

    http: web.BaseRequest
    request: CompletionRequest
    request_id: str
    reply_id: str
    created: int
    fault: Fault | None
    record: TruthRecord
    stream: Stream


class SimServer:
    """Answers OpenAI requests from an engine."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        shape: ReplyShape,
        described: dict[str, Any],
        *,
        truth: TruthLog | None = None,
        prefix_block_tokens: int = 0,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._shape = shape
        self._described = described
        self._truth = truth
        self._prefix_block_tokens = prefix_block_tokens
        self._clock_ns = clock_ns
        self._started = int(time.time())
        self._numbers = itertools.count(1)
        self._routes: dict[str, tuple[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]]] = {
            "/v1/chat/completions": ("POST", lambda http: self._complete(http, is_chat=True)),
            "/v1/completions": ("POST", lambda http: self._complete(http, is_chat=False)),
            "/v1/models": ("GET", self._models),
            "/health": ("GET", self._health),
            "/ready": ("GET", self._health),
            "/imax/engine": ("GET", self._engine_facts),
        }

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        method, answer = self._routes.get(http.path, ("", None))
        if answer is None:
            return _json(404, b'{"detail":"Not Found"}')
        if http.method != method:
            return _json(405, b'{"detail":"Method Not Allowed"}', {"Allow": method})
        started_ns = monotonic_ns()
        try:
            return await answer(http)
        except BadRequest as error:
            return _json(error.status, error.as_json())
        finally:
            _connection(http).forget_before(started_ns)

    async def keep_truth_flushed(self) -> None:
        """Write the truth log through whenever the engine has nothing to do. Runs until cancelled."""
        while self._truth is not None:
            await asyncio.sleep(_FLUSH_EVERY_S)
            if self._engine.is_idle:
                self._truth.flush()

    async def _complete(self, http: web.BaseRequest, is_chat: bool) -> web.StreamResponse:
        call = await self._read(http, is_chat)
        try:
            if call.fault and call.fault.name == "http_500":
                raise BadRequest("simulated failure", status=500, kind="InternalServerError")
            return await (self._stream(call) if call.request.stream else self._whole(call))
        finally:  # also when the reader left, which cancels this task
            self._engine.cancel(call.stream)
            self._log(call)

    async def _read(self, http: web.BaseRequest, is_chat: bool) -> Call:
        if http.content_type != "application/json":
            raise BadRequest(
                "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed", kind="Bad Request"
            )
        body = await _body(http)
        request = parse_request(body, is_chat, self._limits)
        fault = parse_fault(http.headers.get(FAULT_HEADER), request.stream)
        request_id = _printable(http.headers.get("X-Request-Id", "")) or f"sim-{next(self._numbers):012x}"
        return Call(
            http=http,
            request=request,
            request_id=request_id,
            reply_id=f"{'chatcmpl' if is_chat else 'cmpl'}-{request_id}",
            created=int(time.time()),
            fault=fault,
            record=self._open_record(http, request, request_id, fault),
            stream=self._open_stream(request),
        )

    def _open_record(
        self, http: web.BaseRequest, request: CompletionRequest, request_id: str, fault: Fault | None
    ) -> TruthRecord:
        return TruthRecord(
            request_id=request_id,
            path=http.path,
            stream=request.stream,
            fault=fault.name if fault else None,
            t_first_byte_in_ns=_connection(http).take_first_byte_ns(),
            t_parsed_ns=self._clock_ns(),
            t_admitted_ns=None,
            t_first_sched_ns=None,
            isl=request.prompt_tokens,
            osl=request.output_tokens,
        )

    def _open_stream(self, request: CompletionRequest) -> Stream:
        names = block_hashes(request.prompt, self._prefix_block_tokens) if self._prefix_block_tokens else []
        return Stream(request.prompt_tokens, request.output_tokens, block_names=names)

    def _submit(self, call: Call) -> None:
        facts = call.record.facts
        call.stream.on_scheduled = lambda start_ns: facts.__setitem__("t_first_sched_ns", start_ns)
        self._engine.submit(
            call.stream, facts["t_parsed_ns"], lambda due_ns: facts.__setitem__("t_admitted_ns", due_ns)
        )

    async def _stream(self, call: Call) -> web.StreamResponse:
        if call.http.version < HttpVersion11:
            raise BadRequest("a streamed answer needs HTTP/1.1", status=505)
        response = web.StreamResponse(headers={**_HEADERS, "X-Request-Id": call.request_id})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        response.enable_chunked_encoding()
        await response.prepare(call.http)
        transport = call.http.transport
        if transport is None:  # the client left meanwhile
            return response
        transport.set_write_buffer_limits(high=0)  # uvloop then sends within write(), so that written_ns is the truth
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        reply = self._reply(call, transport, lambda: _end(ended))
        call.stream.on_token = reply.token
        if call.fault and call.fault.is_in_mid_stream:
            call.stream.on_token = call.fault.on_token(reply, transport, lambda: self._engine.cancel(call.stream))
        self._submit(call)
        await ended
        await response.write_eof()
        return response

    def _reply(self, call: Call, transport: WriteTransport, on_end: Callable[[], None]) -> StreamedReply:
        return StreamedReply(
            call.request,
            EventText(call.request, call.reply_id, call.created, self._limits.model, self._shape.reasoning_field),
            self._shape,
            transport.write,
            call.record,
            on_end,
            cached_tokens=lambda: call.stream.cached_tokens,
            says_done=not (call.fault and call.fault.name == "no_done"),
            clock_ns=self._clock_ns,
        )

    async def _whole(self, call: Call) -> web.StreamResponse:
        last_planned: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        call.stream.on_token = _at_last(call.request.output_tokens, last_planned)
        self._submit(call)
        planned_ns = await last_planned
        request = call.request
        body = whole_reply(
            request, call.reply_id, call.created, self._limits.model, self._shape, call.stream.cached_tokens
        )
        response = _json(200, body, {"X-Request-Id": call.request_id})
        await response.prepare(call.http)
        write_ns = self._clock_ns()
        await response.write_eof()
        call.record.events.extend((planned_ns, write_ns, self._clock_ns(), request.output_tokens))
        return response

    def _log(self, call: Call) -> None:
        end = "fault" if call.fault else "aborted"
        if call.stream.is_done:
            end = call.request.finish_reason
        call.record.facts |= {"cached": call.stream.cached_tokens, "preemptions": call.stream.preemptions, "end": end}
        if self._truth is not None:
            self._truth.add(call.record)

    async def _health(self, _http: web.BaseRequest) -> web.StreamResponse:
        return web.Response(headers=_HEADERS)

    async def _models(self, _http: web.BaseRequest) -> web.StreamResponse:
        model = {
            "id": self._limits.model,
            "object": "model",
            "created": self._started,
            "owned_by": "imaxproxy-sim",
            "root": self._limits.model,
            "parent": None,
            "max_model_len": self._limits.context_tokens,
        }
        return _json(200, orjson.dumps({"object": "list", "data": [model]}))

    async def _engine_facts(self, _http: web.BaseRequest) -> web.StreamResponse:
        return _json(200, orjson.dumps({**self._described, "state": self._engine.state()}))


def _connection(http: web.BaseRequest) -> StampedConnection:
    connection = http.protocol
    assert isinstance(connection, StampedConnection)  # StampingServer makes no others
    return connection


def _printable(text: str) -> str:
    """A client's own id as far as it can stand in a header and in JSON."""
    return "".join(letter for letter in text[:_LONGEST_ID] if letter.isascii() and letter.isprintable())


def _end(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)


def _at_last(tokens: int, last_planned: "asyncio.Future[int]") -> Callable[[int], None]:
    """An `on_token` that keeps the time of the last token only."""
    left = itertools.count(tokens - 1, -1)

    def token(planned_ns: int) -> None:
        if next(left) == 0 and not last_planned.done():
            last_planned.set_result(planned_ns)

    return token


async def _body(http: web.BaseRequest) -> bytes:
    try:
        return await http.read()
    except web.HTTPRequestEntityTooLarge:
        raise BadRequest(f"a request body has at most {MOST_BODY_BYTES} bytes", status=413) from None


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=body, content_type="application/json", headers={**_HEADERS, **(headers or {})}
    )
