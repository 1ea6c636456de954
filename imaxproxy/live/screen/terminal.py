"""The terminal: keys without echo, a screen of its own, and all as it was when we leave."""

import fcntl
import os
import signal
import struct
import termios
import tty
from types import FrameType, TracebackType

from rich.console import Console
from rich.text import Text

_ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The alternate screen, no cursor, and no wrapping: a character that the terminal holds for wider than we do must not
push all lines out of place."""
_LEAVE = b"\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l"
_BEGIN, _END = b"\x1b[?2026h", b"\x1b[?2026l"
"""Between them a terminal that knows of it shows nothing: no frame is ever seen half drawn."""
_FALLBACK = (80, 24)


class Terminal:
    """A context: inside it the screen is ours. Draws only the lines that have changed."""

    def __init__(self, keys_fd: int, screen_fd: int, *, color_system: str | None = "auto") -> None:
        """keys_fd: where keys are read.  screen_fd: what is drawn on. Both are the same terminal, most of the time."""
        self.keys_fd, self._screen_fd = keys_fd, screen_fd
        self._color_system = color_system
        self._before: list[object] | None = None
        self._drawn: list[str] = []
        self._size = _FALLBACK
        self._console = self._new_console(*_FALLBACK)

    def __enter__(self) -> "Terminal":
        self._before = termios.tcgetattr(self.keys_fd)
        signal.signal(signal.SIGTSTP, self._stop)
        self._enter()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        self._leave()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows now."""
        try:
            rows, columns = struct.unpack("hhhh", fcntl.ioctl(self._screen_fd, termios.TIOCGWINSZ, b"\0" * 8))[:2]
        except OSError:
            return _FALLBACK
        return (columns, rows) if columns > 0 and rows > 0 else _FALLBACK

    def draw(self, lines: list[Text], size: tuple[int, int]) -> None:
        """`lines` were made for `size`; another size than the last one's means a new start."""
        if size != self._size:
            self._size, self._drawn = size, []
            self._console = self._new_console(*size)
        fresh = self._styled(lines)
        changes = [
            f"\x1b[{row + 1};1H{line}\x1b[0m"
            for row, line in enumerate(fresh)
            if row >= len(self._drawn) or self._drawn[row] != line
        ]
        clear = b"" if self._drawn else b"\x1b[2J"
        self._drawn = fresh
        if changes:
            self._write(_BEGIN + clear + "".join(changes).encode() + _END)

    def redraw(self) -> None:
        """The next frame is drawn whole: somebody else has written on the screen."""
        self._drawn = []

    def _styled(self, lines: list[Text]) -> list[str]:
        """Each line with its control sequences; rich knows what colours the terminal has, and honours NO_COLOR."""
        with self._console.capture() as captured:
            self._console.print(Text("\n").join(lines), soft_wrap=True, end="")
        return captured.get().split("\n")

    def _new_console(self, columns: int, rows: int) -> Console:
        system = self._color_system
        return Console(
            force_terminal=True,
            color_system=system,  # type: ignore[arg-type]  # one of rich's names
            width=columns,
            height=rows,
            highlight=False,
            markup=False,
            legacy_windows=False,
        )

    def _enter(self) -> None:
        tty.setcbreak(self.keys_fd)  # Ctrl-C and Ctrl-Z stay signals
        self._write(_ENTER)
        self.redraw()

    def _leave(self) -> None:
        self._write(_LEAVE)
        if self._before is not None:
            restore(self.keys_fd, self._before)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal back, and we get ours when we go on."""
        self._leave()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Here again once somebody has sent SIGCONT.
        signal.signal(signal.SIGTSTP, self._stop)
        self._enter()

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._screen_fd, data) :]
            except OSError:  # the terminal has gone: there is nobody to draw for
                return


def restore(fd: int, attributes: list[object]) -> None:
    """Set a terminal's attributes as they were. From the background that would stop us: the signal is held off."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        termios.tcsetattr(fd, termios.TCSADRAIN, attributes)  # type: ignore[arg-type]  # as tcgetattr gave them
    except termios.error:  # it has gone
        pass
    finally:
        signal.signal(signal.SIGTTOU, before)


def reset_screen(fd: int) -> None:
    """Leave our screen for whoever drew on it and died."""
    try:
        os.write(fd, _LEAVE)
    except OSError:
        return
