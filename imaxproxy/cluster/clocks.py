"""How far another node's monotonic clock is from ours, from questions and answers over the network, with its error.

As NTP does it (RFC 5905, section 8), but with bounds: an answer was given after the question was sent and before it
came back, so each trip tells an interval in which the offset lies, and it lies in all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns

TRIPS = 40
"""Over actor calls of some 0.5 ms: a best one that met no queue, within 50 ms."""


@dataclass(frozen=True, slots=True)
class Trip:
    """One question. `sent_ns` and `received_ns` are by our clock, `remote_ns` by theirs."""

    sent_ns: int
    remote_ns: int
    received_ns: int


@dataclass(frozen=True, slots=True)
class Offset:
    """Their clock less ours, ns: the truth lies within `error_ns` of it."""

    offset_ns: int
    error_ns: int
    trips: int
    at_ns: int
    """When it was found, by our clock."""

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "offset_ns": self.offset_ns,
            "error_ms": self.error_ns / NS_PER_MS,
            "trips": self.trips,
        }


def offset_of(trips: Sequence[Trip]) -> Offset:
    """The middle of what all trips allow, and half its width. Raises ValueError without a trip.

        remote - received <= offset <= remote - sent

    A clock that drifts while it is asked may leave nothing that all allow; then the shortest trip alone is believed.
    """
    if not trips:
        raise ValueError("an offset takes a trip at least")
    low_ns = max(trip.remote_ns - trip.received_ns for trip in trips)
    high_ns = min(trip.remote_ns - trip.sent_ns for trip in trips)
    if low_ns > high_ns:
        best = min(trips, key=lambda trip: trip.received_ns - trip.sent_ns)
        low_ns, high_ns = best.remote_ns - best.received_ns, best.remote_ns - best.sent_ns
    middle_ns = (low_ns + high_ns) // 2
    return Offset(middle_ns, high_ns - middle_ns, len(trips), trips[-1].received_ns)


def ask_offset(remote_ns: Callable[[], int], trips: int = TRIPS, clock_ns: Clock = monotonic_ns) -> Offset:
    """Ask one node so often. Raises what asking raises."""
    made = []
    for _ in range(trips):
        sent_ns = clock_ns()
        answer_ns = remote_ns()
        made.append(Trip(sent_ns, answer_ns, clock_ns()))
    return offset_of(made)


@dataclass(frozen=True, slots=True)
class Drift:
    """The same node's offset before a run and after it."""

    before: Offset
    after: Offset

    @property
    def ppm(self) -> float | None:
        """How much faster their clock runs, in millionths; None where no time has passed."""
        elapsed_ns = self.after.at_ns - self.before.at_ns
        return 1e6 * (self.after.offset_ns - self.before.offset_ns) / elapsed_ns if elapsed_ns > 0 else None

    @property
    def error_ppm(self) -> float | None:
        """`ppm` is known no better than that."""
        elapsed_ns = self.after.at_ns - self.before.at_ns
        return 1e6 * (self.after.error_ns + self.before.error_ns) / elapsed_ns if elapsed_ns > 0 else None

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        elapsed_s = (self.after.at_ns - self.before.at_ns) / NS_PER_S
        return {"ppm": self.ppm, "error_ppm": self.error_ppm, "over_s": elapsed_s}
