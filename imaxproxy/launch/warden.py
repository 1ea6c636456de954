"""Stands between us and one engine process, so that nothing of the engine outlives us. Run as a script, alone.

    python -I -S warden.py LOG PROGRAM [ARGUMENT ...]

The engine gets a session of its own, its output goes to LOG. On stdin: `stop SECONDS` asks the engine to end (SIGTERM)
and kills it when the seconds are over; the end of stdin means that whoever started us is gone, and does the same with
5 seconds. `watch WORD WORD ..` looks once for the descendants whose command line holds one of the words: the engine's
inner processes. On stdout, a line each: `started PID` or `failed ERRNO`, then `lost PID COMMAND` the moment a watched
process ends, `exited CODE` (below 0: a signal) the moment the engine's first process does, then `gone` when none of
its descendants is left. As a subreaper this process inherits those whose parents died, so it finds them all, also the
ones that left the engine's process group.

There are two of us, one the other's guard. Ray kills the children of an actor's process when that ends, and so would
leave the engine's inner processes to nobody; the guard is that child, and the warden lives on until all is gone. When
the warden is killed (a machine out of memory), the guard inherits what it held, and kills it.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

PARENT_GONE_S = 5.0
LEFTOVERS_S = 2.0  # workers clean up shared memory when their parent ends; then they are killed
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


class Warden:
    """One engine process and its descendants, until none is left."""

    def __init__(self, log: str, argv: "list[str]") -> None:
        self._log, self._argv = log, argv
        self._pid = 0
        self._exited = False
        self._asked = False
        self._kill_at_s: float | None = None
        self._input: int | None = 0
        self._heard = b""
        self._parts: dict[int, str] = {}
        """Inner processes that are watched: a descriptor of each, and what to call it."""
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)

    def run(self) -> int:
        """The exit status of this process: 0, or 1 when the engine could not be started."""
        _prctl(_PR_SET_CHILD_SUBREAPER)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, *_STOP_SIGNALS):
            signal.signal(number, _wake_only)
        if not self._start():
            return 1
        while self._pid:
            self._wait()
        _say("gone")
        return 0

    def _start(self) -> bool:
        """Start the engine; False when its program cannot be run."""
        failed, failing = os.pipe()  # closed by a successful exec
        self._pid = os.fork()
        if not self._pid:
            _become(self._argv, self._log, failing)
        os.close(failing)
        error = os.read(failed, 16).decode()
        os.close(failed)
        if error:
            os.waitpid(self._pid, 0)
            _say(f"failed {error}")
            return False
        _say(f"started {self._pid}")
        return True

    def _wait(self) -> None:
        """Sleep until something happens, and deal with it."""
        watched = [self._wake, *self._parts] if self._input is None else [self._wake, self._input, *self._parts]
        left_s = None if self._kill_at_s is None else max(0.0, self._kill_at_s - time.monotonic())
        readable, _, _ = select.select(watched, [], [], left_s)
        if self._wake in readable:
            self._hear_signals(os.read(self._wake, 4096))
        if self._input is not None and self._input in readable:
            self._hear_owner(os.read(self._input, 4096))
        self._reap()
        for descriptor in self._parts.keys() & set(readable):
            self._lose(descriptor)
        if self._kill_at_s is not None and time.monotonic() >= self._kill_at_s:
            self._kill_all()

    def _hear_signals(self, numbers: bytes) -> None:
        if any(number in _STOP_SIGNALS for number in numbers):
            self._stop(PARENT_GONE_S)

    def _hear_owner(self, data: bytes) -> None:
        if not data:
            self._input = None
            self._stop(PARENT_GONE_S)
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            word, *rest = line.decode().split(" ")
            if word == "watch":
                self._watch(rest)
            elif word == "stop":
                self._stop(float(rest[0]))

    def _watch(self, words: "list[str]") -> None:
        """Found once and then waited for, at no cost: looking again and again would read all of /proc."""
        for pid in _descendants(self._pid):
            command = _command(pid)
            if any(word in command for word in words):
                with contextlib.suppress(OSError, AttributeError):  # gone already, or a kernel before 5.3
                    self._parts[os.pidfd_open(pid)] = f"{pid} {command.split(' ')[0]}"

    def _lose(self, descriptor: int) -> None:
        os.close(descriptor)
        called = self._parts.pop(descriptor)
        if not self._asked and not self._exited:
            _say(f"lost {called}")

    def _stop(self, deadline_s: float) -> None:
        """SIGTERM to the engine's first process, once: a second one makes some engines drop what they drain."""
        at_s = time.monotonic() + deadline_s
        self._kill_at_s = at_s if self._kill_at_s is None else min(at_s, self._kill_at_s)
        if not self._asked and not self._exited:
            self._asked = True
            _signal(self._pid, signal.SIGTERM)

    def _reap(self) -> None:
        """Collect whoever ended, also descendants that were left to us."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self._pid and not self._exited:
                    self._exited = True
                    _say(f"exited {os.waitstatus_to_exitcode(status)}")
                    self._kill_at_s = time.monotonic() + LEFTOVERS_S
        self._pid = 0  # no child is left, so no descendant is

    def _kill_all(self) -> None:
        """SIGKILL to all descendants, as often as it takes: one may be born while we look."""
        for pid in _descendants(os.getpid()):
            _signal(pid, signal.SIGKILL)
        self._kill_at_s = time.monotonic() + 0.05


def _become(argv: "list[str]", log: str, failing: int) -> None:
    """In the child: turn into the engine. Never returns."""
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # should the warden itself be killed
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, *_STOP_SIGNALS, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(failing, str(error.errno).encode())
    finally:
        os._exit(127)


def _command(pid: int) -> str:
    """Its command line, which engines overwrite with a title; "" when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(4096).replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def _descendants(root: int) -> "list[int]":
    """All below `root` in the process tree, nearest first."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _wake_only(_number: int, _frame: object) -> None:
    """The wake-up descriptor has told the loop."""


def _prctl(option: int, value: int = 1) -> None:
    with contextlib.suppress(OSError, AttributeError):  # not Linux: the end of stdin still tells us
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever started us is gone: stdin says so too
        os.write(1, f"{line}\n".encode())


def _guard(warden: int) -> int:
    """In the first of us: wait for the warden, and for what it leaves when it is killed. Its exit status, or 1."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)  # our owner and the warden talk with each other alone: each hears of the other's end
    os.dup2(nothing, 1)
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda number, _frame: _signal(warden, number))
    code: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return 1 if code is None or code < 0 else code
        if pid == warden:
            code = os.waitstatus_to_exitcode(status)
        if code is not None:  # as often as one ends: another may have been born while we looked
            for left in _descendants(os.getpid()):
                _signal(left, signal.SIGKILL)


def main() -> int:
    """Be the guard, and have the warden."""
    _prctl(_PR_SET_CHILD_SUBREAPER)
    warden = os.fork()
    return _guard(warden) if warden else Warden(sys.argv[1], sys.argv[2:]).run()


if __name__ == "__main__":
    sys.exit(main())
