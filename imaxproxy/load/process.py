"""Starts the data process of a replay, feeds it items, and hears of its progress."""

import contextlib
import fcntl
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import IO, Any, cast

import orjson

from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.load.item import END, Item
from imaxproxy.load.worker import WorkerSettings

_PIPE_BYTES = 1 << 20


class PlayerProcess:
    """One worker: `start` it early (it takes 0.2 s to come up), then `feed` it, then read `progress` to its end."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)
        with contextlib.suppress(OSError, AttributeError):  # a smaller pipe only means more switches
            fcntl.fcntl(self._stdin.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._feeder: threading.Thread | None = None
        self._feed_error: UsageError | None = None

    def feed(self, settings: WorkerSettings, items: Iterable[Item]) -> None:
        """Hand over items from a thread of their own, as fast as the worker takes them."""
        self._feeder = threading.Thread(target=self._feed, args=(settings, items), daemon=True)
        self._feeder.start()

    def progress(self) -> Iterator[dict[str, Any]]:
        """The worker's lines, until it ends; the last one says how: `ended`, `lost_lines`."""
        return map(orjson.loads, self._stdout)

    def interrupt(self) -> None:
        """Ask the worker to stop: what is in flight is recorded as aborted."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def abandon(self) -> None:
        """End it if it still runs: the command gave up."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._close_pipes()

    def close(self) -> int:
        """Wait for the end; the worker's exit code. Raises UsageError when a row in mid-trace could not be sent."""
        code = self._process.wait()
        if self._feeder is not None:
            self._feeder.join()
        self._close_pipes()
        if self._feed_error is not None:
            raise self._feed_error
        return code

    def _close_pipes(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()

    def _feed(self, settings: WorkerSettings, items: Iterable[Item]) -> None:
        try:
            self._stdin.write(orjson.dumps(asdict(settings)) + b"\n")
            self._write(items)
            self._stdin.write(END)
        except BrokenPipeError:  # the worker was stopped
            pass
        finally:  # also when making an item broke: a pipe that closes without END stops the worker
            with contextlib.suppress(BrokenPipeError):
                self._stdin.close()

    def _write(self, items: Iterable[Item]) -> None:
        try:
            for item in items:
                self._stdin.write(item.frame())
                self._stdin.flush()
        except UsageError as error:  # told when the worker has ended: what was sent before is measured
            self._feed_error = error


def check_worker(code: int) -> None:
    """Raises ImaxproxyError when the worker died of something else than its end."""
    if code != 0:
        raise ImaxproxyError(f"the player process ended with code {code}: see its message above; the journal is kept")
