"""Recording what was asked, for a replay: `shape` without any text, `full` with bodies but without keys.

Nothing here is on an event's way. What a request costs comes after its exchange has ended, in slices between which the
event loop goes on with the streams.
"""

import asyncio
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from imaxproxy.metrics import Exchange
from imaxproxy.proxy.answer_text import answer_text
from imaxproxy.proxy.blocks import BlockHasher
from imaxproxy.proxy.call import Call
from imaxproxy.proxy.captured import Prompt, RunClock, captured
from imaxproxy.proxy.prompt_text import prompt_text
from imaxproxy.proxy.redact import redacted, secrets_of, shown_headers
from imaxproxy.wire import DIALECTS, Reception

RowSink = Callable[[dict[str, Any]], None]
MOST_BODY_BYTES = 4 << 20
"""A longer body is not read: parsing it would hold up every stream for more than 1 ms."""
MOST_WAITING_BYTES = 64 << 20
"""Of bodies whose turn is yet to come. Past that a row goes without its prompt."""
_SESSION_HEADER = "x-session-id"
_SESSION_MEMBER = "session_id"


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """The same for all workers of a run."""

    full: bool
    """Bodies too; else no text at all."""
    salt: bytes
    """Of all digests. Drawn for the run and written nowhere."""
    clock: RunClock


@dataclass(frozen=True, slots=True)
class _Waiting:
    call: Call
    exchange: Exchange
    reception: Reception | None


class Capture:
    """One worker's. `sink` writes a row."""

    def __init__(self, settings: CaptureSettings, sink: RowSink) -> None:
        self.full = settings.full
        self._clock, self._sink = settings.clock, sink
        self._hasher = BlockHasher(settings.salt)
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self.lost = 0
        """Rows that could not be made, for a bug of ours: stderr heard of the first, and the proxy goes on."""

    def __repr__(self) -> str:
        return f"<Capture {len(self._waiting)} waiting, {self.lost} lost>"

    def add(self, call: Call, exchange: Exchange, reception: Reception | None = None) -> None:
        """Record an exchange that has ended. Paths that are only passed through are not recorded."""
        if exchange.ask.dialect is None:
            return
        self._waiting.append(_Waiting(call, exchange, reception if self.full else None))
        self._waiting_bytes += len(call.body)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """Write what still waits."""
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        while self._waiting:
            busy = self._waiting_bytes > MOST_WAITING_BYTES
            next_ = self._waiting.popleft()
            self._waiting_bytes -= len(next_.call.body)
            try:
                await self._write_one(next_, busy=busy)
            except Exception:  # the relay and the journal must not suffer; `lost` tells of it, and stderr once
                self.lost += 1
                if self.lost == 1:
                    traceback.print_exc()

    async def _write_one(self, waiting: _Waiting, *, busy: bool) -> None:
        call = waiting.call
        prompt = "too busy" if busy else await self._prompt(call)
        if isinstance(prompt, str):
            row = captured(waiting.exchange, None, self._clock)
            row["recorded"]["prompt_unread"] = prompt
        else:
            row = captured(waiting.exchange, prompt, self._clock)
            if self.full:
                self._add_text(row, waiting, prompt.body)
        self._sink(redacted(row, secrets_of(call)))

    def _add_text(self, row: dict[str, Any], waiting: _Waiting, body: dict[str, Any]) -> None:
        path = waiting.exchange.ask.path
        body.setdefault("stream", False)  # what a body that leaves it out means; a replay would have it otherwise
        row |= {"url": path, "headers": shown_headers(waiting.call), "body": body}
        if waiting.reception is not None and (answer := answer_text(waiting.reception, DIALECTS[path])) is not None:
            row["recorded"]["response"] = answer

    async def _prompt(self, call: Call) -> Prompt | str:
        """What is asked, or why that is not known."""
        if len(call.body) > MOST_BODY_BYTES:
            return f"over {MOST_BODY_BYTES >> 20} MiB"
        body = _object(call.body)
        await asyncio.sleep(0)
        asked = prompt_text(body)
        if asked is None:
            return "unknown form"
        text, blocks = asked.text.encode(), b""
        for digests in self._hasher.slices(text):
            await asyncio.sleep(0)
            blocks += digests
        said = call.request.headers.get(_SESSION_HEADER) or body.get(_SESSION_MEMBER)
        if said:
            return Prompt(
                body, self._hasher.name(f"said {said}".encode(errors="surrogatepass")), None, len(text), blocks
            )
        opening = asked.text[: asked.opening_chars].encode()
        return Prompt(body, self._hasher.name_of(opening, blocks), asked.turn, len(text), blocks)


def _object(body: bytes) -> dict[str, Any]:
    """The body's members; none where it is no JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
