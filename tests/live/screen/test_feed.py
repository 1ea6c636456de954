import os
import threading
from collections.abc import Callable, Iterator

import orjson
import pytest

from imaxproxy.live.screen.feed import EventFeed, Feed, FeedError, LineFeed, events, once
from imaxproxy.wire import BaseUrl
from live.samples import row
from live.screen.feeds import Handler, serving

DEADLINE_S = 20.0


def url_of(port: int) -> BaseUrl:
    return BaseUrl("127.0.0.1", port)


class Watched:
    """A feed, and what it brought."""

    def __init__(self, feed: Feed) -> None:
        self.feed, self._news = feed, threading.Event()
        feed.start(self._news.set)

    def until(self, condition: Callable[[], object]) -> None:
        for _ in range(200):
            if condition():
                return
            self._news.wait(DEADLINE_S / 200)
            self._news.clear()
        raise AssertionError(f"it did not come to it: {self.feed.link()}")


@pytest.fixture
def watch() -> Iterator[Callable[[Feed], Watched]]:
    made: list[Watched] = []

    def start(feed: Feed) -> Watched:
        made.append(Watched(feed))
        return made[-1]

    yield start
    for each in made:
        each.feed.close()


def test_events_come_one_by_one_and_comments_are_none() -> None:
    with serving(lambda asked: asked.events({"a": 1}, {"a": 2})) as server:
        assert list(events(url_of(server.port), "sk-1")) == [{"a": 1}, {"a": 2}]
    assert server.asked == [("/imax/live", "Bearer sk-1")]


def test_one_look() -> None:
    def answer(asked: Handler) -> None:
        asked.head(200, "application/json")
        asked.wfile.write(b'{"a": 1}')

    with serving(answer) as server:
        assert once(url_of(server.port)) == {"a": 1}
    assert server.asked == [("/imax/live?once=1", None)]


@pytest.mark.parametrize(
    ("status", "kind", "body", "said"),
    [
        (401, "application/json", b"{}", "asks for a key: give --key, or set IMAXPROXY_KEY"),
        (403, "application/json", b'{"detail": "for this machine only"}', "answers 403: for this machine only"),
        (404, "text/html", b"", "has no /imax/live"),
        (503, "application/json", b'{"detail": "64 are watching"}', "answers 503: 64 are watching"),
        (500, "text/html", b"<b>", "answers 500: Internal Server Error"),
        (200, "text/html", b"<b>", "is no feed: it answers text/html"),
        (200, "text/event-stream", b"data: {half\n\n", "what is no JSON"),
    ],
)
def test_what_is_no_feed_is_told_in_one_line(status: int, kind: str, body: bytes, said: str) -> None:
    def answer(asked: Handler) -> None:
        asked.head(status, kind)
        asked.wfile.write(body)

    with serving(answer) as server, pytest.raises(FeedError) as told:
        list(events(url_of(server.port)))
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_nobody_there() -> None:
    with serving(lambda asked: None) as server:
        port = server.port
    with pytest.raises(FeedError, match=r"no answer from http://127.0.0.1:.*: Connection refused"):
        once(url_of(port))


def test_an_answer_that_breaks_off() -> None:
    with (
        serving(lambda asked: None) as server,
        pytest.raises(FeedError, match=r"no answer from .*: Remote end closed connection"),
    ):
        once(url_of(server.port))


def test_a_key_that_no_header_can_hold() -> None:
    with serving(lambda asked: None) as server, pytest.raises(FeedError, match="cannot be asked"):
        once(url_of(server.port), "sk\r\nHost: x")


def test_a_feed_goes_on_when_the_proxy_comes_back(watch: Callable[[Feed], Watched]) -> None:
    answers = iter([row(1), row(2)])
    with serving(lambda asked: asked.events(next(answers))) as server:
        watched = watch(EventFeed(url_of(server.port)))
        found = []
        watched.until(lambda: found.extend(watched.feed.take()) or len(found) >= 2)
    assert [each.elapsed_s for each in found] == [row(1)["elapsed_s"], row(2)["elapsed_s"]]
    watched.until(lambda: watched.feed.link().state == "lost")
    assert watched.feed.link().detail


def test_another_version_is_said_and_tried_again(watch: Callable[[Feed], Watched]) -> None:
    with serving(lambda asked: asked.events({"schema": "imaxproxy.live/9"})) as server:
        watched = watch(EventFeed(url_of(server.port)))
        watched.until(lambda: watched.feed.link().state == "lost")
        assert "imaxproxy.live/9" in watched.feed.link().detail
        watched.until(lambda: len(server.asked) >= 2)


def test_lines_of_a_pipe_and_its_end(watch: Callable[[Feed], Watched]) -> None:
    read_fd, write_fd = os.pipe()
    watched = watch(LineFeed(read_fd))
    os.write(write_fd, b"{broken\n" + orjson.dumps(row(1)) + b"\n")
    found = []
    watched.until(lambda: found.extend(watched.feed.take()) or found)
    os.close(write_fd)
    watched.until(lambda: watched.feed.link().state == "ended")
    assert len(found) == 1
    os.close(read_fd)


def test_how_long_there_has_been_no_news() -> None:
    now_s = 0.0
    feed = EventFeed(url_of(1), clock_s=lambda: now_s)
    assert feed.link().state == "connecting"
    now_s = 12.5
    assert feed.link().quiet_s == 12.5
