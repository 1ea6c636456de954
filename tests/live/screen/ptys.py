"""A command on a terminal of its own, as a person has it."""

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

DEADLINE_S = 30.0
_ENDED = re.compile(rb"ended: (\d+)\r\n")
LEFT = b"\x1b[?1049l"
"""A screen that has gone."""
_SHELL = 'trap : INT; "$@"; echo "ended: $?"; read -r _'
"""It outlives the command, as a person's does: a terminal whose session has lost its head takes no more writes."""
_ROOT = Path(__file__).parents[3]


class OnTerminal:
    """What is written is kept; keys are sent as bytes."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int, slave: int) -> None:
        self.process, self._master, self._slave = process, master, slave
        self.before = termios.tcgetattr(slave)
        self.written = b""

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def resize(self, width: int, height: int) -> None:
        _set_size(self._master, width, height)

    def read(self, wait_s: float = 0.05) -> bytes:
        """What has come since."""
        found = b""
        while select.select([self._master], [], [], 0 if found else wait_s)[0]:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:  # nobody holds the other end any more
                break
            if not data:
                break
            found += data
        self.written += found
        return found

    def until(self, wanted: "bytes | Callable[[], object]", *, since: int = 0) -> int:
        """Wait for text, or for a condition; where the output then ends."""
        over_s = time.monotonic() + DEADLINE_S
        while not (wanted in self.written[since:] if isinstance(wanted, bytes) else wanted()):
            assert time.monotonic() < over_s, f"waited for {wanted!r}: {self.written[-3000:]!r}"
            self.read()
        return len(self.written)

    def wait(self) -> int:
        """To the command's end: its exit code."""
        self.until(lambda: _ENDED.search(self.written))
        found = _ENDED.search(self.written)
        assert found is not None
        return int(found[1])

    def is_as_before(self) -> bool:
        return termios.tcgetattr(self._slave) == self.before

    def signal(self, number: int) -> None:
        """To the command alone: the shell waits for it."""
        shell = self.process.pid
        (command,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        os.kill(int(command), number)


@contextlib.contextmanager
def on_terminal(
    folder: Path, *arguments: object, width: int = 80, height: int = 24, **environment: str
) -> Iterator[OnTerminal]:
    """`imaxproxy ...` under a shell that is the head of a session on a new terminal; nothing of it is left behind."""
    master, slave = os.openpty()
    _set_size(master, width, height)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = subprocess.Popen(
        [
            "sh",
            "-c",
            _SHELL,
            "sh",
            sys.executable,
            "-m",
            "imaxproxy.cli.main",
            *map(str, arguments),
        ],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(_ROOT), "TERM": "xterm-256color", "PYTHONWARNINGS": "error"} | environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    try:
        yield OnTerminal(process, master, slave)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(slave)
        os.close(master)


def _set_size(fd: int, width: int, height: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
