import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from imaxproxy.errors import ImaxproxyError
from imaxproxy.runs.helpers import Helpers


def double(number: int, plus: int = 0) -> int:
    return 2 * number + plus


def own_process(_: int) -> int:
    return os.getpid()


def fail(number: int) -> int:
    if number == 3:
        raise ImaxproxyError("the third cannot be done")
    return number


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def chatter(number: int) -> int:
    print("a library that talks")
    return number


@pytest.fixture(scope="module", autouse=True)
def _importable() -> Iterator[None]:
    """What helpers are asked to do is found by its module's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([os.path.dirname(os.path.dirname(__file__)), os.getcwd()]))
        yield


@pytest.fixture(scope="module")
def two() -> Iterator[Helpers]:
    with Helpers(2) as helpers:
        yield helpers


def test_answers_come_in_order(two: Helpers) -> None:
    assert list(two.map(double, range(20), 1)) == [2 * number + 1 for number in range(20)]
    assert list(two.map(chatter, range(3))) == [0, 1, 2]
    assert len(set(two.map(own_process, range(20))) - {os.getpid()}) == 2


def test_one_is_none_this_process_does_it() -> None:
    with Helpers(1) as helpers:
        assert list(helpers.map(own_process, range(3))) == [os.getpid()] * 3


def test_what_a_helper_met_is_raised_here(two: Helpers) -> None:
    with pytest.raises(ImaxproxyError, match="the third cannot be done"):
        list(two.map(fail, range(9)))


def test_a_helper_that_dies_is_said_in_a_line() -> None:
    with pytest.raises(ImaxproxyError, match="a process that helped to sum up the run died"), Helpers(2) as helpers:
        list(helpers.map(die, range(9)))


def test_nobody_is_left_behind_when_the_command_is_stopped() -> None:
    pids: set[int] = set()

    def work() -> None:
        with Helpers(2) as helpers:
            pids.update(helpers.map(own_process, range(20)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_items_are_taken_as_they_are_needed(two: Helpers) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    answers = two.map(double, items())
    assert next(answers) == 0
    assert len(taken) < 20


def test_what_lies_where_the_command_was_started_is_none_of_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pickle.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    with Helpers(2) as helpers:
        assert list(helpers.map(double, range(3))) == [0, 2, 4]
