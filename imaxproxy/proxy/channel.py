"""Messages between the supervisor and a worker, over a Unix socket that only they hold."""

import pickle
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")
_READ_BYTES = 1 << 18

Message = tuple[str, Any]
"""What it is, and what comes with it."""


class Channel:
    """One end. Never blocks: what does not fit waits here, and `backlog` says so.

    Both ends are one program, forked, and nobody else can reach the socket; so messages are pickled.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._in, self._out = bytearray(), bytearray()

    def fileno(self) -> int:
        return self._end.fileno()

    @property
    def backlog(self) -> bool:
        """Something waits to be written: call `flush` when the socket takes more, and send only what must be."""
        return bool(self._out)

    def send(self, kind: str, value: object = None) -> None:
        """Send, or keep until `flush`. To an end that is gone it is lost: `receive` tells of that."""
        data = pickle.dumps((kind, value), pickle.HIGHEST_PROTOCOL)
        self._out += _LENGTH.pack(len(data)) + data
        self.flush()

    def flush(self) -> None:
        try:
            while self._out:
                del self._out[: self._end.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()

    def receive(self) -> list[Message]:
        """All whole messages that are there. Raises EOFError when the other end is gone and has nothing left to say."""
        try:
            while data := self._end.recv(_READ_BYTES):
                self._in += data
            ended = True
        except BlockingIOError:
            ended = False
        except OSError:
            ended = True
        messages = self._whole()
        if ended and not messages:
            raise EOFError
        return messages

    def close(self) -> None:
        self._end.close()

    def _whole(self) -> list[Message]:
        messages: list[Message] = []
        while len(self._in) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._in)[0]
            if len(self._in) < end:
                break
            messages.append(pickle.loads(self._in[_LENGTH.size : end]))
            del self._in[:end]
        return messages
