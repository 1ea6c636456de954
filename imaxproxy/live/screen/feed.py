"""Where snapshots come from: a proxy's server-sent events, or lines in a pipe."""

import contextlib
import http.client
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from imaxproxy.errors import ImaxproxyError
from imaxproxy.live.screen.scene import Link
from imaxproxy.live.snapshot import Snapshot, SnapshotError, printable
from imaxproxy.wire import BaseUrl

LIVE_PATH = "/imax/live"
KEY_VARIABLE = "IMAXPROXY_KEY"
_TIMEOUT_S = 15.0
"""A feed ticks every second, also when nothing flows: one that is silent for so long is dead."""
_LONGEST_LINE = 8 << 20
_RETRY_S = (0.5, 1.0, 2.0, 4.0)
_EXPLAINED = {
    401: f"asks for a key: give --key, or set {KEY_VARIABLE}",
    404: f"has no {LIVE_PATH}: is it `imaxproxy serve`, of this version?",
}
MonotonicS = Callable[[], float]


class FeedError(ImaxproxyError):
    """There is no feed there, or none for us."""


class Feed:
    """Takes snapshots in a thread of its own; what has come is taken out by whoever draws."""

    def __init__(self, clock_s: MonotonicS = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._waiting: list[Snapshot] = []
        self._state, self._detail = "connecting", ""
        self._news_s = clock_s()
        self._is_closed = threading.Event()
        self._wake: Callable[[], None] = lambda: None

    def start(self, wake: Callable[[], None]) -> None:
        """wake: called from the thread when there is news."""
        self._wake = wake
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._is_closed.set()

    def take(self) -> list[Snapshot]:
        """What has come since it was last asked, oldest first."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken

    def link(self) -> Link:
        with self._lock:
            return Link(self._state, self._detail, self._clock_s() - self._news_s)

    def _run(self) -> None:
        raise NotImplementedError

    def _put(self, row: Any) -> None:  # noqa: ANN401 (JSON)
        """Raises SnapshotError for what is no snapshot."""
        snapshot = Snapshot.of(row)
        with self._lock:
            self._waiting.append(snapshot)
            self._state, self._detail, self._news_s = "live", "", self._clock_s()
        self._wake()

    def _say(self, state: str, detail: str) -> None:
        with self._lock:
            self._state, self._detail = state, detail
        self._wake()


class EventFeed(Feed):
    """A running proxy's. Goes on when the proxy comes back, and says why it is gone meanwhile."""

    def __init__(
        self,
        url: BaseUrl,
        key: str | None = None,
        tls: ssl.SSLContext | None = None,
        clock_s: MonotonicS = time.monotonic,
    ) -> None:
        """tls: how an https proxy is known; None: by the system's authorities."""
        super().__init__(clock_s)
        self._url, self._key, self._tls = url, key, tls

    def _run(self) -> None:
        tries = 0
        while not self._is_closed.is_set():
            try:
                for row in events(self._url, self._key, self._tls):
                    self._put(row)
                    tries = 0
                    if self._is_closed.is_set():
                        return
                detail = f"{self._url} ended the feed"
            except (FeedError, SnapshotError) as error:
                detail = str(error)
            self._say("lost", detail)
            self._is_closed.wait(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
            tries += 1


class LineFeed(Feed):
    """One snapshot a line of a pipe, from the command whose screen this is; its end is the run's end."""

    def __init__(self, fd: int, clock_s: MonotonicS = time.monotonic) -> None:
        super().__init__(clock_s)
        self._fd = fd

    def _run(self) -> None:
        with open(self._fd, "rb", closefd=False) as lines:
            for line in lines:
                try:
                    self._put(orjson.loads(line))
                except (SnapshotError, orjson.JSONDecodeError) as error:
                    self._say("live", str(error))
        self._say("ended", "")


def events(url: BaseUrl, key: str | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Any]:
    """The JSON of each event, to the feed's end. Raises FeedError where there is none, or where it breaks off."""
    with _answer(url, key, LIVE_PATH, tls) as response:
        if response.headers.get_content_type() != "text/event-stream":
            raise FeedError(f"{url}{LIVE_PATH} is no feed: it answers {response.headers.get_content_type()}")
        data: list[bytes] = []
        while line := _line(response, url):
            text = line.rstrip(b"\r\n")
            if text.startswith(b"data:"):
                data.append(text[5:].strip())
            elif not text and data:
                yield _json(b"\n".join(data), url)
                data = []


def once(url: BaseUrl, key: str | None = None) -> Any:  # noqa: ANN401 (JSON)
    """One snapshot. Raises FeedError where there is none."""
    with _answer(url, key, f"{LIVE_PATH}?once=1") as response, _translated(url):
        return _json(response.read(), url)


@contextlib.contextmanager
def _answer(
    url: BaseUrl, key: str | None, path: str, tls: ssl.SSLContext | None = None
) -> Iterator[http.client.HTTPResponse]:
    headers = {"Accept": "text/event-stream, application/json", "Connection": "close"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection = (
        http.client.HTTPSConnection(url.host, url.port, timeout=_TIMEOUT_S, context=tls or url.ssl_context)
        if url.tls
        else http.client.HTTPConnection(url.host, url.port, timeout=_TIMEOUT_S)
    )
    with contextlib.closing(connection):
        with _translated(url):
            connection.request("GET", f"{url.prefix}{path}", headers=headers)
            response = connection.getresponse()
        with response:  # the connection hands its socket over to the last answer
            if response.status != 200:
                raise FeedError(f"{url} {_EXPLAINED.get(response.status) or _complaint(response, url)}")
            yield response


def _complaint(response: http.client.HTTPResponse, url: BaseUrl) -> str:
    with _translated(url):
        body = response.read(4096)
    try:
        detail = orjson.loads(body)["detail"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        detail = response.reason
    return f"answers {response.status}: {printable(detail)}"


def _line(response: http.client.HTTPResponse, url: BaseUrl) -> bytes:
    with _translated(url):
        line = response.readline(_LONGEST_LINE)
    if len(line) >= _LONGEST_LINE:
        raise FeedError(f"{url}{LIVE_PATH} sends a line of over {_LONGEST_LINE >> 20} MiB: is it imaxproxy?")
    return line


def _json(data: bytes, url: BaseUrl) -> Any:  # noqa: ANN401 (JSON)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise FeedError(f"{url}{LIVE_PATH} sends what is no JSON: {error}") from error


@contextlib.contextmanager
def _translated(url: BaseUrl) -> Iterator[None]:
    """What sockets and HTTP raise, as one line."""
    try:
        yield
    except TimeoutError as error:
        raise FeedError(f"no news from {url} for {_TIMEOUT_S:.0f} s") from error
    except OSError as error:
        why = error.strerror or str(error)
        raise FeedError(f"no answer from {url}: {os.strerror(error.errno) if error.errno else why}") from error
    except http.client.HTTPException as error:
        raise FeedError(f"{url} broke off: {type(error).__name__}") from error
    except ValueError as error:  # http.client's word for a key with a line end in it
        raise FeedError(f"{url} cannot be asked: {error}") from error
