"""When a read came is the kernel's word, whenever it was read; and how late it was read is counted."""

import socket
import time

import pytest

from imaxproxy.wire import splice

if not splice._built():
    pytest.skip("the C part is not built here", allow_module_level=True)

from wire.carried import DEADLINE_S, Carried, unread_bytes


def lateness(carried: Carried) -> tuple[dict[int, int], int]:
    return carried.splicer.lateness()


def stamping(carried: Carried) -> None:
    """The kernel begins to stamp a moment after the first socket has asked for it."""
    until_s = time.monotonic() + DEADLINE_S
    while not lateness(carried)[0]:
        assert time.monotonic() < until_s, "the kernel never stamped"
        carried.feed(b"x" * 20)
    carried.take()


def sent(carried: Carried, data: bytes) -> tuple[int, int]:
    """Have the kernel take it in while nobody reads: before and after that."""
    before_ns = time.monotonic_ns()
    carried.engine.sendall(data)
    while not unread_bytes(carried.ours):
        pass
    return before_ns, time.monotonic_ns()


def test_a_late_read_has_the_time_at_which_it_came() -> None:
    with Carried(batch_reads=1) as carried:
        stamping(carried)
        carried.splice.pause()
        before_ns, there_ns = sent(carried, b"a" * 20)
        while time.monotonic_ns() < there_ns + 3_000_000:
            pass
        carried.splice.resume()
        carried.until_ready()
        read_ns = time.monotonic_ns()
        (at_ns,) = carried.take().read_times_ns
        late_us, unstamped = lateness(carried)
    assert before_ns <= at_ns <= there_ns
    assert unstamped == 0
    ((late, reads),) = late_us.items()
    assert (reads, late >= 3000) == (1, True)
    assert late <= (read_ns - before_ns) / 1000 * 1.125 + 1, "a bucket is an eighth wide at most"


def test_lateness_counts_since_the_last_time() -> None:
    with Carried() as carried:
        stamping(carried)
        carried.feed(b"a" * 20, b"b" * 20)
        assert sum(lateness(carried)[0].values()) == 2
        assert lateness(carried) == ({}, 0)


def test_what_came_before_anyone_was_there_counts_from_then() -> None:
    with Carried() as first:
        stamping(first)
        with Carried(splicer=first.splicer, paused=True) as carried:
            carried.splice.stop()
            sent(carried, b"a" * 20)
            began_ns = time.monotonic_ns()
            again = type(carried.splice)(carried.splicer, carried.ours.fileno(), -1, 1, False)
            carried.until_ready()
            times_ns = again.take()[2]
            again.stop()
    assert began_ns <= times_ns[0] <= time.monotonic_ns()


def test_a_socket_without_stamps_has_the_time_of_the_read() -> None:
    one, other = socket.socketpair()
    other.setblocking(False)
    with Carried() as carried:
        local = type(carried.splice)(carried.splicer, other.fileno(), -1, 1, False)
        before_ns = time.monotonic_ns()
        one.sendall(b"a" * 20)
        carried.until_ready()
        times_ns = local.take()[2]
        unstamped = lateness(carried)[1]
        local.stop()
    one.close()
    other.close()
    assert before_ns <= times_ns[0] <= time.monotonic_ns()
    assert unstamped == 1
