import pytest

from imaxproxy.metrics import Differences


def test_only_requests_that_both_sides_know_count() -> None:
    differences = Differences()
    assert differences.stats() is None
    differences.add(None, 5.0)
    differences.add(5.0, None)
    assert differences.stats() is None
    for ours_ms, engines_ms in ((11.0, 10.0), (13.0, 10.0), (9.0, 10.0)):
        differences.add(ours_ms, engines_ms)
    stats = differences.stats()
    assert stats is not None
    assert stats == {
        "count": 3, "engines_mean_ms": pytest.approx(10.0), "mean_ms": pytest.approx(1.0), "min_ms": -1.0,
        "max_ms": 3.0, "p50_ms": 1.0, "p99_ms": 3.0,
    }  # fmt: skip
