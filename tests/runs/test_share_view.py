import pytest

from imaxproxy.metrics import MeterHealth
from imaxproxy.runs.share_sums import ShareSums
from imaxproxy.runs.share_view import ShareView, slow_ones
from imaxproxy.runs.shares import share_record
from runs.made_run import answered


@pytest.mark.parametrize(
    ("medians_ms", "slow"),
    [
        ({0: 20.0}, {}),
        ({0: 20.0, 1: 20.0}, {}),
        ({0: 20.0, 1: 30.0}, {1: 20.0}),
        ({0: 1.0, 1: 2.5}, {}),  # twice as much, and still nothing
        ({0: 100.0, 1: 110.0, 2: 104.0}, {}),
        ({0: 100.0, 1: 102.0, 2: 400.0}, {2: 101.0}),
    ],
)
def test_a_machine_is_slow_beside_the_others(medians_ms: dict[int, float], slow: dict[int, float]) -> None:
    assert slow_ones(medians_ms) == slow


def test_a_slow_machine_is_named_with_its_figures() -> None:
    records = [share_record(i, 2, [i], 0, {"by": "exchange", "error_ms": 0.1}) | {"clock_id": str(i)} for i in (0, 1)]
    sums = ShareSums()
    for worker, ttft_ms in ((0, 50.0), (1, 90.0)):
        sums.begin(worker)
        for number in range(20):
            sums.add(answered(number, ttft_ms=ttft_ms))
    view = ShareView(records, None, sums)
    stats = view.stats(MeterHealth())
    assert [part["slow"] for part in stats["parts"]] == [None, "median TTFT 90.0 ms, the others' 50.0"]
    assert [part["requests"] for part in stats["parts"]] == [20, 20]
    assert (stats["start_error_ms"], stats["lost"], view.reasons()) == (0.2, None, [])


def test_a_start_that_nobody_vouches_for_is_a_reason() -> None:
    starts = [{"by": "wall_clock", "error_ms": error_ms} for error_ms in (1.0, None)]
    records = [share_record(i, 2, [i], 0, starts[i]) | {"clock_id": str(i), "host": f"host{i}"} for i in (0, 1)]
    (reason,) = ShareView(records, None, ShareSums()).reasons()
    assert reason.startswith("nobody keeps the wall clock of host1")
