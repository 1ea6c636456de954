"""What one sees who waits for a summary."""

import io
from pathlib import Path

import pytest
from runs.made_run import make_run

from imaxproxy.conduct import summing
from imaxproxy.conduct.summing import Waiting, sum_up


class Clock:
    """Goes on by so many seconds each time it is read."""

    def __init__(self, by_s: float) -> None:
        self._now_s, self._by_s = 0.0, by_s

    def monotonic(self) -> float:
        self._now_s += self._by_s
        return self._now_s


def heard(monkeypatch: pytest.MonkeyPatch, every_s: float, *, shows: bool = True) -> None:
    monkeypatch.setattr(summing, "time", Clock(every_s))
    with Waiting("summing up", shows=shows) as waiting:
        for number in range(1, 11):
            waiting.hear(number / 10)


def test_what_is_soon_done_needs_no_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    heard(monkeypatch, 0.05)
    heard(monkeypatch, 60.0, shows=False)
    assert capsys.readouterr().err == ""


def test_a_log_has_a_line_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard(monkeypatch, 2.0)
    said = capsys.readouterr().err.splitlines()
    assert said == [f"imaxproxy: summing up: {share}%" for share in (30, 60, 90)]


def test_a_terminal_has_a_bar_that_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    heard(monkeypatch, 2.0)
    assert "summing up" in screen.getvalue()
    assert "imaxproxy:" not in screen.getvalue()


def test_the_summary_is_the_same(tmp_path: Path) -> None:
    record = make_run(tmp_path / "run")
    assert sum_up(record.directory) == record.summary
