"""What the person at the keyboard has chosen to see. Knows keys, and neither terminal nor feed."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from imaxproxy.live.screen.window import Window
from imaxproxy.live.snapshot import Snapshot

REMEMBERED = 600
"""Snapshots that a paused screen can go back to: ten minutes of them."""
SORTS: dict[str, tuple[str, ...]] = {
    "streams": ("slow", "age", "TTFT", "tokens", "tok/s", "idle", "model", "upstream", "client", "tag"),
    "slowest": ("E2E", "TTFT", "tok/s", "ended"),
    "group": ("now", "done", "bad", "tok/s", "TTFT p50", "name"),
    "errors": ("count", "error"),
    "nodes": ("trouble", "now", "done", "tok/s", "TTFT p50", "node"),
}
"""What each kind of table can be sorted by; `slow` is the order in which the meter told."""
TABS: tuple[str, ...] = (
    "streams",
    "slowest",
    "upstream",
    "model",
    "client",
    "tag",
    "errors",
    "engine",
    "points",
    "nodes",
)
"""What the large panel can show; the tenth by 0."""
PAGE_ROWS = 10


def _memory() -> deque[Snapshot]:
    return deque(maxlen=REMEMBERED)


@dataclass(slots=True)
class View:
    """Changed by keys, read when a frame is drawn."""

    tab: str = "streams"
    sorts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SORTS, 0))
    upside_down: bool = False
    filter: str = ""
    is_typing: bool = False
    """Keys go into the filter."""
    shows_help: bool = False
    scroll_rows: int = 0
    window: Window | None = None
    is_over: bool = False
    """The person is done looking."""
    past: deque[Snapshot] = field(default_factory=_memory)
    held: Snapshot | None = None
    """Paused at this one."""

    def take(self, snapshot: Snapshot) -> None:
        """The next one has come. A feed that begins anew (another run, a restarted proxy) leaves nothing behind."""
        if not self.past and snapshot.source in ("sweep", "search"):
            self.tab = "points"
        elif not self.past and snapshot.nodes:
            self.tab = "nodes"
        if self.past and snapshot.elapsed_s < self.past[-1].elapsed_s:
            self.past.clear()
            self.window = None
        self.past.append(snapshot)

    @property
    def shown(self) -> Snapshot | None:
        """What is on the screen: the newest, or the one that it is paused at."""
        return self.held or (self.past[-1] if self.past else None)

    def press(self, key: str) -> None:
        """A key's name: a letter, or `esc`, `enter`, `up` and the like. Keys that mean nothing do nothing."""
        if self.is_typing:
            self._type(key)
        elif self.shows_help:
            self.shows_help = False
            self.is_over = key == "q"
        elif key in _KEYS:
            _KEYS[key](self)

    @property
    def sort_kind(self) -> str:
        """Which of SORTS the large panel has; empty where it is no table."""
        return "group" if self.tab in ("upstream", "model", "client", "tag") else self.tab if self.tab in SORTS else ""

    def sorted_by(self, kind: str) -> str:
        return SORTS[kind][self.sorts[kind]]

    def _type(self, key: str) -> None:
        if key == "enter":
            self.is_typing = False
        elif key == "esc":
            self.is_typing, self.filter = False, ""
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1:
            self.filter += key
        self.scroll_rows = 0

    def _quit(self) -> None:
        self.is_over = True

    def _pause(self) -> None:
        self.held = None if self.held is not None else self.shown

    def _step(self, by: int) -> None:
        """To an earlier or later snapshot; going back pauses."""
        if not self.past or (self.held is None and by > 0):
            return
        at = next((i for i, each in enumerate(self.past) if each is self.held), len(self.past) - 1)
        self.held = self.past[min(max(at + by, 0), len(self.past) - 1)]

    def _window(self) -> None:
        """Open a window here, close the one that is open, or go back to the whole run."""
        shown = self.shown
        if shown is None:
            return
        if self.window is None:
            self.window = Window(shown)
        else:
            self.window = self.window.closed(shown) if self.window.end is None else None

    def _sort(self, by: int) -> None:
        if kind := self.sort_kind:
            self.sorts[kind] = (self.sorts[kind] + by) % len(SORTS[kind])
            self.scroll_rows = 0

    def _turn(self) -> None:
        self.upside_down = not self.upside_down

    def _tab(self, by: int) -> None:
        self._show(TABS[(TABS.index(self.tab) + by) % len(TABS)])

    def _show(self, tab: str) -> None:
        self.tab, self.scroll_rows, self.upside_down = tab, 0, False

    def _filter(self) -> None:
        self.is_typing = True

    def _help(self) -> None:
        self.shows_help = True

    def _scroll(self, rows: int) -> None:
        self.scroll_rows = max(self.scroll_rows + rows, 0)

    def _escape(self) -> None:
        """Back to the plain view, one step: the filter, the window, the pause."""
        if self.filter:
            self.filter = ""
        elif self.window is not None:
            self.window = None
        else:
            self.held = None


def _shows(tab: str) -> Callable[[View], None]:
    return lambda view: view._show(tab)


_KEYS: dict[str, Callable[[View], None]] = {
    "q": View._quit,
    "space": View._pause,
    "p": View._pause,
    "left": lambda view: view._step(-1),
    "right": lambda view: view._step(1),
    "w": View._window,
    "s": lambda view: view._sort(1),
    "S": lambda view: view._sort(-1),
    "r": View._turn,
    "tab": lambda view: view._tab(1),
    "backtab": lambda view: view._tab(-1),
    **{str(number % 10): _shows(tab) for number, tab in enumerate(TABS, 1)},
    "/": View._filter,
    "f": View._filter,
    "?": View._help,
    "h": View._help,
    "esc": View._escape,
    "up": lambda view: view._scroll(-1),
    "k": lambda view: view._scroll(-1),
    "down": lambda view: view._scroll(1),
    "j": lambda view: view._scroll(1),
    "pageup": lambda view: view._scroll(-PAGE_ROWS),
    "pagedown": lambda view: view._scroll(PAGE_ROWS),
    "home": lambda view: view._scroll(-view.scroll_rows),
}
HELP: tuple[tuple[str, str], ...] = (
    ("q", "leave the screen"),
    ("space  p", "pause, and go on"),
    ("←  →", "paused: a second back, a second on"),
    ("w", "freeze a window: begin, end, and back to the whole run"),
    ("tab  1 … 9 0", "what the large panel shows"),
    ("s  S", "sort it by the next column, the last one"),
    ("r", "turn the order round"),
    ("/", "only rows that hold these letters; esc: all"),
    ("↑ ↓  pgup pgdn", "scroll"),
    ("esc", "take back: filter, window, pause"),
    ("?", "this page"),
)
