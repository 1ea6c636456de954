"""Token counts for engines that tell none: the answers' texts go to a process with the user's tokenizer.

The player does not wait: an Exchange whose tokens are being counted comes to the sink when they are.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import orjson

from imaxproxy.metrics import CountedBy, Exchange, Timeline, mark
from imaxproxy.wire import KeptBudget

_MODULE = "imaxproxy.load.token_counter"
READY = b"ready\n"
"""What it says when its tokenizer is read."""
KEPT_BYTES, KEPT_ANSWER_BYTES = 512 << 20, 32 << 20
"""Of all answers under way, and of one: 32k tokens of 1 kB each. What is longer stays uncounted."""
_WAITING_BYTES = 256 << 20
"""Of answers that wait for the counter; what comes on top stays uncounted."""


class AnswerTokens:
    """The tokenizer's process, and the Exchanges that wait for it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.budget = KeptBudget(KEPT_BYTES, KEPT_ANSWER_BYTES)
        """What may be kept of answers, so that they can be counted."""
        self._process = process
        self._waiting: deque[tuple[Exchange, int, Callable[[Exchange], None]]] = deque()
        self._waiting_bytes = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._listening = asyncio.ensure_future(self._listen())

    def __repr__(self) -> str:
        return f"<AnswerTokens of pid {self._process.pid}, {len(self._waiting)} waiting>"

    @classmethod
    async def started(cls, tokenizer: str) -> "AnswerTokens":
        """With its tokenizer read. Raises RuntimeError when that cannot be: whoever gave the flag has tried it."""
        argv = [sys.executable, "-P", "-m", _MODULE, tokenizer]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, limit=KEPT_ANSWER_BYTES)
        assert process.stdout is not None
        if await process.stdout.readline() != READY:
            raise RuntimeError(f"{_MODULE} ended with code {await process.wait()}")
        return cls(process)

    def count(self, exchange: Exchange, body: bytes, then: Callable[[Exchange], None]) -> None:
        """Call `then`, in the order of the calls, with the Exchange and the tokens of its events in it."""
        if self._waiting_bytes + len(body) > _WAITING_BYTES:
            then(exchange)
            return
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(orjson.dumps([exchange.ask.path, len(body)]) + b"\n" + body)
        self._waiting.append((exchange, len(body), then))
        self._waiting_bytes += len(body)
        self._idle.clear()

    async def close(self) -> None:
        """Wait until all is counted. Raises RuntimeError when the process died of it."""
        waiting = asyncio.ensure_future(self._idle.wait())
        await asyncio.wait((waiting, self._listening), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.close()
        code = await self._process.wait()
        await self._listening
        if self._waiting:
            raise RuntimeError(f"{_MODULE} ended with code {code}, {len(self._waiting)} answers uncounted")

    async def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        while line := await stdout.readline():
            exchange, body_bytes, then = self._waiting.popleft()
            self._waiting_bytes -= body_bytes
            then(with_tokens(exchange, orjson.loads(line)))
            if not self._waiting:
                self._idle.set()


def with_tokens(exchange: Exchange, counts: list[int] | None) -> Exchange:
    """The Exchange with so many tokens in its events; as it is where they are not those that were counted."""
    timeline = exchange.timeline
    if counts is None or len(counts) != len(timeline):
        return exchange
    marks = map(mark, timeline.kinds, counts)
    return replace(exchange, timeline=Timeline(timeline.times_ns, marks), counted_by=CountedBy.TOKENIZER)
