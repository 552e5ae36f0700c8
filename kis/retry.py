"""How often a call is attempted, and the pauses in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from kis.backoff import backoff

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from kis.errors import KisError

_log = structlog.get_logger(__name__)

_MAX_RETRIES = 3
_FIRST_DELAY, _MAX_DELAY = 0.5, 2.0  # seconds
_TIME_BUDGET = 10.0  # seconds from the first attempt within which the last one may begin


class RetryBudget:
    """The attempts of one call: four at most, the last begun within ten seconds of the first."""

    def __init__(
        self, clock: Callable[[], datetime], sleep: Callable[[float], Awaitable[None]], rng: random.Random
    ) -> None:
        """The first attempt begins now; `rng` is the jitter of the pauses."""
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._started = clock()
        self._retries = 0

    async def pause(self, failure: KisError) -> None:
        """Waits before another attempt, or raises `failure` if there is none left."""
        if self._retries >= _MAX_RETRIES:
            raise failure
        delay = backoff(self._retries, first=_FIRST_DELAY, most=_MAX_DELAY) * self._rng.uniform(0.8, 1.2)
        if (self._clock() - self._started).total_seconds() + delay > _TIME_BUDGET:
            raise failure
        _log.info("asking_again", endpoint=failure.endpoint, after=round(delay, 2), reason=str(failure))
        self._retries += 1
        await self._sleep(delay)
