"""Scenarios on uvloop: with a deadline, and failing for what nobody would have heard of."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")
DEADLINE_S = 10.0
_POLL_S = 0.002


def run(scenario: Coroutine[Any, Any, T], deadline_s: float = DEADLINE_S) -> T:
    """Run to the end. Fails when a callback or a task raised without being awaited: the loop would only log it."""

    async def watched() -> T:
        unheard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unheard.append(context))
        async with asyncio.timeout(deadline_s):
            found = await scenario
        assert unheard == [], unheard
        return found

    return uvloop.run(watched())


async def until(condition: Callable[[], object], what: str = "a condition", deadline_s: float = 20.0) -> None:
    """Wait for what no event announces."""
    try:
        async with asyncio.timeout(deadline_s):
            while not condition():
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise AssertionError(f"waited {deadline_s:g} s for {what}") from None
