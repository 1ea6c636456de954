"""`python -m imaxproxy.live.screen`: the process that draws a command's screen. Not for people: they have `top`."""

import argparse
import os
import signal
import ssl
import threading

from imaxproxy.live.screen.app import App
from imaxproxy.live.screen.feed import KEY_VARIABLE, EventFeed, Feed, LineFeed
from imaxproxy.live.screen.messages import Messages
from imaxproxy.live.screen.terminal import Terminal
from imaxproxy.wire import BaseUrl


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--title", "--url"):
        parser.add_argument(name)
    for name in ("--rows-fd", "--messages-fd"):
        parser.add_argument(name, type=int, required=True)
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command; the screen goes when it goes
    feed: Feed = LineFeed(asked.rows_fd)
    if asked.url is not None:
        url = BaseUrl.parse(asked.url, "--url")
        feed = EventFeed(url, os.environ.pop(KEY_VARIABLE, None), _whoever() if url.tls else None)
        threading.Thread(target=_end_with, args=(asked.rows_fd,), daemon=True).start()
    with Terminal(0, 2) as terminal:
        App(
            terminal,
            feed,
            asked.title or "",
            leave_word="leave (it goes on)",
            message=Messages(asked.messages_fd),
            ends_with_feed=True,
        ).run()


def _whoever() -> ssl.SSLContext:
    """The command's own door: its certificate names the host that clients know, and not the loopback address."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _end_with(fd: int) -> None:
    """The command that started us holds the pipe's other end for as long as it lives."""
    while os.read(fd, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
