"""Who sums up, and when once more, is decided by what was lost on the way."""

from pathlib import Path
from typing import Any

import pytest
from runs.made_run import EXCHANGES, make_run

from imaxproxy.conduct.replay.players import Found, SumsLost
from imaxproxy.conduct.replay.summed import summed_up
from imaxproxy.metrics import Trim
from imaxproxy.runs import Manifest, RunDirectory
from imaxproxy.runs.outline import Outline
from imaxproxy.runs.summing import JournalSummer, Summer


class Elsewhere(JournalSummer):
    """Journals that lie elsewhere; lost: with whoever has them."""

    def __init__(self, run: RunDirectory, *, lost: bool) -> None:
        super().__init__(run)
        self._lost, self.asked = lost, 0

    def outline(self, trim: Trim) -> Outline:
        self.asked += 1
        if self._lost:
            raise SumsLost("node b was lost while it summed up")
        return super().outline(trim)


class FakePlayers:
    """They have played; their journals come when they are gathered."""

    def __init__(self, summer: Summer | None, found: Found | None) -> None:
        self._summer, self._found = summer, found

    def summer(self) -> Summer | None:
        return self._summer

    def gather(self, *, shows: bool) -> Found | None:
        return self._found


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return make_run(tmp_path / "run").directory


def played(players: FakePlayers, run: RunDirectory) -> dict[str, Any]:
    return summed_up(players, run, Manifest("replay", [], {}, trace={"path": "t"}, ended="finished"), shows=False)  # type: ignore[arg-type]


def test_whoever_has_the_journals_is_asked_and_nobody_twice(run: RunDirectory) -> None:
    elsewhere = Elsewhere(run, lost=False)
    summary = played(FakePlayers(elsewhere, None), run)
    assert (summary["requests"]["sent"], elsewhere.asked) == (len(EXCHANGES), 1)


def test_sums_that_are_lost_are_made_here_of_what_came(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    summary = played(FakePlayers(Elsewhere(run, lost=True), None), run)
    assert summary["requests"]["sent"] == len(EXCHANGES)
    assert capsys.readouterr().err == "imaxproxy: node b was lost while it summed up; the run is summed up here\n"


def test_what_is_lost_with_its_journal_is_said_in_manifest_and_summary(run: RunDirectory) -> None:
    lost = {"share": 0.5, "counted_by": "workers", "workers": [1], "who": "node b", "limit_share": 0.01}
    record = {"index": 0, "of": 2, "workers": [0], "host": "a", "clock_id": None, "zero_ns": 0}
    record["start"] = {"by": "exchange", "error_ms": 0.1}
    found = Found({"live_turns": 3}, {"shares": [record], "lost": lost | {"requests": None}})
    summary = played(FakePlayers(Elsewhere(run, lost=False), found), run)
    assert summary["meter"]["valid"] is False
    manifest = Manifest.read(run)
    assert manifest is not None
    assert manifest.trace == {"path": "t", "live_turns": 3}
    assert (manifest.lost or {})["workers"] == [1]
