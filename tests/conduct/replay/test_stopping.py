"""What a command does when it is told to stop."""

import os
import signal

import pytest

from imaxproxy.conduct.replay.stopping import sigterm_is_ctrl_c, stops_on_signal


class FakePlayers:
    def __init__(self) -> None:
        self.interrupts = 0

    def interrupt(self) -> None:
        self.interrupts += 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_the_players(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    before, players = signal.getsignal(number), FakePlayers()
    with stops_on_signal(players) as stop:
        os.kill(os.getpid(), number)
        assert (players.interrupts, stop.asked) == (1, True)
    assert "what was done so far will be reported" in capsys.readouterr().err
    assert signal.getsignal(number) == before


def test_two_signals_give_it_up() -> None:
    before, players = signal.getsignal(signal.SIGINT), FakePlayers()
    with stops_on_signal(players):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert players.interrupts == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_one_that_comes_when_the_load_is_over_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Journals may be on their way from other machines, where they are removed."""
    players = FakePlayers()
    with stops_on_signal(players) as stop:
        stop.load_is_over = True
        os.kill(os.getpid(), signal.SIGINT)
    assert (players.interrupts, stop.asked) == (0, True)
    assert "is being summed up (again to give up)" in capsys.readouterr().err


def test_sigterm_unwinds_what_is_held() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_is_ctrl_c():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
