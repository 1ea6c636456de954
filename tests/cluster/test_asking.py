from collections.abc import Sequence
from typing import Any

import pytest

from imaxproxy.cluster.asking import answers_of_all, ask_all, is_gone, reason_of
from imaxproxy.errors import UsageError


class NodeDiedError(Exception):
    """As Ray says it."""


class GetTimeoutError(TimeoutError):
    """As Ray says it."""


class RayTaskError(Exception):
    """As Ray says it: the text is a traceback, the cause beside it."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("ray::RayNode.finish()\n  File x, line 9, in move_files\n" + repr(cause))
        self.cause = cause


NEVER = object()


class Answering:
    """`get` of references that are answers, or what is raised in their place; of NEVER nothing comes."""

    def __init__(self) -> None:
        self.timeouts_s: list[float] = []

    def wait(self, references: Sequence[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        assert num_returns == len(references)
        assert timeout <= 1
        return [each for each in references if each is not NEVER], [each for each in references if each is NEVER]

    def get(self, reference: object, timeout: float) -> object:
        self.timeouts_s.append(timeout)
        if reference is NEVER:
            raise GetTimeoutError("late")
        if isinstance(reference, Exception):
            raise reference
        return reference


@pytest.mark.parametrize("lost", [NodeDiedError("gone"), GetTimeoutError("late")])
def test_a_node_that_is_lost_before_the_start_is_a_line(lost: Exception) -> None:
    with pytest.raises(UsageError, match="died, or said nothing for 60 s, before anything was started"):
        answers_of_all(Answering(), ["a", lost, "c"], lambda: True)


@pytest.mark.parametrize(("live", "looks"), [([True, True, False], 3), ([True] * 100, 60)])
def test_a_task_that_waits_for_ever_is_given_up(live: list[bool], looks: int) -> None:
    """As soon as a node is dead; else after a minute."""
    left = list(live)
    with pytest.raises(UsageError, match="before anything was started"):
        answers_of_all(Answering(), ["a", NEVER], lambda: left.pop(0))
    assert len(live) - len(left) == looks


def test_what_the_probe_itself_raised_is_a_bug() -> None:
    with pytest.raises(RayTaskError):
        answers_of_all(Answering(), ["a", RayTaskError(KeyError("x"))], lambda: True)


def test_all_are_asked_within_one_time() -> None:
    ray, error = Answering(), NodeDiedError("gone")
    references: Sequence[Any] = ["a", error, "c"]
    assert ask_all(ray, references, 5.0) == ["a", error, "c"]
    assert all(0 < timeout_s <= 5.0 for timeout_s in ray.timeouts_s)


@pytest.mark.parametrize(
    ("error", "reason", "gone"),
    [
        (NodeDiedError("The node died: raylet ..."), "it died", True),
        (GetTimeoutError("Get timed out: ..."), "no answer", True),
        (RayTaskError(OSError(28, "No space left on device")), "OSError: [Errno 28] No space left on device", False),
        (ValueError("some\n text"), "some text", False),
    ],
)
def test_a_reason_is_a_line(error: Exception, reason: str, *, gone: bool) -> None:
    assert (reason_of(error), is_gone(error)) == (reason, gone)
