"""The screen's loop: keys, news and time in, frames out."""

import contextlib
import os
import selectors
import signal
from collections.abc import Callable, Iterator

from imaxproxy.live.screen.feed import Feed
from imaxproxy.live.screen.frame import frame, waiting
from imaxproxy.live.screen.keys import KeyReader
from imaxproxy.live.screen.scene import Scene
from imaxproxy.live.screen.terminal import Terminal
from imaxproxy.live.screen.view import View

_TICK_S = 1.0
"""Ages of what is shown are drawn anew so often, though nothing comes."""
_ESCAPE_S = 0.05
"""An escape that nothing follows for so long is the key itself."""
_FAREWELL_KEYS = 4096
Message = Callable[[], str]


class App:
    """One person's screen, from the first frame to the last key."""

    def __init__(
        self,
        terminal: Terminal,
        feed: Feed,
        title: str,
        *,
        leave_word: str = "quit",
        message: Message = lambda: "",
        ends_with_feed: bool = False,
    ) -> None:
        """title: what is said to be waited for.  ends_with_feed: the screen goes when its command is done."""
        self._terminal, self._feed, self._title = terminal, feed, title
        self._leave_word, self._message, self._ends_with_feed = leave_word, message, ends_with_feed
        self._view, self._keys = View(), KeyReader()

    def run(self) -> None:
        """Until the person leaves, the terminal goes, or a signal asks."""
        with _wake_up() as (woken_fd, wake), selectors.DefaultSelector() as selector:
            selector.register(woken_fd, selectors.EVENT_READ)
            selector.register(self._terminal.keys_fd, selectors.EVENT_READ)
            with _ends_on_signal(self._end):
                self._feed.start(wake)
                while not self._view.is_over:
                    self._draw()
                    ready = {key.fd for key, _ in selector.select(_ESCAPE_S if self._keys.waits else _TICK_S)}
                    if woken_fd in ready:
                        os.read(woken_fd, _FAREWELL_KEYS)
                    self._read_keys(has_some=self._terminal.keys_fd in ready)
                    self._take_news()
            self._feed.close()

    def _end(self) -> None:
        self._view.is_over = True

    def _read_keys(self, *, has_some: bool) -> None:
        keys = self._keys.flush() if self._keys.waits and not has_some else []
        if has_some:
            try:
                data = os.read(self._terminal.keys_fd, 1024)
            except OSError:
                data = b""
            if not data:  # the terminal has gone
                self._end()
            keys = self._keys.feed(data)
        for key in keys:
            if key == "\x0c":  # Ctrl-L
                self._terminal.redraw()
            elif self._view.shown is None and key == "q":
                self._end()
            else:
                self._view.press(key)

    def _take_news(self) -> None:
        for snapshot in self._feed.take():
            self._view.take(snapshot)
        if self._ends_with_feed and self._feed.link().state == "ended":
            self._end()

    def _draw(self) -> None:
        size, shown, link = self._terminal.size, self._view.shown, self._feed.link()
        if shown is None:
            self._terminal.draw(waiting(self._title, link, self._message(), *size), size)
        else:
            scene = Scene(shown, self._view, link, self._message(), self._leave_word)
            self._terminal.draw(frame(scene, *size), size)


@contextlib.contextmanager
def _wake_up() -> Iterator[tuple[int, Callable[[], None]]]:
    """A pipe that ends a wait, from a thread or from a signal (the terminal's new size is one)."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)

    def wake() -> None:
        with contextlib.suppress(OSError):  # full: it wakes already; closed: nobody waits any more
            os.write(write_fd, b".")

    before_fd = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    before = signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
    try:
        yield read_fd, wake
    finally:
        signal.set_wakeup_fd(before_fd)
        signal.signal(signal.SIGWINCH, before)
        os.close(read_fd)
        os.close(write_fd)


@contextlib.contextmanager
def _ends_on_signal(end: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C, kill and a closed window end the screen as q does: the terminal is put right. An ignored one stays so."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, lambda _number, _frame: end())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
