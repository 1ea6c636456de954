"""Those who watch the proxy live. Each gets the newest snapshot when it has taken the one before; none holds it up."""

import asyncio
from collections.abc import Callable

from imaxproxy.errors import WireError

LINGER_S = 5.0
"""So long is looked on when the last viewer has gone: one who asks again and again (`?once=1`) finds figures."""
MOST_VIEWERS = 64


class Views:
    """Open ones of one process. `begin` is called when the first comes, `end_looking` some time after the last went."""

    def __init__(self, begin: Callable[[], None], end_looking: Callable[[], None]) -> None:
        self._begin, self._end_looking = begin, end_looking
        self._open: set[View] = set()
        self._is_on = False
        self._linger: asyncio.TimerHandle | None = None
        self.latest: bytes | None = None
        self.number = 0
        """Of the latest snapshot, from 1 since looking began."""
        self.ended = False

    def __repr__(self) -> str:
        return f"<Views: {len(self._open)} open>"

    def open(self) -> "View":
        """One more viewer. Raises WireError when there are too many."""
        if len(self._open) >= MOST_VIEWERS:
            raise WireError("too_many_viewers", f"{MOST_VIEWERS} are watching already")
        view = View(self)
        self._open.add(view)
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if not self._is_on:
            self._is_on, self.latest, self.number = True, None, 0
            self._begin()
        return view

    def close(self, view: "View") -> None:
        self._open.discard(view)
        if not self._open and self._is_on and self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._gone)

    def publish(self, snapshot: bytes) -> None:
        self.latest, self.number = snapshot, self.number + 1
        for view in self._open:
            view.news.set()

    def end(self) -> None:
        """Let all go, for good: this process is about to leave."""
        self.ended = True
        for view in self._open:
            view.news.set()
        if self._linger is not None:
            self._linger.cancel()
        if self._is_on:
            self._gone()

    def _gone(self) -> None:
        self._linger, self._is_on = None, False
        self._end_looking()


class View:
    """One viewer's place."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._seen = 0
        self.news = asyncio.Event()

    async def next(self, number: int = 1) -> bytes | None:
        """The newest snapshot that it has not seen, from the `number`th on; None when there will be none."""
        views = self._views
        while views.latest is None or views.number <= self._seen or views.number < number:
            if views.ended:
                return None
            self.news.clear()
            await self.news.wait()
        if views.ended:
            return None
        self._seen = views.number
        return views.latest

    def close(self) -> None:
        self._views.close(self)
