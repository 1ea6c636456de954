"""A command's screen, in a process of its own, as the command holds it."""

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Mapping
from typing import IO, Any

import orjson

from imaxproxy.live.screen.feed import KEY_VARIABLE
from imaxproxy.live.screen.terminal import reset_screen, restore

_MODULE = "imaxproxy.live.screen"
_LOOK_S = 0.2
_GOES_WITHIN_S = 3.0
_STDERR = 2


def can_show() -> bool:
    """Whether there is a terminal for keys and for the screen. TERM=dumb has no screen."""
    return os.isatty(0) and os.isatty(_STDERR) and os.environ.get("TERM", "dumb") != "dumb"


class HostedScreen:
    """While it is open, what anyone writes to stderr goes to the screen's message line, and to stderr afterwards.

    The process draws and reads keys; ours only hands it snapshots, or nothing where it asks a proxy itself. Whoever of
    the two dies, the terminal is put right.
    """

    def __init__(self, title: str, *, url: str | None = None, key: str | None = None) -> None:
        """url: of the proxy whose feed is shown; None: snapshots come by `show`."""
        self._attributes = termios.tcgetattr(0)
        self._stderr_fd = os.dup(_STDERR)
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        self._copied_bytes = 0
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        self._process, self._rows = self._start(title, url, key)
        os.dup2(_appending(self._messages), _STDERR)
        self._next, self._is_next = b"", threading.Event()
        self._watch = threading.Thread(target=self._look_after, daemon=True)
        self._watch.start()
        threading.Thread(target=self._hand_over, daemon=True).start()

    @property
    def is_up(self) -> bool:
        """False once the person has left it."""
        return self._process.poll() is None

    def show(self, snapshot: Mapping[str, Any]) -> None:
        """The next one. Never waits: a screen that is slow, or stopped, misses those between."""
        self._next = orjson.dumps(snapshot) + b"\n"
        self._is_next.set()

    def progress(self) -> dict[str, Any] | None:
        """What is shown is the whole."""
        return None

    def close(self) -> None:
        """The screen goes, stderr is stderr again, and what was said meanwhile stands there."""
        if self._is_closing.is_set():
            return
        self._is_closing.set()
        self._is_next.set()
        try:
            self._process.wait(_GOES_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._watch.join()
        self._put_right()
        os.dup2(self._stderr_fd, _STDERR)
        self._copy()
        self._messages.close()
        os.close(self._stderr_fd)

    def __enter__(self) -> "HostedScreen":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, title: str, url: str | None, key: str | None) -> tuple["subprocess.Popen[bytes]", IO[bytes]]:
        messages_fd = os.dup(self._messages.fileno())
        command = [sys.executable, "-P", "-m", _MODULE, "--title", title, "--messages-fd", str(messages_fd)]
        environment = dict(os.environ)
        environment.pop(KEY_VARIABLE, None)
        if key is not None:
            environment[KEY_VARIABLE] = key
        rows_fd, write_fd = os.pipe()
        command += ["--rows-fd", str(rows_fd), *(["--url", url] if url is not None else [])]
        process = subprocess.Popen(
            command, env=environment, pass_fds=[messages_fd, rows_fd], stdout=self._stderr_fd, stderr=self._stderr_fd
        )
        os.close(rows_fd)
        os.close(messages_fd)
        return process, open(write_fd, "wb")

    def _hand_over(self) -> None:
        """The newest snapshot into the pipe; when we close, its end, which ends the screen."""
        with contextlib.suppress(OSError), self._rows:
            while True:
                self._is_next.wait()
                self._is_next.clear()
                if self._is_closing.is_set():
                    return
                self._rows.write(self._next)
                self._rows.flush()

    def _look_after(self) -> None:
        """When the person leaves the screen, or it dies, stderr comes through again."""
        while not self._is_closing.wait(_LOOK_S):
            if self._process.poll() is None:
                continue
            self._put_right()
            self._copy()

    def _put_right(self) -> None:
        """What a screen that was killed has left behind; one that went by itself has done it."""
        if self._process.returncode != 0:
            reset_screen(self._stderr_fd)
            restore(0, self._attributes)

    def _copy(self) -> None:
        """What has been said since the last time, to where it would have gone."""
        with self._lock:
            data = os.pread(self._messages.fileno(), 1 << 24, self._copied_bytes)
            self._copied_bytes += len(data)
            while data:
                data = data[os.write(self._stderr_fd, data) :]


def _appending(file: IO[bytes]) -> int:
    """Several processes write there: each line goes to the end."""
    fcntl.fcntl(file.fileno(), fcntl.F_SETFL, fcntl.fcntl(file.fileno(), fcntl.F_GETFL) | os.O_APPEND)
    return file.fileno()
