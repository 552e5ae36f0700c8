"""Waiting for what cannot be awaited: something in another process, or in a part that tells nobody."""

import asyncio
import time
from collections.abc import Callable


async def until(true: Callable[[], bool], *, within: float, every: float = 0.002) -> bool:
    """Look again and again; whether it came true within so many seconds."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every)
    return True
