"""How a load is shared over workers."""

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.load import Rules


def test_places_are_dealt_out_over_the_workers() -> None:
    rules = Rules(concurrency=5, ramp_s=10.0)
    shares = [rules.of_worker(worker, 2) for worker in range(2)]
    assert [share.concurrency for share in shares] == [3, 2]
    assert [share.place_opens_ns(0) for share in shares] == [0, 2_500_000_000]
    assert Rules().of_worker(1, 2) == Rules()
    with pytest.raises(UsageError, match="--workers 6 cannot share --concurrency 5"):
        rules.of_worker(0, 6)
