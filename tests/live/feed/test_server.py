"""A replay's feed over real sockets."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.live.feed.server import FeedServer

Viewer = Callable[[dict[str, Any]], None]


class Source:
    """Stands for the PlayerFeed: gives snapshots when the test says, to whoever watches."""

    def __init__(self) -> None:
        self.viewers: list[Viewer] = []
        self.came = threading.Event()
        self.gone = threading.Event()

    def watch(self, viewer: Viewer) -> Callable[[], None]:
        self.viewers.append(viewer)
        self.came.set()

        def leave() -> None:
            self.viewers.remove(viewer)
            self.gone.set()

        return leave

    def show(self, number: int) -> None:
        for viewer in self.viewers:
            viewer({"number": number})


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def server(source: Source) -> Iterator[FeedServer]:
    server = FeedServer(0, source.watch)
    yield server
    server.close()


def test_a_viewer_gets_what_comes_until_it_leaves(server: FeedServer, source: Source) -> None:
    assert source.viewers == []  # nobody watches: nobody asks
    with urllib.request.urlopen(f"{server.url}/imax/live", timeout=10) as feed:
        assert feed.headers["Content-Type"] == "text/event-stream"
        assert source.came.wait(10)
        seen = []
        lines = iter(feed)
        for number in range(3):
            source.show(number)
            data = next(line for line in lines if line.startswith(b"data: "))
            seen.append(json.loads(data[6:])["number"])
        assert seen == [0, 1, 2]
    for number in range(1000):  # until the server has noticed
        source.show(number)
        if source.gone.wait(0.01):
            break
    assert source.viewers == []


def test_once_is_the_second_one(server: FeedServer, source: Source) -> None:
    def show() -> None:
        source.came.wait(10)
        source.show(1)
        source.show(2)

    thread = threading.Thread(target=show)
    thread.start()
    with urllib.request.urlopen(f"{server.url}/imax/live?once=1", timeout=10) as answer:
        assert json.load(answer) == {"number": 2}
    thread.join()


def test_one_that_does_not_read_holds_nobody(server: FeedServer, source: Source) -> None:
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as lagging:  # type: ignore[arg-type]
        lagging.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        lagging.sendall(b"GET /imax/live HTTP/1.1\r\nHost: h\r\n\r\n")
        assert source.came.wait(10)
        for viewer in list(source.viewers):
            for _ in range(50):
                viewer({"filler": "x" * 100_000})
        with urllib.request.urlopen(f"{server.url}/imax/live", timeout=10) as feed:
            assert next(line for line in feed if line.startswith(b"data: ")).startswith(b'data: {"filler"')


def test_another_path_is_not_there(server: FeedServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{server.url}/v1/models", timeout=10)


def test_a_port_that_is_taken_is_said(server: FeedServer, source: Source) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(UsageError, match=rf"^--live-port {port}: .*choose another"):
        FeedServer(port, source.watch)
