"""Faults a request can ask for with the header `x-sim-fault: name` or `name=<tokens>`, to test who reads the answer."""

import socket
import struct
from asyncio import WriteTransport
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from imaxproxy.sim.reply import DONE, StreamedReply, chunk
from imaxproxy.sim.request import BadRequest

HEADER = "x-sim-fault"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def _disconnect(_reply: StreamedReply, transport: WriteTransport) -> None:
    """Reset the connection in the middle of the stream."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


def _truncate(reply: StreamedReply, _transport: WriteTransport) -> None:
    """End the body as HTTP wants it, but without finish reason, usage and [DONE]."""
    reply.end()


def _malformed(reply: StreamedReply, _transport: WriteTransport) -> None:
    """One event more, whose JSON is cut; the stream goes on."""
    reply.write(chunk(b'data: {"id":"broken","choices":[{"index":0,"delta":{"content":"\n\n'))


def _error_event(reply: StreamedReply, _transport: WriteTransport) -> None:
    """An error object in the stream, then [DONE], as vLLM does when the engine fails after the 200."""
    error = {"message": "simulated engine error", "type": "InternalServerError", "param": None, "code": 500}
    reply.write(chunk(b"data: " + orjson.dumps({"error": error}) + b"\n\n") + chunk(DONE))
    reply.end()


_AT_TOKEN: dict[str, Callable[[StreamedReply, WriteTransport], None]] = {
    "disconnect": _disconnect,
    "truncate": _truncate,
    "malformed": _malformed,
    "error_event": _error_event,
}
_WHOLE = ("http_500", "no_done")
FAULTS = (*_WHOLE, *_AT_TOKEN)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and for those in mid-stream the number of tokens that come before it."""

    name: str
    after_tokens: int = 0

    def on_token(
        self, reply: StreamedReply, transport: WriteTransport, stop: Callable[[], None]
    ) -> Callable[[int], None]:
        """A stream's `on_token` that strikes when the token after `after_tokens` is due, and stops what it ended."""
        strike = _AT_TOKEN[self.name]

        def token(planned_ns: int) -> None:
            if reply.emitted_tokens == self.after_tokens:
                strike(reply, transport)
                if reply.ended or transport.is_closing():
                    stop()
                    return
            reply.token(planned_ns)

        return token

    @property
    def is_in_mid_stream(self) -> bool:
        """Strikes between tokens."""
        return self.name in _AT_TOKEN


def parse_fault(header: str | None, streamed: bool) -> Fault | None:
    """Read the header. Raises BadRequest for a fault that is unknown or that this request cannot have."""
    if header is None:
        return None
    name, _, tokens = header.strip().partition("=")
    if name not in FAULTS:
        raise BadRequest(f"unknown fault {name!r} in {HEADER}; known: {', '.join(FAULTS)}", param=HEADER)
    if name in _WHOLE:
        return Fault(name)
    if not streamed:
        raise BadRequest(f"fault {name} needs a streamed answer", param=HEADER)
    if not tokens.isascii() or not tokens.isdigit():
        raise BadRequest(f"fault {name} needs a number of tokens, {name}=4, not {header!r}", param=HEADER)
    return Fault(name, int(tokens))
