"""Asking many nodes at once, and what it means that one does not answer."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from imaxproxy.errors import UsageError

_ANSWER_S = 60.0
"""A task's answer takes seconds on a busy node: its process starts, and imports."""
_LOOK_EVERY_S = 1.0
LOST_BEFORE = (
    f"a node of the cluster died, or said nothing for {_ANSWER_S:g} s, before anything was started: see `ray status`, "
    "and try again"
)
_GONE = frozenset(
    {
        "RayActorError",
        "NodeDiedError",
        "WorkerCrashedError",
        "LocalRayletDiedError",
        "ObjectLostError",
        "TaskUnschedulableError",
        "ActorUnschedulableError",
        "TimeoutError",
    }
)


def is_gone(error: BaseException) -> bool:
    """The actor or its node is lost, or does not answer. What else a call raises was raised by the actor's own code."""
    return any(kind.__name__ in _GONE for kind in type(error).__mro__)


def reason_of(error: BaseException) -> str:
    """Why there is no answer, in a line: Ray wraps what an actor's code raised into the text of a traceback."""
    if is_gone(error):
        return "no answer" if isinstance(error, TimeoutError) else "it died"
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException) and not isinstance(cause, type(error)):
        return f"{type(cause).__name__}: {' '.join(str(cause).split())}"[:200]
    return " ".join(str(error).split())[-200:] or type(error).__name__


def ask_all(ray: Any, references: Sequence[Any], timeout_s: float) -> list[Any]:  # noqa: ANN401
    """The answers, in their order; an exception in the place of whoever does not answer."""
    until_s = time.monotonic() + timeout_s
    answers: list[Any] = []
    for reference in references:
        try:
            answers.append(ray.get(reference, timeout=max(0.001, until_s - time.monotonic())))
        except Exception as error:  # the caller says what it means that this node did not answer
            answers.append(error)
    return answers


def answers_of_all(
    ray: Any,  # noqa: ANN401 (the library)
    references: Sequence[Any],
    all_live: Callable[[], bool],
) -> list[Any]:
    """The answers of tasks that look at nodes before anything starts. Raises UsageError when one is lost.

    all_live: no node has died. A dead one's task may be moved to where it waits for ever, and nobody says so.
    """
    left = list(references)
    for _ in range(round(_ANSWER_S / _LOOK_EVERY_S)):
        _, left = ray.wait(left, num_returns=len(left), timeout=_LOOK_EVERY_S)
        if not left or not all_live():
            break
    answers = ask_all(ray, references, timeout_s=0.0 if left else _ANSWER_S)
    for answer in answers:
        if isinstance(answer, Exception):
            if not is_gone(answer):
                raise answer
            raise UsageError(LOST_BEFORE) from answer
    return answers
