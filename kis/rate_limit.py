"""KIS's rate limit: one scheduler per app key, in which a cancel overtakes everything that waits.

Calls wait in lanes (cancel, order, fills, quote, report), first come first served within each. One call goes out per
interval, and which one is decided when the interval has passed, not when the call arrived. So the next call is always
a cancel if one waits, and no second holds more calls than the interval allows.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from math import inf
from typing import TYPE_CHECKING

import structlog
from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    from kis.endpoints import Lane

_log = structlog.get_logger(__name__)

_HOLD = 30.0  # seconds for which a doubled interval stays
_RECOVERY = 60.0  # seconds it then takes to come back, in steps
_RECOVERY_STEPS = 10
_MAX_FACTOR = 8  # times the usual interval, at most
_FLOAT_TOLERANCE = 1e-6  # seconds
_BURST = 1.0  # seconds within which refusals count as one: calls under way do not know of each other
_MIN_LEDGER_INTERVAL = 1.0  # seconds: measured 2026-09, the order ledger takes about one call a second per account


class RateLimiter:
    """Spaces the calls of one app key."""

    def __init__(self, interval: float, *, ledger_interval: float = 0.0) -> None:
        """Sets the least seconds between calls, and between calls of the order ledger; 0 for none."""
        self._calls = _LaneQueue("calls", interval)
        self._ledger = _LaneQueue("ledger", ledger_interval, min_slowed=_MIN_LEDGER_INTERVAL)
        self._last_ledger_call = -inf

    async def acquire(self, lane: Lane, *, ledger: bool = False) -> None:
        """Returns when this call may go out."""
        if ledger and self._ledger.interval():
            await self._acquire_ledger(lane)
        else:
            await self._calls.acquire(lane)

    async def _acquire_ledger(self, lane: Lane) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await self._ledger.acquire(lane)
            try:
                await self._calls.acquire(lane)
            except asyncio.CancelledError:
                self._ledger.release()
                raise
            early = self._last_ledger_call + self._ledger.interval() - now()
            if early <= _FLOAT_TOLERANCE:
                self._last_ledger_call = now()
                return
            # Ledger calls that were granted one after the other have queued up here, and would go out together.
            self._calls.release()
            await asyncio.sleep(early)

    def slow_down(self, *, ledger: bool = False) -> None:
        """KIS refused a call for its rate (EGW00201, or EGW00215 for the ledger): doubles the interval for a while."""
        (self._ledger if ledger else self._calls).slow_down()

    @property
    def interval(self) -> float:
        """Seconds between calls at present."""
        return self._calls.interval()


class _LaneQueue:
    """Callers waiting for one limiter, by lane and then by arrival."""

    def __init__(self, name: str, usual: float, *, min_slowed: float = 0.0) -> None:
        self._name = name
        self._usual = usual
        self._min_slowed = min_slowed
        self._slowed = usual
        self._slow_since: float | None = None
        self._limiter = AsyncLimiter(1, usual) if usual else None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrival = count()
        self._dispatcher: asyncio.Task[None] | None = None

    async def acquire(self, lane: int) -> None:
        interval = self.interval()
        if not interval:
            return
        limiter = self._limiter
        if self._dispatcher is None and limiter and limiter.time_period == interval and limiter.has_capacity():
            await limiter.acquire()  # does not wait, as there is capacity
            return
        await self._wait(lane)

    async def _wait(self, lane: int) -> None:
        grant: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (lane, next(self._arrival), grant))
        if self._dispatcher is None:
            self._dispatcher = asyncio.create_task(self._dispatch(), name=f"kis-pace-{self._name}")
        try:
            await grant
        except asyncio.CancelledError:
            if grant.cancelled():
                self._drop_cancelled()
            else:
                self.release()
            raise

    async def _dispatch(self) -> None:
        try:
            while self._waiting:
                limiter = await self._current_limiter()
                if limiter is not None:
                    await limiter.acquire()
                self._grant_next()
        finally:
            if self._dispatcher is asyncio.current_task():
                self._dispatcher = None

    async def _current_limiter(self) -> AsyncLimiter | None:
        interval, old = self.interval(), self._limiter
        if old is not None and old.time_period == interval:
            return old
        self._limiter = AsyncLimiter(1, interval) if interval else None
        if self._limiter is not None and not (old and old.time_period > interval and old.has_capacity()):
            # A new limiter would let its first call go at once, however short ago the last one went.
            await self._limiter.acquire()
        return self._limiter

    def _grant_next(self) -> bool:
        while self._waiting:
            _, _, grant = heapq.heappop(self._waiting)
            if not grant.done():
                grant.set_result(None)
                return True
        return False

    def _drop_cancelled(self) -> None:
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
        if not self._waiting and self._dispatcher is not None:
            # The next caller shall find the capacity still free: an acquire that is cancelled takes nothing.
            self._dispatcher.cancel()
            self._dispatcher = None

    def release(self) -> None:
        """Passes a grant that is not used on to the next caller."""
        if not self._grant_next() and self._limiter is not None:
            self._limiter = AsyncLimiter(1, self._limiter.time_period)

    def interval(self) -> float:
        """The usual interval, or the slowed one, which comes back in steps once it has been held."""
        if self._slow_since is None:
            return self._usual
        over = asyncio.get_running_loop().time() - self._slow_since - _HOLD
        step = max(0, int(over * _RECOVERY_STEPS / _RECOVERY)) if over > 0 else 0
        if step >= _RECOVERY_STEPS:
            self._slow_since = None
            _log.info("pace_recovered", line=self._name, interval=self._usual)
            return self._usual
        return self._usual + (self._slowed - self._usual) * (_RECOVERY_STEPS - step) / _RECOVERY_STEPS

    def slow_down(self) -> None:
        """Doubles the interval; refusals within a second count once, and one log line stands until recovery."""
        now = asyncio.get_running_loop().time()
        present = self.interval()
        logged = self._slow_since is not None
        if self._slow_since is None or now - self._slow_since > _BURST:
            self._slowed = min(max(present * 2, self._min_slowed), max(self._usual, self._min_slowed) * _MAX_FACTOR)
            if self._slowed and not logged:
                _log.warning("pace_slowed", line=self._name, interval=round(self._slowed, 3))
        if self._slowed:
            self._slow_since = now
