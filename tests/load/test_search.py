import math

import pytest

from imaxproxy.load.search import Found, Probe, Verdict, search


def verdict(met: bool, *, sure: bool = True, valid: bool = True) -> Verdict:
    return Verdict(met, sure, valid)


@pytest.mark.parametrize("limit", [1.0, 1.05, 3.7, 64.0, 100.0, 777.0])
def test_a_rate_is_found_within_the_precision_in_few_probes(limit: float) -> None:
    found = search(lambda load: verdict(load <= limit), 1.0, 10_000.0, whole=False, precision=0.05)
    assert found.converged
    assert found.highest_met is not None
    assert found.lowest_missed is not None
    assert found.highest_met <= limit < found.lowest_missed <= found.highest_met * 1.05
    assert len(found.probes) <= math.log2(limit) + 2 + math.log2(math.log(2) / math.log(1.05)) + 1


@pytest.mark.parametrize("limit", range(1, 40))
def test_places_are_whole_and_no_load_is_tried_twice(limit: int) -> None:
    found = search(lambda load: verdict(load <= limit), 1, 64, whole=True, precision=0.0)
    loads = [probe.load for probe in found.probes]
    assert found.highest_met == limit
    assert len(set(loads)) == len(loads)
    assert all(load == int(load) for load in loads)


def test_nothing_meets_it() -> None:
    found = search(lambda _: verdict(False), 1.0, 100.0, whole=False)
    assert (found.highest_met, found.lowest_missed, len(found.probes)) == (None, 1.0, 1)


def test_everything_meets_it_up_to_the_highest_that_was_asked_for() -> None:
    found = search(lambda _: verdict(True), 1.0, 100.0, whole=False)
    assert (found.highest_met, found.lowest_missed, found.converged) == (100.0, None, True)


def test_probes_run_out() -> None:
    found = search(lambda load: verdict(load < 3.14159), 1.0, 100.0, whole=False, precision=1e-9, most_probes=6)
    assert (len(found.probes), found.converged) == (6, False)


def test_the_interval_is_of_what_is_sure() -> None:
    """Close to the limit a probe is the toss of a coin."""
    probes = (
        Probe(1, verdict(True)),
        Probe(2, verdict(True, sure=False)),
        Probe(4, verdict(False)),
        Probe(3, verdict(False, sure=False)),
    )
    found = Found(probes, converged=True)
    assert (found.surely_met, found.highest_met, found.lowest_missed, found.surely_missed) == (1, 2, 3, 4)


def test_a_limit_of_the_meter_is_no_limit_of_the_engine() -> None:
    assert Found((Probe(1, verdict(True)), Probe(2, verdict(False, valid=False))), converged=True).limited_by_meter
    below = (Probe(1, verdict(True, valid=False)), Probe(2, verdict(False)))
    assert not Found(below, converged=True).limited_by_meter


def test_a_load_that_the_trace_does_not_hold_ends_the_search_and_is_no_answer() -> None:
    def probe(load: float) -> Verdict:
        return Verdict(True, True, True, too_little="it was one of 3 requests/s" if load > 3 else None)

    found = search(probe, 1, 4096, whole=False)
    assert [each.load for each in found.probes] == [1, 2, 4]
    assert (found.highest_met, found.surely_met, found.lowest_missed, found.converged) == (2, 2, None, False)
    assert found.limited_by_trace == "it was one of 3 requests/s"


def test_a_miss_is_a_miss_however_little_the_trace_holds() -> None:
    found = search(
        lambda load: Verdict(load < 3, True, True, too_little="little" if load > 3 else None), 1, 64, whole=False
    )
    assert found.highest_met is not None
    assert found.limited_by_trace is None
    assert found.converged
