import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_S, VirtualClock
from imaxproxy.cluster.clocks import Drift, Offset, Trip, ask_offset, offset_of

OFFSETS_NS = st.integers(-(10**15), 10**15)
WAYS_NS = st.tuples(st.integers(1, 10**7), st.integers(1, 10**7))


@given(OFFSETS_NS, st.lists(WAYS_NS, min_size=1, max_size=50))
def test_the_truth_lies_within_the_error(offset_ns: int, ways_ns: list[tuple[int, int]]) -> None:
    """However long each way takes, and however different the two ways are."""
    trips, now_ns = [], 0
    for there_ns, back_ns in ways_ns:
        trips.append(Trip(now_ns, now_ns + there_ns + offset_ns, now_ns + there_ns + back_ns))
        now_ns += there_ns + back_ns
    found = offset_of(trips)
    assert abs(found.offset_ns - offset_ns) <= found.error_ns
    assert found.error_ns <= min(trip.received_ns - trip.sent_ns for trip in trips) // 2 + 1  # as good as the best one


def test_a_clock_that_runs_away_meanwhile_is_known_by_its_shortest_trip() -> None:
    trips = [Trip(0, 1_000, 100), Trip(1_000, 9_000, 1_040)]
    assert offset_of(trips) == Offset(7_980, 20, 2, 1_040)


def test_no_trip_no_offset() -> None:
    with pytest.raises(ValueError, match="a trip at least"):
        offset_of([])


def test_a_node_is_asked_so_often() -> None:
    clock, ways_ns = VirtualClock(1_000), iter([(50, 10), (5, 5), (30, 90)])

    def remote_ns() -> int:
        there_ns, back_ns = next(ways_ns)
        clock.advance(there_ns)
        answer_ns = clock() + 777
        clock.advance(back_ns)
        return answer_ns

    found = ask_offset(remote_ns, trips=3, clock_ns=clock)
    assert (found.trips, found.at_ns) == (3, 1_190)
    assert abs(found.offset_ns - 777) <= found.error_ns <= 5


def test_drift_is_known_no_better_than_its_two_ends() -> None:
    drift = Drift(Offset(0, 500, 9, 0), Offset(100_000, 500, 9, 10 * NS_PER_S))
    assert (drift.ppm, drift.error_ppm) == (10.0, pytest.approx(0.1))
    assert drift.as_dict()["over_s"] == 10.0
    assert Drift(drift.before, drift.before).ppm is None
