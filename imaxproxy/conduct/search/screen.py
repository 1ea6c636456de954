"""What the screen of a search shows: the loads that were tried, beside the figures of the one that is being played."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imaxproxy.sweep.figures import figures_of

if TYPE_CHECKING:
    from imaxproxy.live.screen.host import HostedScreen

PLAYING, MET, MISSED = "playing", "met", "missed"


class SearchScreen:
    """Hands on the snapshots of probes, each beside all that were tried. Without a screen it shows nothing."""

    def __init__(self, screen: "HostedScreen | None", unit: str, most_probes: int) -> None:
        self._screen, self._unit, self._most_probes = screen, unit, most_probes
        self._rows: list[dict[str, Any]] = []

    @property
    def is_up(self) -> bool:
        """False where there is none, and once the person has left it."""
        return self._screen is not None and self._screen.is_up

    def begin(self, amount: float) -> None:
        """This load is being played now."""
        self._rows.append({"name": f"{amount:g} {self._unit}", "state": PLAYING, "reason": None})

    def end(self, summary: Mapping[str, Any], said: str, *, met: bool) -> None:
        """It has been, and what it has shown."""
        figures = figures_of(dict(summary))
        doubt = "" if summary["meter"]["valid"] else "; meter not valid"
        self._rows[-1] |= {
            "state": MET if met else MISSED,
            "reason": said + doubt,
            "total_tokens_per_s_per_gpu": figures["total_per_gpu"],
            "tps_per_user": figures["interactivity"],
        }

    def show(self, snapshot: Mapping[str, Any]) -> None:
        """Of the probe that is being played."""
        if self._screen is not None:
            self._screen.show(snapshot)

    def progress(self) -> dict[str, Any]:
        """As `progress` of a snapshot; nobody knows how many probes it takes."""
        done = sum(row["state"] != PLAYING for row in self._rows)
        return {"done": done, "of": None, "unit": f"probes (at most {self._most_probes})", "points": list(self._rows)}
