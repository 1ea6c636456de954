"""What engines on several nodes draw now, while they run: the rows of their samplers as one `power-now.json` here."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from imaxproxy.cluster import is_gone
from imaxproxy.power import write_now

Json = dict[str, Any]
_EVERY_S = 1.0
_FIRST_S = 1.0


class FleetPower:
    """Asks each node's sampler once a second, without waiting, and writes beside the run what all come to.

    It is read there as that of one machine: by the live view, and by what is pushed to a collector.
    """

    def __init__(
        self,
        ray: Any,  # noqa: ANN401 (a library that may not be there)
        metered: Sequence[tuple[Any, int]],
        path: Path,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """metered: the actors, and what takes the times of each to the command's clock, ns.  path: `power_now`."""
        self._ray, self._metered, self._path, self._clock_s = ray, metered, path, clock_s
        self._rows: dict[int, Json] = {}
        self._asked: dict[int, Any] = {}
        self._due_s = 0.0

    def begin(self) -> None:
        """What was drawn before the run is none of it: so it is known when the run begins."""
        self._ask()
        references = list(self._asked.values())
        self._ray.wait(references, num_returns=len(references), timeout=_FIRST_S)
        self._hear()

    def tick(self) -> None:
        """To be called often. Who has not answered the last time is not asked again."""
        if self._clock_s() >= self._due_s:
            self._hear()
            self._ask()

    def close(self) -> None:
        """Nobody samples any more."""
        self._path.unlink(missing_ok=True)

    def _ask(self) -> None:
        self._due_s = self._clock_s() + _EVERY_S
        for index, (actor, _) in enumerate(self._metered):
            if index not in self._asked:
                self._asked[index] = actor.power_now.remote()

    def _hear(self) -> None:
        references = list(self._asked.values())
        if not references:
            return
        done, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        arrived = set(done)
        for index in [index for index, reference in self._asked.items() if reference in arrived]:
            try:
                row = self._ray.get(self._asked.pop(index))
            except Exception as error:
                if not is_gone(error):
                    raise
                continue  # its death is heard of elsewhere
            if row is not None:
                by_ns = self._metered[index][1]
                self._rows[index] = row | {name: row[name] + by_ns for name in ("time_ns", "since_ns")}
        if len(self._rows) == len(self._metered):
            with suppress(OSError):  # a full disk: the live view goes without, and says how old what it has is
                write_now(self._path, together(self._rows))


def together(rows: Mapping[int, Json]) -> Json:
    """As one machine's: watts and joules of all boards, as old as the oldest. Unknown watts of one leave it unknown."""
    each = list(rows.values())
    watts = [row["watts"] for row in each]
    return each[0] | {
        "time_ns": min(row["time_ns"] for row in each),
        "since_ns": min(row["since_ns"] for row in each),
        "watts": None if None in watts else sum(watts),
        "boards": sum(row["boards"] for row in each),
        "energy_j": sum(row["energy_j"] for row in each),
        "boundary": _named(each, "boundary"),
        "source": _named(each, "source"),
        "simulated": any(row["simulated"] for row in each),
    }


def _named(rows: Sequence[Json], name: str) -> str:
    return ", ".join(sorted({word for row in rows for word in str(row[name]).split(", ")}))
