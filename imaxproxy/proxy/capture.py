"""Recording what was asked as trace rows (`imaxproxy.trace/1`) that a replay plays again.

`shape`: times, lengths, sessions and hashed blocks, no text. `full`: the body and the answer's text too, without keys.
A row is made after its exchange has ended, in slices between which the event loop goes on: nothing here is on an
event's way.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import Exchange
from imaxproxy.metrics.formulas import e2e_ns, ttfo_ns, ttft_ns
from imaxproxy.proxy.blocks import BLOCK_TOKENS, BlockHasher
from imaxproxy.proxy.call import Call
from imaxproxy.proxy.kept import Kept
from imaxproxy.proxy.lanes import Lanes
from imaxproxy.proxy.prompt_text import PromptText, prompt_text
from imaxproxy.traces import TraceRow, canonical_line
from imaxproxy.wire import DIALECTS, Forward, ResponseHead

OnHead = Callable[[ResponseHead], Forward | None]
RowSink = Callable[[bytes], None]
SLICE_BLOCKS = 32
"""So many blocks are hashed before the loop goes on: about 0.3 ms."""
MOST_WAITING_BYTES = 64 << 20
"""Of bodies whose rows are still to be made. Past that a row goes without its blocks, and is counted."""
MOST_BODY_BYTES = 8 << 20
"""A longer body is not read at all: parsing it would stop every stream for tens of milliseconds."""
_SECRETS = ("authorization", "x-api-key", "api-key", "cookie", "proxy-authorization")
_SESSION_HEADER = "x-session-id"
_ASKED = (
    "stream", "n", "max_tokens", "max_completion_tokens", "max_output_tokens", "min_tokens", "temperature", "top_p",
    "top_k", "seed", "frequency_penalty", "presence_penalty", "reasoning_effort", "parallel_tool_calls", "service_tier",
)  # fmt: skip
"""Members of a body that hold no text of the user's and say how the engine was to answer."""


class Mode(StrEnum):
    """What is recorded."""

    OFF = "off"
    SHAPE = "shape"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """The same for all workers of a run."""

    mode: Mode
    salt: bytes
    """Of block ids and session names. Not in the capture: without it nobody can test a guess at a prompt."""
    zero_ns: int
    """The run's start: timestamps count from it."""


