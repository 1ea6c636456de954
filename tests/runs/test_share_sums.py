from imaxproxy.runs.share_sums import ShareSums
from runs.made_run import answered, refused


def sums_of(*workers: int) -> ShareSums:
    sums = ShareSums()
    for worker in workers:
        sums.begin(worker)
        sums.add(answered(worker, ttft_ms=50.0))
        sums.add(refused(worker))
    return sums


def test_each_worker_is_counted_by_itself() -> None:
    sums = sums_of(0, 1, 0, 7)
    part = sums.of_workers([0, 5])
    assert (part.requests, part.completed, part.ttft_ms.total, part.send_lag_ms.maximum) == (4, 2, 2, 2000)
    assert sums.of_workers([5]).requests == 0


def test_parts_add_up() -> None:
    sums = sums_of(0, 1)
    sums.merge(sums_of(1, 2))
    assert [sums.of_workers([worker]).requests for worker in range(4)] == [2, 4, 2, 0]
