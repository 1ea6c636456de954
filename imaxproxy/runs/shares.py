"""The shares of a schedule that different machines play: what each writes of itself, and what was lost of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from imaxproxy.clock import NS_PER_MS
from imaxproxy.runs.manifest import host_facts

Record = dict[str, Any]
LOSS_LIMIT_SHARE = 0.01
"""A run that lost more of its schedule than this has an invalid meter, unless another bound was asked for."""


def share_record(
    index: int, of: int, workers: Sequence[int], zero_ns: int | None, start: Mapping[str, Any], **more: object
) -> Record:
    """A row of the manifest's `shares`: who played which workers' part, and when its schedule began by its own clock.

    zero_ns: of the machine's CLOCK_MONOTONIC; None: it never began.
    start: `by` (`wall_clock`, `exchange`), `error_ms`.
    """
    host = host_facts()
    where = {"host": host["name"], "clock_id": host["clock_id"]}
    when = {"zero_ns": zero_ns, "start": dict(start)}
    return {"index": index, "of": of, "workers": list(workers), **where, **when, **more}


def start_error_ms(records: Sequence[Record]) -> float | None:
    """How far apart two shares may have begun, at most; None where nobody can know.

    Two on one clock: as far as their zeros differ. Others: the sum of what each may be off.
    """
    begun = [record for record in records if record["zero_ns"] is not None]
    return _greatest(_apart_ms(one, other) for one, other in combinations(begun, 2))


def _apart_ms(one: Record, other: Record) -> float | None:
    if one["clock_id"] is not None and one["clock_id"] == other["clock_id"]:
        return abs(int(one["zero_ns"]) - int(other["zero_ns"])) / NS_PER_MS
    errors_ms = [record["start"]["error_ms"] for record in (one, other)]
    return None if None in errors_ms else float(sum(errors_ms))


def _greatest(values: Iterable[float | None]) -> float | None:
    greatest = 0.0
    for value in values:
        if value is None:
            return None
        greatest = max(greatest, value)
    return greatest


@dataclass(frozen=True, slots=True)
class Loss:
    """What of a schedule was never played, or has no journal."""

    share: float
    """Of the schedule, 0 to 1."""
    counted_by: str
    """`requests`: those of the lost workers that no journal has.  `workers`: the lost ones of all."""
    workers: tuple[int, ...]
    who: str
    """The nodes or shares, for people."""
    limit_share: float = LOSS_LIMIT_SHARE
    requests: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self) | {"workers": list(self.workers)}

    @property
    def is_over_limit(self) -> bool:
        return self.share > self.limit_share

    def __str__(self) -> str:
        bound = "over" if self.is_over_limit else "within"
        requests = "" if self.requests is None else f" ({self.requests:,} requests)"
        return (
            f"{self.share:.2%} of the schedule{requests} was lost with {self.who}: "
            f"{bound} the limit of {self.limit_share:.2%}"
        )

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Loss":
        return cls(**{**row, "workers": tuple(row["workers"])})