class Capture:
    """One worker's recorder; `sink` gets finished lines."""

    def __init__(self, settings: CaptureSettings, sink: RowSink) -> None:
        self._full = settings.mode is Mode.FULL
        self._zero_ns, self._sink = settings.zero_ns, sink
        self._hasher, self._lanes = BlockHasher(settings.salt), Lanes()
        self._waiting: deque[tuple[Call, Exchange]] = deque()
        self._waiting_bytes = 0
        self._worker: asyncio.Task[None] | None = None
        self.unread = 0
        """Requests whose prompt could not be read or was too long: their rows lack blocks, or are missing."""

    def tap(self, call: Call, on_head: OnHead) -> OnHead:
        """Of `full`: keeps a copy of the answer beside what is relayed."""
        if not self._full or call.ask.dialect is None:
            return on_head

        def tapped(head: ResponseHead) -> Forward | None:
            forward, kept = on_head(head), Kept(head, call.request.method)
            call.kept = kept

            def both(data: bytes) -> None:
                if forward is not None:
                    forward(data)
                kept.take(data)

            return both

        return tapped

    def add(self, call: Call, exchange: Exchange) -> None:
        """Record an exchange that has ended. Paths that are only passed through are not recorded."""
        if exchange.ask.dialect is None or not call.body:
            return
        if len(call.body) > MOST_BODY_BYTES or self._waiting_bytes + len(call.body) > MOST_WAITING_BYTES:
            self.unread += 1
            self._write(call, exchange, {}, None, [])
            return
        self._waiting_bytes += len(call.body)
        self._waiting.append((call, exchange))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Write what still waits."""
        if self._worker is not None:
            await self._worker

    async def _work(self) -> None:
        while self._waiting:
            call, exchange = self._waiting.popleft()
            self._waiting_bytes -= len(call.body)
            try:
                body = orjson.loads(call.body)
                asked = prompt_text(body)
            except (ValueError, TypeError, AttributeError):  # no request of this API: the engine has refused it too
                self.unread += 1
                continue
            await asyncio.sleep(0)
            digests: list[bytes] = []
            for cut in self._hasher.cuts(asked.text):
                digests.append(cut.digest)
                if not len(digests) % SLICE_BLOCKS:
                    await asyncio.sleep(0)
            self._write(call, exchange, body, asked, digests)

    def _write(
        self, call: Call, exchange: Exchange, body: dict[str, Any], asked: PromptText | None, digests: list[bytes]
    ) -> None:
        row = self._row(call, exchange, body, asked, digests)
        if row is not None:
            self._sink(_redacted(canonical_line(row), call))

    def _row(
        self, call: Call, exchange: Exchange, body: dict[str, Any], asked: PromptText | None, digests: list[bytes]
    ) -> TraceRow | None:
        """None where nobody can say how long the prompt was."""
        ask, usage = exchange.ask, exchange.usage
        units = len(digests) * BLOCK_TOKENS
        input_length = usage.input_tokens if usage.input_tokens is not None else units
        if not input_length:
            return None
        output_length = exchange.output_tokens or None
        session_id, turn = self._session(call, exchange, asked)
        return TraceRow(
            request_id=ask.request_id,
            session_id=session_id,
            turn=turn,
            timestamp_ms=self._ms(ask.started_ns),
            input_length=input_length,
            output_length=output_length,
            reasoning_length=min(exchange.reasoning_tokens or 0, output_length or 0) or None,
            hash_ids=self._hasher.ids(digests, input_length) if digests else (),
            block_size=BLOCK_TOKENS,
            model=_model(body, exchange),
            priority=body["priority"] if type(body.get("priority")) is int else None,
            tags=ask.tags or {},
            extra={} if output_length is not None else _limit(body),
            recorded=self._recorded(call, exchange, body),
            **(self._text(call, body) if self._full and body else {}),
        )

    def _session(self, call: Call, exchange: Exchange, asked: PromptText | None) -> tuple[str | None, int | None]:
        """By a header, else by the conversation's opening, which every turn of it repeats."""
        ask = exchange.ask
        said = ask.session_id or call.request.headers.get(_SESSION_HEADER)
        times_ms = self._ms(ask.started_ns), self._ms(exchange.ended_ns)
        if said:
            return self._lanes.place(self._hasher.name(f"said {said}"), None, *times_ms)
        if asked is None:
            return None, None
        return self._lanes.place(self._hasher.name(asked.text[: asked.opening_chars]), asked.turn, *times_ms)

    def _recorded(self, call: Call, exchange: Exchange, body: dict[str, Any]) -> dict[str, Any]:
        """What happened: times in ms, as in the metrics."""
        usage = exchange.usage
        times_ns = {"ttft_ms": ttft_ns(exchange), "ttfo_ms": ttfo_ns(exchange), "e2e_ms": e2e_ns(exchange)}
        used = {
            "input_tokens": usage.input_tokens, "output_tokens": exchange.output_tokens,
            "reasoning_tokens": exchange.reasoning_tokens, "cached_tokens": usage.cached_tokens,
        }  # fmt: skip
        said = {
            "path": exchange.ask.path,
            "status": exchange.status,
            "outcome": exchange.outcome.value,
            "error": exchange.error,
            "finish_reason": exchange.finish_reason,
            "started_at": self._ms(exchange.ask.started_ns),
            "ended_at": self._ms(exchange.ended_ns),
            **{name: _round_ms(value_ns) for name, value_ns in times_ns.items() if value_ns is not None},
            "usage": {name: count for name, count in used.items() if count is not None},
            "input_length_by": "usage" if usage.input_tokens is not None else "units",
            "asked": {name: body[name] for name in _ASKED if isinstance(body.get(name), int | float | bool)},
            "source": "imaxproxy serve",
        }
        return {name: value for name, value in said.items() if value is not None}

    def _text(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        headers = {
            name: "***" if name.lower() in _SECRETS else value
            for name, value in call.request.headers.items()
            if value.isascii()
        }
        return {"body": body, "headers": headers}

    def _ms(self, at_ns: int) -> float:
        return _round_ms(max(at_ns - self._zero_ns, 0))


def _model(body: dict[str, Any], exchange: Exchange) -> str | None:
    asked = body.get("model")
    return asked if isinstance(asked, str) and len(asked.splitlines()) == 1 else exchange.model


def _limit(body: dict[str, Any]) -> dict[str, Any]:
    """Of a request whose answer's length is not known, what it allowed at most: else a replay would have no end."""
    asked = [body.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")]
    limits = [limit for limit in asked if type(limit) is int and limit > 0]
    return {"max_tokens": limits[0]} if limits else {}


def _redacted(line: bytes, call: Call) -> bytes:
    """The line without the request's own keys, should it have repeated them anywhere."""
    for name in _SECRETS:
        for value in call.request.headers.getall(name, ()):
            secret = value.rpartition(" ")[2].encode(errors="surrogateescape")
            if len(secret) >= 4:
                line = line.replace(secret, b"***")
    return line


def _round_ms(duration_ns: float) -> float:
    return round(duration_ns / NS_PER_MS, 3)


__all__ = ["BLOCK_TOKENS", "DIALECTS", "Capture", "CaptureSettings", "Mode"]
