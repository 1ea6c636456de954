"""Whether a cluster's head still listens. Ray's own calls block for a minute when it does not, then end the process."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

_EVERY_S, _PROBE_S = 1.0, 3.0
_MISSED = 3
"""In a row: one may be a host's moment of weakness."""


def reachable(address: str) -> OSError | None:
    """None when somebody listens at HOST:PORT; else why not."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_S).close()
    except OSError as error:
        return error
    return None


class Head:
    """Watches it from a thread, inside a `with`."""

    def __init__(self, address: str, on_lost: Callable[[str], None], every_s: float = _EVERY_S) -> None:
        """on_lost: called once, from that thread, with the address."""
        self.address, self.is_lost = address, False
        self._on_lost, self._every_s = on_lost, every_s
        self._over = threading.Event()

    def __repr__(self) -> str:
        return f"<Head {self.address}{', lost' if self.is_lost else ''}>"

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        missed = 0
        while not self._over.wait(self._every_s):
            missed = missed + 1 if reachable(self.address) is not None else 0
            if missed == _MISSED:
                self.is_lost = True
                self._on_lost(self.address)
                return
