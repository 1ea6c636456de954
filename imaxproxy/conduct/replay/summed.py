"""A load that has been played is summed up: by whoever has its journals, before they are brought to here."""

from dataclasses import replace
from typing import Any

from imaxproxy.conduct.output import say
from imaxproxy.conduct.replay.players import Players, SumsLost
from imaxproxy.conduct.summing import sum_up
from imaxproxy.runs import Manifest, RunDirectory


def summed_up(players: Players, run: RunDirectory, manifest: Manifest, *, shows: bool) -> dict[str, Any]:
    """The summary; all journals are in the run directory after that. By us, once more, where some were lost since.

    shows: with bars, where it takes long.
    """
    manifest.write(run)
    summary: dict[str, Any] | None = None
    try:
        summary = sum_up(run, summer=players.summer(), shows=shows)
    except SumsLost as lost:
        say(f"imaxproxy: {lost}; the run is summed up here")
    found = players.gather(shows=shows)
    if found is not None:
        replace(manifest, trace=(manifest.trace or {}) | found.trace, **found.manifest).write(run)
        summary = None
    return sum_up(run, shows=shows) if summary is None else summary
