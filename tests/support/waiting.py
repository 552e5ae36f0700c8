"""Waiting for what cannot be awaited: something in another process, or in a part that tells nobody."""

import asyncio
from collections.abc import Callable

from tests.support.virtual_time import VirtualLoop

PATIENCE = 60.0
"""Seconds of the loop's time after which a test gives up: however loaded the machine, only a test that fails waits so long."""


async def happens(true: Callable[[], object], *, within: float, every: float = 0.002) -> bool:
    """Look again and again; whether it came true within so many seconds."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + within
    while not true():
        if clock() > deadline:
            return False
        await asyncio.sleep(every)
    return True


async def until(true: Callable[[], object], *, within: float = 0) -> None:
    """Wait until it is true; by itself it gives up after a minute, or an hour of virtual time.

    Raises:
        TimeoutError: it did not come true.
    """
    within = within or (3_600 if isinstance(asyncio.get_running_loop(), VirtualLoop) else PATIENCE)
    if not await happens(true, within=within):
        raise TimeoutError(f"it did not come true within {within} s")
