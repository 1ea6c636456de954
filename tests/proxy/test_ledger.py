"""Limits that hold over all workers: what one process writes, the others see, and a dead one's is given back."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from imaxproxy.errors import ImaxproxyError
from imaxproxy.proxy.allowance import Account, Allowance, Rate
from imaxproxy.proxy.ledger import Ledger
from imaxproxy.proxy.refused import Refused


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with closing(Ledger(workers=2, names=8)) as made:
        yield made


def account(ledger: Ledger, column: int, allowance: Allowance, name: str | None = "alice") -> Account:
    """As the worker of this column has it."""
    made = Account(name, allowance)
    made.standing = ledger.line(name, column)
    return made


def in_a_fork(do: Callable[[], object]) -> int:
    """The pid of a process that has done it, and waits to be killed."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            do()
            os.write(tell, b"!")
            signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    assert os.read(told, 1) == b"!"
    os.close(told)
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_requests_under_way_are_limited_over_all_workers(ledger: Ledger) -> None:
    one, other = (account(ledger, column, Allowance(in_flight=3)) for column in range(2))
    one.enter(0)
    other.enter(0)
    other.enter(0)
    for worker in (one, other):
        with pytest.raises(Refused, match="too_many_in_flight"):
            worker.enter(0)
    one.leave()
    other.enter(0)
    assert (one.in_flight, other.in_flight) == (3, 3)


def test_a_bucket_is_one_for_all_workers(ledger: Ledger) -> None:
    workers = [account(ledger, column, Allowance(rate=Rate(4, 1))) for column in range(2)]
    for worker in workers * 2:
        worker.enter(0)
    for worker in workers:
        with pytest.raises(Refused, match="rate_limited"):
            worker.enter(0)


def test_clients_are_told_apart_and_known_again_under_other_keys(ledger: Ledger) -> None:
    """SIGHUP's workers read the keys anew: in another order, with a new name, one left out."""
    old = [account(ledger, 0, Allowance(in_flight=9), name) for name in ("alice", "bob", None)]
    for number, each in enumerate(old, 1):
        for _ in range(number):
            each.enter(0)
    new = [account(ledger, 1, Allowance(in_flight=9), name) for name in ("carol", None, "alice")]
    assert [each.in_flight for each in new] == [0, 3, 1]


def test_what_a_killed_worker_had_under_way_is_given_back(ledger: Ledger) -> None:
    survivor = account(ledger, 0, Allowance(in_flight=3))
    survivor.enter(0)
    pid = in_a_fork(lambda: [account(ledger, 1, Allowance(in_flight=3)).enter(0) for _ in range(2)])
    with pytest.raises(Refused, match="too_many_in_flight"):
        survivor.enter(0)
    kill(pid)
    ledger.clear(1)
    assert survivor.in_flight == 1


def test_a_worker_that_is_killed_with_the_lock_takes_it_to_no_grave(ledger: Ledger) -> None:
    line = ledger.line("alice", 1)
    kill(in_a_fork(line.lock.__enter__))
    account(ledger, 0, Allowance(in_flight=1)).enter(0)


def test_no_two_processes_hold_the_lock(ledger: Ledger) -> None:
    """Four add to one number, which no one of them can do in one step."""
    line = ledger.line("alice", 0)

    def add() -> None:
        for _ in range(2_000):
            with line.lock:
                line.full_at_ns = line.full_at_ns + 1

    children = [in_a_fork(add) for _ in range(4)]
    for pid in children:
        kill(pid)
    assert line.full_at_ns == 8_000


def test_more_names_or_workers_than_it_has_room_for_are_said(ledger: Ledger) -> None:
    for number in range(8):
        ledger.line(f"key-{number}", 0)
    assert repr(ledger) == "<Ledger 8 clients>"
    with pytest.raises(ImaxproxyError, match="8 clients with limits were named"):
        ledger.line("one more", 0)
    with pytest.raises(ImaxproxyError, match="too many old workers"):
        ledger.line("key-0", 1_000)
