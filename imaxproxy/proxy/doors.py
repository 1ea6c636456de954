"""Listening sockets, one for each worker, all on one port."""

import contextlib
import socket

from imaxproxy.proxy.front import bind


def open_doors(host: str, port: int, count: int) -> list[socket.socket]:
    """`count` sockets between which the kernel shares out what connects. Raises UsageError as `bind` does.

    They outlive the workers: a connection that waits in a door's queue while its worker is replaced is served by the
    next one. Alone, SO_REUSEPORT would let a second proxy of the same user take half of this one's port unsaid, so the
    port is first asked for without.
    """
    first = bind(host, port)
    if count == 1:
        return [first]
    with first:
        address = first.getsockname()
    with contextlib.ExitStack() as stack:
        doors = [stack.enter_context(bind(host, address[1], shared=True)) for _ in range(count)]
        stack.pop_all()
    return doors
