"""One process of an engine, as we hold it: started under a warden, watched, stopped. Nothing of it outlives us."""

import contextlib
import errno
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from imaxproxy.errors import ImaxproxyError, UsageError

WARDEN = Path(__file__).with_name("warden.py")
_START_TIMEOUT_S = 10.0
_GONE_GRACE_S = 5.0
LOST = -9
"""The exit code of an engine whose warden was killed: it was killed too."""


class EngineError(ImaxproxyError):
    """An engine did not start or did not live; what it said last is in the message."""


class EngineProcess:
    """A program that runs until `stop`; any end before that is heard through `on_exit(self)`, also one with code 0, and
    the end of an inner process that is watched.

    argv: the program (looked up in `env`'s PATH) and its arguments.  env: its whole environment.  log: appended to.
    """

    def __init__(
        self,
        role: str,
        argv: list[str],
        env: Mapping[str, str],
        log: Path,
        on_exit: Callable[["EngineProcess"], None] = lambda process: None,
    ) -> None:
        self.role = role
        self.argv = argv
        self.log = log
        self.pid: int | None = None
        self.code: int | None = None
        """How its first process ended; below 0: the signal that ended it."""
        self.lost: str | None = None
        """The first inner process that ended before it: what it calls itself, and its number."""
        self._env = dict(env)
        self._on_exit = on_exit
        self._asked = False
        self._warden: subprocess.Popen[bytes] | None = None
        self._listener: threading.Thread | None = None
        self._started = threading.Event()
        self._exited = threading.Event()
        self._failed_errno: int | None = None

    def __repr__(self) -> str:
        how = "not started" if self.pid is None else f"pid {self.pid}" if self.code is None else f"ended {self.code}"
        return f"<EngineProcess {self.role} {self.argv[0]}, {how}>"

    @property
    def runs(self) -> bool:
        return self.pid is not None and not self._exited.is_set()

    def start(self) -> None:
        """Raises UsageError when there is no such program or it may not be run."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._warden = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WARDEN), str(self.log), *self.argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._env,
            start_new_session=True,  # Ctrl-C in a terminal is for us: streams in flight may still end
        )
        self._listener = threading.Thread(target=self._listen, args=(self._warden,), daemon=True)
        self._listener.start()
        if not self._started.wait(_START_TIMEOUT_S):
            self.stop(0.0)
            raise EngineError(f"{self.argv[0]} could not be started within {_START_TIMEOUT_S:g} s")
        if self._failed_errno is not None:
            self._close()
            raise UsageError(_unstartable(self.argv[0], self._failed_errno))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the engine's first process; False when it still runs."""
        return self._exited.wait(timeout_s)

    def watch(self, words: Sequence[str]) -> None:
        """From now on the end of any descendant is an end of the engine whose command line holds one of these words."""
        if words:
            self._tell(f"watch {' '.join(words)}")

    def ask_stop(self, deadline_s: float) -> None:
        """SIGTERM now, SIGKILL to all that is left of it after `deadline_s` seconds. Returns at once."""
        self._asked = True
        self._tell(f"stop {deadline_s}")

    def _tell(self, line: str) -> None:
        warden = self._warden
        if warden is not None and warden.stdin is not None and not warden.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                warden.stdin.write(f"{line}\n".encode())
                warden.stdin.flush()

    def stop(self, deadline_s: float) -> None:
        """Ask, and wait until it and all its descendants are gone. No harm when they are."""
        if self._warden is None:
            return
        self.ask_stop(deadline_s)
        try:
            self._warden.wait(deadline_s + _GONE_GRACE_S)
        except subprocess.TimeoutExpired:  # a process that no signal ends, stuck in the kernel
            self._warden.kill()
            self._warden.wait()
        self._close()

    def _close(self) -> None:
        warden, self._warden = self._warden, None
        if warden is None:
            return
        with contextlib.suppress(BrokenPipeError):
            cast(IO[bytes], warden.stdin).close()
        warden.wait()
        if self._listener is not None:  # what the warden said last is heard
            self._listener.join()

    def _listen(self, warden: "subprocess.Popen[bytes]") -> None:
        """In a thread: what the warden says, to its end."""
        with cast(IO[bytes], warden.stdout) as lines:
            for line in lines:
                word, _, number = line.decode().strip().partition(" ")
                if word == "started":
                    self.pid = int(number)
                    self._started.set()
                elif word == "failed":
                    self._failed_errno = int(number)
                    self._started.set()
                elif word == "lost":
                    self._lose(number)
                elif word == "exited":
                    self._end(int(number))
        self._end(LOST)  # no harm after "exited"
        self._started.set()

    def _lose(self, called: str) -> None:
        pid, _, name = called.partition(" ")
        if self.lost is None and not self._asked:
            self.lost = f"{name} (process {pid})"
            self._on_exit(self)

    def _end(self, code: int) -> None:
        if self._exited.is_set() or self.pid is None:
            return
        self.code = code
        self._exited.set()
        if not self._asked:
            self._on_exit(self)


def _unstartable(program: str, number: int) -> str:
    if number == errno.ENOENT:
        return (
            f"{program} is not installed, or not on PATH: install the engine, or put its environment's bin folder "
            f"first in PATH (PATH=.../bin:$PATH imaxproxy ...)"
        )
    return f"{program} cannot be run: {errno.errorcode.get(number, number)}; is it a program, and may you execute it?"
