"""Recording what was asked, for a replay: `shape` without any text, `full` with bodies but without keys.

Nothing here is on an event's way. What a request costs comes after its exchange has ended; for a long prompt in slices
between which the event loop goes on with the streams.
"""

import asyncio
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
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
from imaxproxy.proxy.sliced_json import sliced_json
from imaxproxy.wire import DIALECTS, KeptBudget, Reception

RowSink = Callable[[dict[str, Any]], None]
SHORT_BODY_BYTES = 16 << 10
"""Recorded at once, in less than 0.1 ms. Were they to wait, they would gather faster than they are taken in turn."""
MOST_BODY_BYTES = 4 << 20
"""A longer body is not read: parsing it would hold up every stream for more than 1 ms."""
MOST_WAITING_BYTES = 64 << 20
"""Of bodies whose turn is yet to come. Past that a row goes without its prompt."""
MOST_KEPT_BYTES = 256 << 20
"""Of answers under way, with `full`. Past that some are not kept."""
LONG_BODY_BYTES = 256 << 10
"""Read in slices: at a stretch it would take half a millisecond and more."""
_WORDS = ("request_id", "model", "tags")
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
class _Ended:
    call: Call
    exchange: Exchange
    reception: Reception | None


class Capture:
    """One worker's. `sink` writes a row."""

    def __init__(self, settings: CaptureSettings, sink: RowSink) -> None:
        self.full = settings.full
        self.kept = KeptBudget(MOST_KEPT_BYTES) if settings.full else None
        """What answers that are recorded with their text may hold until they end."""
        self._clock, self._sink = settings.clock, sink
        self._hasher = BlockHasher(settings.salt)
        self._waiting: deque[_Ended] = deque()
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
        ended = _Ended(call, exchange, reception if self.full else None)
        if len(call.body) <= SHORT_BODY_BYTES:
            deque(self._steps(ended), maxlen=0)
            return
        self._waiting.append(ended)
        self._waiting_bytes += len(call.body)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write_waiting())

    async def close(self) -> None:
        """Write what still waits."""
        if self._writer is not None:
            await self._writer

    async def _write_waiting(self) -> None:
        while self._waiting:
            busy = self._waiting_bytes > MOST_WAITING_BYTES
            ended = self._waiting.popleft()
            self._waiting_bytes -= len(ended.call.body)
            for _ in self._steps(ended, busy=busy):
                await asyncio.sleep(0)

    def _steps(self, ended: _Ended, *, busy: bool = False) -> Iterator[None]:
        """Write a row; between steps others may have their turn."""
        try:
            yield from self._write(ended, busy=busy)
        except Exception:  # the relay and the journal must not suffer; `lost` tells of it, and stderr once
            self.lost += 1
            if self.lost == 1:
                traceback.print_exc()

    def _write(self, ended: _Ended, *, busy: bool) -> Iterator[None]:
        prompt = "too busy" if busy else (yield from self._prompt(ended.call))
        if isinstance(prompt, str):
            row = captured(ended.exchange, None, self._clock)
            row["recorded"]["prompt_unread"] = prompt
        else:
            row = captured(ended.exchange, prompt, self._clock)
            if self.full:
                self._add_text(row, ended, prompt.body)
        secrets = secrets_of(ended.call)
        self._sink(redacted(row, secrets) if self.full else _shape_redacted(row, secrets))

    def _add_text(self, row: dict[str, Any], ended: _Ended, body: dict[str, Any]) -> None:
        path = ended.exchange.ask.path
        body.setdefault("stream", False)  # what a body that leaves it out means; a replay would have it otherwise
        row |= {"url": path, "headers": shown_headers(ended.call), "body": body}
        if ended.reception is None:
            return
        if (answer := answer_text(ended.reception, DIALECTS[path])) is not None:
            row["recorded"]["response"] = answer
        elif ended.reception.unkept:
            row["recorded"]["response_unkept"] = ended.reception.unkept

    def _prompt(self, call: Call) -> Generator[None, None, Prompt | str]:
        """What is asked, or why that is not known."""
        if len(call.body) > MOST_BODY_BYTES:
            return f"over {MOST_BODY_BYTES >> 20} MiB"
        if len(call.body) > LONG_BODY_BYTES:
            body = yield from _sliced_object(call.body)
        else:
            body = _object(call.body)
            yield
        asked = prompt_text(body)
        if asked is None:
            return "unknown form"
        text, blocks = asked.text.encode(), b""
        for digests in self._hasher.slices(text):
            yield
            blocks += digests
        said = call.request.headers.get(_SESSION_HEADER) or body.get(_SESSION_MEMBER)
        if said:
            return Prompt(
                body, self._hasher.name(f"said {said}".encode(errors="surrogatepass")), None, len(text), blocks
            )
        opening = asked.text[: asked.opening_chars].encode()
        return Prompt(body, self._hasher.name_of(opening, blocks), asked.turn, len(text), blocks)


def _shape_redacted(row: dict[str, Any], secrets: list[str]) -> dict[str, Any]:
    """Only these hold words of the client's or the engine's; a look at all of a row costs as much as making it."""
    if secrets:
        row |= {name: redacted(row[name], secrets) for name in _WORDS}
        row["recorded"] = redacted(row["recorded"], secrets)
    return row


def _sliced_object(body: bytes) -> Generator[None, None, dict[str, Any]]:
    """The same as `_object`, with rests."""
    try:
        value = yield from sliced_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _object(body: bytes) -> dict[str, Any]:
    """The body's members; none where it is no JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
