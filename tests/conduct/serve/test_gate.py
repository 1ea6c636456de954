"""What the options of admission come to."""

import pytest

from imaxproxy.conduct.serve.gate import Gate
from imaxproxy.proxy import Allowance, Limits


def gate(connections: int, *, said: bool) -> Gate:
    return Gate(Limits(connections=connections), Allowance(), None, (), (), None, connections_said=said)


@pytest.mark.parametrize(("connections", "workers", "each"), [(100, 1, 100), (100, 4, 25), (10, 4, 3), (1, 4, 1)])
def test_the_users_limit_of_connections_is_divided_among_workers(connections: int, workers: int, each: int) -> None:
    assert gate(connections, said=True).among(workers).limits.connections == each


def test_what_a_process_has_descriptors_for_is_each_workers_own() -> None:
    assert gate(1000, said=False).among(4).limits.connections == 1000
