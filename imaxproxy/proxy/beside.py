"""Work in a thread beside the loop, for what would hold up every stream."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def beside(work: Callable[[], T]) -> tuple[T, bool]:
    """What it gives, and whether we were cancelled meanwhile: it is done to its end all the same."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(done), False
    except asyncio.CancelledError:
        return await done, True
