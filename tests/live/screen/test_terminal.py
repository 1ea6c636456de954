import contextlib
import os
import termios
from collections.abc import Iterator

import pytest
from rich.text import Text

from imaxproxy.live.screen.terminal import Terminal, reset_screen, restore
from live.screen.ptys import LEFT, _set_size

SIZE = (10, 2)
_MARK = b"~~~"


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    master, slave = os.openpty()
    _set_size(master, *SIZE)
    yield master, slave
    os.close(slave)
    os.close(master)


def written(pty: tuple[int, int]) -> bytes:
    """What was drawn since it was last asked. A terminal hands on what it was given in its own time: a mark ends it."""
    master, slave = pty
    os.write(slave, _MARK)
    found = b""
    while not found.endswith(_MARK):
        found += os.read(master, 1 << 16)
    return found.removesuffix(_MARK)


def test_all_is_as_it_was_when_we_leave(pty: tuple[int, int]) -> None:
    slave = pty[1]
    before = termios.tcgetattr(slave)
    with contextlib.suppress(KeyError), Terminal(slave, slave):
        assert not termios.tcgetattr(slave)[3] & termios.ICANON
        assert termios.tcgetattr(slave)[3] & termios.ISIG  # Ctrl-C is still a signal
        raise KeyError
    assert termios.tcgetattr(slave) == before
    assert written(pty).endswith(LEFT)


def test_only_lines_that_have_changed_are_drawn(pty: tuple[int, int]) -> None:
    slave = pty[1]
    with Terminal(slave, slave) as terminal:
        assert terminal.size == SIZE
        terminal.draw([Text("one"), Text("two")], SIZE)
        first = written(pty)
        assert b"one" in first
        assert b"\x1b[2;1Htwo" in first
        terminal.draw([Text("one"), Text("2", style="bold")], SIZE)
        second = written(pty)
        assert b"one" not in second
        assert b"\x1b[2;1H\x1b[1m2" in second
        terminal.draw([Text("one"), Text("2", style="bold")], SIZE)
        assert written(pty) == b""
        terminal.redraw()
        terminal.draw([Text("one"), Text("2", style="bold")], SIZE)
        assert b"one" in written(pty)


def test_another_size_is_a_new_start(pty: tuple[int, int]) -> None:
    slave = pty[1]
    with Terminal(slave, slave) as terminal:
        terminal.draw([Text("one"), Text("two")], SIZE)
        written(pty)
        terminal.draw([Text("one")], (5, 1))
        again = written(pty)
        assert b"\x1b[2J" in again
        assert b"one" in again


def test_no_color_leaves_the_colours_out(pty: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    slave = pty[1]
    monkeypatch.setenv("NO_COLOR", "1")
    with Terminal(slave, slave, color_system="256") as terminal:
        terminal.draw([Text("one", style="bold color(33)")], SIZE)
        assert b"\x1b[1mone" in written(pty)


def test_putting_right_what_others_left(pty: tuple[int, int]) -> None:
    slave = pty[1]
    before = termios.tcgetattr(slave)
    Terminal(slave, slave).__enter__()
    restore(slave, before)
    reset_screen(slave)
    assert termios.tcgetattr(slave) == before
    assert written(pty).endswith(LEFT)


def test_a_terminal_that_has_gone_is_no_error() -> None:
    master, slave = os.openpty()
    with Terminal(slave, slave) as terminal:
        os.close(master)
        terminal.draw([Text("one")], SIZE)
    os.close(slave)
