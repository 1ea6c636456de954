"""Ports for engines."""

import socket

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import port as ports


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_free_port_is_none_that_the_kernel_hands_out(host: str) -> None:
    number = ports.free_port(host)
    ports.check_port(host, number)
    assert 10_000 <= number < 32_768


def test_a_taken_port_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = ports.free_port("127.0.0.1")
        said = iter([taken.getsockname()[1], free])
        monkeypatch.setattr(ports, "_dice", type("Dice", (), {"randrange": lambda *_: next(said)}))
        assert ports.free_port("127.0.0.1") == free


def test_no_free_port_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_dice", type("Dice", (), {"randrange": lambda *_: number}))
        with pytest.raises(UsageError, match="no free port of 127"):
            ports.free_port("127.0.0.1")


def test_a_host_that_is_not_ours_is_said() -> None:
    with pytest.raises(UsageError, match=r"no engine can listen at 192\.0\.2\.1"):
        ports.free_port("192.0.2.1")


def test_so_many_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of which the last is taken is passed over."""
    with socket.create_server(("127.0.0.1", ports.free_port("127.0.0.1"))) as taken:
        last = taken.getsockname()[1]
        free = ports.free_port("127.0.0.1", 3)
        said = iter([last - 2, free])
        monkeypatch.setattr(ports, "_dice", type("Dice", (), {"randrange": lambda *_: next(said)}))
        assert ports.free_port("127.0.0.1", 3) == free
