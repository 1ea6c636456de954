"""`/imax/live` of a replay: the feed over HTTP for viewers in other processes, on this machine only."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from imaxproxy.errors import UsageError

PATH = "/imax/live"
HOST = "127.0.0.1"
MOST_VIEWERS = 64
_SLOW_S = 30.0
_ONCE_S = 25.0
Json = dict[str, Any]


class FeedServer:
    """Asks for snapshots only while somebody watches. Each viewer gets the newest when it has taken the one before."""

    def __init__(self, port: int, watch: Callable[[Callable[[Json], None]], Callable[[], None]]) -> None:
        """watch: hands over who is to be given snapshots, and gives back what ends that (`PlayerFeed.watch`).

        Raises UsageError when the port cannot be had.
        """
        self._watch = watch
        self._news = threading.Condition()
        self._latest: bytes | None = None
        self._number = self._viewers = 0
        self._ended = False
        self._unwatch: Callable[[], None] | None = None
        try:
            self._http = _Http((HOST, port), _handler_of(self))
        except OSError as error:
            raise UsageError(f"--live-port {port}: {error.strerror}; choose another one") from error
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._http.server_port}"

    def close(self) -> None:
        """Viewers see their stream end."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def enter(self) -> bool:
        """One more viewer; False when there are too many."""
        with self._news:
            if self._viewers >= MOST_VIEWERS or self._ended:
                return False
            self._viewers += 1
            if self._unwatch is None:
                self._latest, self._number = None, 0
                self._unwatch = self._watch(self._take)
            return True

    def leave(self) -> None:
        with self._news:
            self._viewers -= 1
            if not self._viewers and self._unwatch is not None:
                self._unwatch()
                self._unwatch = None

    def next(self, seen: int, timeout_s: float) -> tuple[int, bytes] | None:
        """The newest snapshot behind the `seen`th, with its number; None when there will be none, or none in time."""
        with self._news:
            there = self._news.wait_for(lambda: self._ended or self._number > seen, timeout_s)
            return (self._number, self._latest) if there and not self._ended and self._latest is not None else None

    def _take(self, snapshot: Json) -> None:
        data = orjson.dumps(snapshot)
        with self._news:
            self._latest, self._number = data, self._number + 1
            self._news.notify_all()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a viewer that reads nothing must not hold the command


def _handler_of(server: FeedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SLOW_S

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path != PATH:
                self._answer(404, b'{"detail": "a replay has %b only"}' % PATH.encode())
            elif not server.enter():
                self._answer(503, b'{"detail": "too many are watching already"}')
            else:
                try:
                    self._once() if "once" in parse_qs(url.query) else self._feed()
                finally:
                    server.leave()

        def _once(self) -> None:
            """The second one: the first knows no rate."""
            found = server.next(1, _ONCE_S)
            self._answer(*((200, found[1]) if found else (503, b'{"detail": "there is no live view to be had now"}')))

        def _feed(self) -> None:
            with suppress(ConnectionError, socket.timeout):  # the viewer has left, or reads nothing
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(b"retry: 1000\n\n")
                seen = 0
                while (found := server.next(seen, _SLOW_S)) is not None:
                    seen, data = found
                    self.wfile.write(b"data: " + data + b"\n\n")

        def _answer(self, status: int, body: bytes) -> None:
            with suppress(ConnectionError, socket.timeout):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody wants a line for each viewer."""

    return Handler
