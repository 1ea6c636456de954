"""What a fault does to a streamed answer: it stands between the reply and the socket, and changes the bytes.

A reply writes whole HTTP chunks that hold SSE events. Here they are taken apart into events, changed, and framed again.
"""

import asyncio
import re
import socket
from asyncio import WriteTransport
from collections.abc import Callable

import orjson

from imaxproxy.clock import Clock, monotonic_ns
from imaxproxy.sim.connection import reset
from imaxproxy.sim.event_text import DONE
from imaxproxy.sim.faults import Fault
from imaxproxy.sim.reply import StreamedReply, chunk

_STAMPS = 4
_ODD_CHARACTER = 'data: {"id":"odd","choices":[{"index":0,"delta":{"content":" \u20ac"}}]}\n\n'.encode()


class Striker:
    """Writes for one reply. `stop` frees the engine of the stream, `finish` lets the body end."""

    def __init__(
        self,
        fault: Fault,
        transport: WriteTransport,
        stop: Callable[[], None],
        finish: Callable[[], None],
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self.reply: StreamedReply
        """Set by who builds both."""
        self._fault = fault
        self._transport = transport
        self._stop = stop
        self._finish_body = finish
        self._clock_ns = clock_ns
        self._struck = False
        self._silent = False
        self._held: list[tuple[bytes, int]] | None = None
        self._joined: list[bytes] = []
        changes: dict[str, Callable[[bytes], None]] = {
            "ttft_stall": self._stall,
            "mid_stall": self._stall,
            "slow_reader": self._slow_reader,
            "never_ends": self._never_ends,
            "disconnect": self._disconnect,
            "truncate": self._truncate,
            "error_event": self._error_event,
            "zero_tokens": self._zero_tokens,
            "no_done": self._no_done,
            "no_finish_reason": self._no_finish_reason,
            "malformed": self._malformed,
            "split_utf8": self._split_utf8,
            "giant": self._giant,
            "crlf": self._crlf,
            "no_space": self._no_space,
            "no_blank_line": self._no_blank_line,
            "comments": self._comments,
            "empty_delta": self._empty_delta,
            "split_event": self._split_event,
            "joined": self._join,
            "duplicate": self._duplicate,
            "reorder": self._reorder,
            "wrong_usage": self._wrong_usage,
            "tool_beside_content": self._tool_beside_content,
        }
        self._change = changes.get(fault.name)

    def write(self, data: bytes) -> bool:
        """What the reply writes. False when it is lost: it never happened."""
        if not self._silent:
            if self._held is not None:
                self._held.append((data, len(self.reply.record.events)))
            elif self._change is None:
                self._transport.write(data)
            else:
                self._change(data)
        return not self._silent

    def on_end(self) -> None:
        """The reply has written its last: the body ends, unless bytes are still held back or the end never comes."""
        if self._held is None and not self._silent:
            self._finish_body()

    def strikes_now(self) -> bool:
        """Once, when the tokens that come before have been sent; the event at hand is the one after them."""
        if self._struck or not self._is_due():
            return False
        self._struck = True
        return True

    def _is_due(self) -> bool:
        """The reply counts an event as sent when it hands it over."""
        return self.reply.sent_before >= self._fault.after_tokens

    # Time -------------------------------------------------------------------------------------------------------------

    def _stall(self, data: bytes) -> None:
        if self.strikes_now():
            self._hold(data)
        else:
            self._transport.write(data)

    def _hold(self, data: bytes) -> None:
        self._held = [(data, len(self.reply.record.events))]
        asyncio.get_running_loop().call_later(self._fault.wait_s, self._let_go)

    def _let_go(self) -> None:
        """Write what was held, one write an event, and put its true times into the truth."""
        held, self._held = self._held or [], None
        for data, at in held:
            write_ns = self._clock_ns()
            if not self._transport.is_closing():
                self._transport.write(data)
            events = self.reply.record.events
            if at + _STAMPS <= len(events):
                events[at + 1], events[at + 2] = write_ns, self._clock_ns()
        if self.reply.ended:
            self._finish_body()

    def _slow_reader(self, data: bytes) -> None:
        """The kernel's buffer is made small and the socket corked: what piles up is in our process."""
        if self.strikes_now():
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            self._hold(data)
        else:
            self._transport.write(data)

    def _never_ends(self, data: bytes) -> None:
        if self.strikes_now():
            self._silent = True
        else:
            self._transport.write(data)

    # Ends -------------------------------------------------------------------------------------------------------------

    def _disconnect(self, data: bytes) -> None:
        if not self.strikes_now():
            self._transport.write(data)
            return
        self._silent = True
        if self._fault.options["how"] == "rst":
            reset(self._transport)
        else:
            self._transport.close()
        self._stop()

    def _truncate(self, data: bytes) -> None:
        if self.strikes_now():
            self._finish()
        else:
            self._transport.write(data)

    def _error_event(self, data: bytes) -> None:
        if self.strikes_now():
            error = {"message": "simulated engine error", "type": "InternalServerError", "param": None, "code": 500}
            self._transport.write(chunk(b"data: " + orjson.dumps({"error": error}) + b"\n\n") + chunk(DONE))
            self._finish()
        else:
            self._transport.write(data)

    def _zero_tokens(self, _data: bytes) -> None:
        """Role, finish reason, [DONE], and nothing said."""
        end = {"index": 0, "delta": {}, "text": "", "logprobs": None, "finish_reason": "stop"}
        self._transport.write(chunk(b"data: " + orjson.dumps({"choices": [end]}) + b"\n\n") + chunk(DONE))
        self._finish()

    def _finish(self) -> None:
        self._silent = True
        self.reply.end()
        self._finish_body()
        self._stop()

    def _no_done(self, data: bytes) -> None:
        self._events(data, lambda event: [] if event == DONE else [event])

    def _no_finish_reason(self, data: bytes) -> None:
        self._events(data, lambda event: [re.sub(rb'"finish_reason":"\w+"', b'"finish_reason":null', event)])

    # Bytes ------------------------------------------------------------------------------------------------------------

    def _malformed(self, data: bytes) -> None:
        if self.strikes_now():
            self._send(b'data: {"id":"broken","choices":[{"index":0,"delta":{"content":"\n\n')
        self._transport.write(data)

    def _split_utf8(self, data: bytes) -> None:
        if self.strikes_now():
            cut = _ODD_CHARACTER.index("\u20ac".encode()) + 1
            self._send(_ODD_CHARACTER[:cut])
            self._send(_ODD_CHARACTER[cut:])
        self._transport.write(data)

    def _giant(self, data: bytes) -> None:
        if self.strikes_now():
            self._send(b": " + b"x" * int(self._fault.value) + b"\n\n")
        self._transport.write(data)

    def _crlf(self, data: bytes) -> None:
        self._send(unchunked(data).replace(b"\n", b"\r\n"))

    def _no_space(self, data: bytes) -> None:
        self._send(re.sub(rb"(?m)^data: ", b"data:", unchunked(data)))

    def _no_blank_line(self, data: bytes) -> None:
        body = unchunked(data)
        self._send(body.removesuffix(b"\n") if self.strikes_now() else body)

    def _comments(self, data: bytes) -> None:
        self._events(data, lambda event: [b": keep-alive\n\n", event])

    def _empty_delta(self, data: bytes) -> None:
        empty = b'data: {"choices":[{"index":0,"delta":{"content":""},"text":"","finish_reason":null}]}\n\n'
        self._events(data, lambda event: [empty, event])

    def _split_event(self, data: bytes) -> None:
        """The second half waits until the first has left: two segments, for Nagle is off."""
        half = len(data) // 2
        self._transport.write(data[:half])
        self._transport.write(data[half:])

    def _join(self, data: bytes) -> None:
        self._joined.append(unchunked(data))
        if len(self._joined) >= self._fault.value or self.reply.is_over:
            self._send(b"".join(self._joined))
            self._joined = []

    def _duplicate(self, data: bytes) -> None:
        self._transport.write(data)
        if self.strikes_now():
            self._transport.write(chunk(first_event(data)))

    def _reorder(self, data: bytes) -> None:
        """The event at hand waits for the next one to pass it."""
        if self._joined:
            self._send(unchunked(data) + self._joined.pop())
        elif self.reply.is_over or not self.strikes_now():
            self._transport.write(data)
        else:
            self._joined.append(unchunked(data))

    def _wrong_usage(self, data: bytes) -> None:
        more = int(self._fault.value)

        def counted(match: "re.Match[bytes]") -> bytes:
            return match[1] + str(int(match[2]) + more).encode()

        self._send(re.sub(rb'("(?:completion|output)_tokens":)(\d+)', counted, unchunked(data)))

    def _tool_beside_content(self, data: bytes) -> None:
        """One delta with both: what its last word was is now in the arguments, and the text lacks it."""

        def shared(match: "re.Match[bytes]") -> bytes:
            text, _, last = match[1].rpartition(b" ")
            call = {"index": 0, "function": {"arguments": f" {last.decode()}"}}
            return b'"content":"%b","tool_calls":[%b]}' % (text, orjson.dumps(call))

        self._send(re.sub(rb'"content":"( [^"]+)"}', shared, unchunked(data)))

    # --------------------------------------------------------------------------------------------------------------

    def _events(self, data: bytes, change: Callable[[bytes], list[bytes]]) -> None:
        changed = [new for event in split_events(unchunked(data)) for new in change(event)]
        if changed:
            self._send(b"".join(changed))

    def _send(self, body: bytes) -> None:
        self._transport.write(chunk(body))


def unchunked(data: bytes) -> bytes:
    """The content of whole HTTP chunks."""
    parts = []
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        parts.append(data[:length])
        data = data[length + 2 :]
    return b"".join(parts)


def split_events(body: bytes) -> list[bytes]:
    """Whole SSE events, each with its blank line."""
    return [event + b"\n\n" for event in body.split(b"\n\n") if event]


def first_event(data: bytes) -> bytes:
    """The first of a write's events that has a token: behind a role, before what closes."""
    events = split_events(unchunked(data))
    return next((event for event in events if b'"role"' not in event), events[0])
