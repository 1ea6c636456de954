"""The simulated engine's OpenAI server. aiohttp reads requests; streamed events go straight to the client's socket."""

import asyncio
import itertools
import time
from asyncio import WriteTransport
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import HttpVersion11, web

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.errors import UsageError
from imaxproxy.sim.call import Call, at_last
from imaxproxy.sim.cluster import Cluster
from imaxproxy.sim.connection import MOST_BODY_BYTES, connection_of
from imaxproxy.sim.faults import HEADER as FAULT_HEADER
from imaxproxy.sim.faults import Fault, FaultPlan, parse_fault
from imaxproxy.sim.kv import block_hashes
from imaxproxy.sim.outage import Outage
from imaxproxy.sim.pages import Pages, json_answer, simulated_headers
from imaxproxy.sim.reply import Closing, ReplyShape, StreamedReply
from imaxproxy.sim.request import Api, BadRequest, CompletionRequest, Limits, parse_request, stop_early
from imaxproxy.sim.scheduler import Stream
from imaxproxy.sim.strikes import Striker
from imaxproxy.sim.truth import TruthLog, TruthRecord
from imaxproxy.sim.whole_reply import whole_reply

_FLUSH_EVERY_S = 0.1
_LONGEST_ID = 200
_REPLY_IDS: dict[Api, str] = {"chat": "chatcmpl-", "completions": "cmpl-", "responses": "resp_"}
_PATHS: dict[str, Api] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/responses": "responses",
}

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class SimServer:
    """Answers OpenAI requests from a cluster of engines."""

    def __init__(
        self,
        cluster: Cluster,
        limits: Limits,
        shape: ReplyShape,
        pages: Pages,
        faults: FaultPlan,
        *,
        truth: TruthLog | None = None,
        prefix_block_tokens: int = 0,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self._cluster, self._limits, self._shape = cluster, limits, shape
        self._pages, self._faults = pages, faults
        self.outage: Outage | None = None
        """Closes the port on command; set by who listens."""
        self._truth = truth
        self._prefix_block_tokens = prefix_block_tokens
        self._clock_ns = clock_ns
        self._numbers = itertools.count(1)

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        started_ns = monotonic_ns()
        try:
            return await self._answer(http)
        except BadRequest as error:
            return json_answer(error.status, error.as_json(), error.headers)
        finally:
            connection_of(http).forget_before(started_ns)

    async def keep_truth_flushed(self) -> None:
        """Write the truth log through whenever the engines have nothing to do. Runs until cancelled."""
        while self._truth is not None:
            await asyncio.sleep(_FLUSH_EVERY_S)
            if self._cluster.is_idle:
                self._truth.flush()

    async def _answer(self, http: web.BaseRequest) -> web.StreamResponse:
        api = _PATHS.get(http.path)
        if api is None:
            return await self._pages.answer(http)
        if http.method != "POST":
            return json_answer(405, b'{"detail":"Method Not Allowed"}', {"Allow": "POST"})
        self._pages.check_ready()
        return await self._complete(http, api)

    async def _complete(self, http: web.BaseRequest, api: Api) -> web.StreamResponse:
        call = await self._read(http, api)
        try:
            await self._begin_fault(call)
            return await (self._stream(call) if call.request.stream else self._whole(call))
        finally:  # also when the reader left, which cancels this task
            for stream in call.streams:
                self._cluster.cancel(stream)
            self._log(call)

    async def _read(self, http: web.BaseRequest, api: Api) -> Call:
        if http.content_type != "application/json":
            raise BadRequest(
                "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed", kind="Bad Request"
            )
        request = self._shape.stopped_early(parse_request(await _body(http), api, self._limits))
        request = stop_early(request, self._shape.reasoning_tokens(request))
        fault = self._fault_of(http, request.stream)
        request_id = _printable(http.headers.get("X-Request-Id", "")) or f"sim-{next(self._numbers):012x}"
        first_byte_ns = connection_of(http).take_first_byte_ns()
        choices = range(request.choices)
        return Call(
            http=http,
            request=request,
            request_id=request_id,
            reply_id=_REPLY_IDS[api] + request_id,
            created=int(time.time()),
            fault=fault,
            records=[self._open_record(http, request, request_id, fault, first_byte_ns, choice) for choice in choices],
            streams=self._open_streams(request),
        )

    def _fault_of(self, http: web.BaseRequest, streamed: bool) -> Fault | None:
        """By the header, or drawn from what is armed. Raises BadRequest for a header that cannot be."""
        drawn = self._faults.strike(self._clock_ns())
        header = http.headers.get(FAULT_HEADER)
        if header is None:
            return drawn if drawn is None or streamed or drawn.kind.whole or drawn.kind.engine else None
        try:
            fault = parse_fault(header)
        except UsageError as error:
            raise BadRequest(str(error), param=FAULT_HEADER) from None
        if not (streamed or fault.kind.whole or fault.kind.engine):
            raise BadRequest(f"fault {fault.name} needs a streamed answer", param=FAULT_HEADER)
        return fault

    async def _begin_fault(self, call: Call) -> None:
        """What strikes before an answer begins, or the whole engine. Raises BadRequest for a refusal."""
        fault = call.fault
        if fault is None:
            return
        if fault.name.startswith("http_"):
            raise _refusal(fault)
        if fault.name == "slow_start":
            await asyncio.sleep(fault.wait_s)
        for engine in self._cluster.engines:
            if fault.name == "one_slow_rank":
                engine.slow_down(fault.value, fault.wait_s)
            elif fault.name == "kv_thrash":
                engine.thrash(fault.wait_s)
        if self.outage is not None and fault.name in ("connection_refused", "engine_crash"):
            self.outage.begin(fault.wait_s, crash=fault.name == "engine_crash")

    def _open_record(
        self,
        http: web.BaseRequest,
        request: CompletionRequest,
        request_id: str,
        fault: Fault | None,
        first_byte_ns: int,
        choice: int,
    ) -> TruthRecord:
        return TruthRecord(
            request_id=request_id,
            path=http.path,
            stream=request.stream,
            fault=fault.name if fault else None,
            t_first_byte_in_ns=first_byte_ns,
            t_parsed_ns=self._clock_ns(),
            t_admitted_ns=None,
            t_first_sched_ns=None,
            isl=request.prompt_tokens,
            osl=request.output_tokens,
            reasoning=self._shape.reasoning_tokens(request),
            **({"choice": choice} if request.choices > 1 else {}),
        )

    def _open_streams(self, request: CompletionRequest) -> list[Stream]:
        names = block_hashes(request.prompt, self._prefix_block_tokens) if self._prefix_block_tokens else []
        return [Stream(request.prompt_tokens, request.output_tokens, block_names=names) for _ in range(request.choices)]

    def _submit(self, call: Call, stream: Stream, record: TruthRecord, on_scheduled: Callable[[], None]) -> None:
        def scheduled(start_ns: int) -> None:
            record.facts["t_first_sched_ns"] = start_ns
            on_scheduled()

        def admitted(due_ns: int) -> None:
            record.facts["t_admitted_ns"] = due_ns

        stream.on_scheduled = scheduled
        facts = record.facts  # our parsing is part of what the model says a request waits in an engine's own
        self._cluster.submit(stream, facts["t_first_byte_in_ns"] or facts["t_parsed_ns"], admitted)

    async def _stream(self, call: Call) -> web.StreamResponse:
        if call.http.version < HttpVersion11:
            raise BadRequest("a streamed answer needs HTTP/1.1", status=505)
        response = web.StreamResponse(headers={**simulated_headers(), "X-Request-Id": call.request_id})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        response.enable_chunked_encoding()
        await response.prepare(call.http)
        transport = call.http.transport
        if transport is None or transport.is_closing():  # the client left meanwhile, or a crash broke it
            return response
        transport.set_write_buffer_limits(high=0)  # uvloop then sends within write(), so that written_ns is the truth
        await asyncio.gather(*self._replies(call, transport))
        if not transport.is_closing():
            await response.write_eof()
        return response

    def _replies(self, call: Call, transport: WriteTransport) -> "list[asyncio.Future[None]]":
        """Begin the stream of each choice; what they return is done when all of it is written."""
        text = call.text(self._limits.model, self._shape)
        closing = Closing(call.request, text, self._shape)
        writer = connection_of(call.http).writer_to(transport)
        ends: list[asyncio.Future[None]] = []
        for choice, (stream, record) in enumerate(zip(call.streams, call.records, strict=True)):
            ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            striker = self._striker(call, stream, transport, ended)
            reply = StreamedReply(
                call.request,
                text,
                self._shape,
                striker.write if striker else writer.write,
                record,
                striker.on_end if striker else _Ender(ended),
                closing=closing,
                choice=choice,
                cached_tokens=lambda: call.cached_tokens,
                may_be_plain=striker is None,
                clock_ns=self._clock_ns,
            )
            if striker:
                striker.reply = reply
            stream.on_tokens = reply.token
            if self._shape.role == "admitted":
                reply.open()
            is_early = self._shape.role == "taken-up" or (
                call.fault is not None and call.fault.name == "role_only_first"
            )
            self._submit(call, stream, record, reply.open if is_early else _nothing)
            ends.append(ended)
        return ends

    def _striker(
        self, call: Call, stream: Stream, transport: WriteTransport, ended: "asyncio.Future[None]"
    ) -> Striker | None:
        if call.fault is None or call.fault.kind.engine:
            return None
        return Striker(
            call.fault, transport, lambda: self._cluster.cancel(stream), finish=_Ender(ended), clock_ns=self._clock_ns
        )

    async def _whole(self, call: Call) -> web.StreamResponse:
        loop, request = asyncio.get_running_loop(), call.request
        lasts: list[asyncio.Future[int]] = [loop.create_future() for _ in call.streams]
        for stream, record, last in zip(call.streams, call.records, lasts, strict=True):
            stream.on_tokens = at_last(request.output_tokens, last)
            self._submit(call, stream, record, _nothing)
        planned = await asyncio.gather(*lasts)
        body = whole_reply(request, call.reply_id, call.created, self._limits.model, self._shape, call.cached_tokens)
        response = json_answer(200, orjson.dumps(_spoiled(body, call.fault)), {"X-Request-Id": call.request_id})
        await response.prepare(call.http)
        write_ns = self._clock_ns()
        await response.write_eof()
        for record, planned_ns in zip(call.records, planned, strict=True):
            record.events.extend((planned_ns, write_ns, self._clock_ns(), request.output_tokens))
        return response

    def _log(self, call: Call) -> None:
        call.note_end()
        for record in call.records:
            self._pages.stats.add(record, call.cached_tokens)
            if self._truth is not None:
                self._truth.add(record)


class _Ender:
    """Ends a stream's future once."""

    def __init__(self, ended: "asyncio.Future[None]") -> None:
        self._ended = ended

    def __call__(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def _nothing() -> None:
    """Nobody wants to know."""


def _refusal(fault: Fault) -> BadRequest:
    status = int(fault.name.removeprefix("http_"))
    kinds = {429: "RateLimitError", 500: "InternalServerError", 503: "ServiceUnavailableError"}
    headers = {"Retry-After": f"{fault.options['retry_after']:g}"} if "retry_after" in fault.options else {}
    return BadRequest("simulated failure", status=status, kind=kinds[status], headers=headers)


def _spoiled(body: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
    """A whole answer with the faults that it can have."""
    usage = body.get("usage")
    if fault is not None and fault.name == "wrong_usage" and usage:
        name = "completion_tokens" if "completion_tokens" in usage else "output_tokens"
        usage[name] += int(fault.value)
    if fault is not None and fault.name == "zero_tokens":
        body["choices" if "choices" in body else "output"] = []
    return body


def _printable(text: str) -> str:
    """A client's own id as far as it can stand in a header and in JSON."""
    return "".join(letter for letter in text[:_LONGEST_ID] if letter.isascii() and letter.isprintable())


async def _body(http: web.BaseRequest) -> bytes:
    try:
        return await http.read()
    except web.HTTPRequestEntityTooLarge:
        raise BadRequest(f"a request body has at most {MOST_BODY_BYTES} bytes", status=413) from None
