"""Who may call next: one scheduler per app key, to keep KIS's rate limit without a cancel standing in line.

Calls wait in lanes (cancel, order, fills, quote, report), first come first served within each. A limiter lets
one call through per interval; which one is decided when the moment has come, not when a call arrived. So the next
moment is always a cancel's, however many wait, and no second holds more calls than fit at that distance.
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
_STEPS = 10
_MOST = 8  # times the usual interval, at most
_SAME_MOMENT = 1e-6  # seconds: what sums of floats may miss
_ONE_BURST = 1.0  # refusals within so many seconds count as one: calls under way do not know of each other
_LEDGER_FLOOR = 1.0  # seconds: measured 2026-09, the order ledger takes about one call a second per account


class RateLimiter:
    """Spaces the calls of one app key."""

    def __init__(self, interval: float, *, ledger_interval: float = 0.0) -> None:
        """Sets the least time between calls, and between calls of the order ledger.

        Args:
            interval: seconds; 0 for no spacing at all.
            ledger_interval: seconds between balance, order list and buying power calls; 0 for no own rule.
        """
        self._calls = _Queue("calls", interval)
        self._ledger = _Queue("ledger", ledger_interval, floor=_LEDGER_FLOOR)
        self._ledger_left = -inf

    async def turn(self, lane: Lane, *, ledger: bool = False) -> None:
        """Returns when this call may go out."""
        if ledger and self._ledger.interval():
            await self._ledger_turn(lane)
        else:
            await self._calls.turn(lane)

    async def _ledger_turn(self, lane: Lane) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await self._ledger.turn(lane)
            try:
                await self._calls.turn(lane)
            except asyncio.CancelledError:
                self._ledger.give_back()
                raise
            early = self._ledger_left + self._ledger.interval() - now()
            if early <= _SAME_MOMENT:
                self._ledger_left = now()
                return
            # Those who had the ledger's turns one after the other have waited here, and would go out together.
            self._calls.give_back()
            await asyncio.sleep(early)

    def throttled(self, *, ledger: bool = False) -> None:
        """KIS refused a call for its rate (EGW00201, or EGW00215 for the ledger): go slower for a while."""
        (self._ledger if ledger else self._calls).slow_down()

    @property
    def interval(self) -> float:
        """Seconds between calls at present."""
        return self._calls.interval()


class _Queue:
    """Callers waiting for one limiter."""

    def __init__(self, name: str, usual: float, *, floor: float = 0.0) -> None:
        self._name = name
        self._usual = usual
        self._floor = floor
        self._slowed = usual
        self._slow_since: float | None = None
        self._limiter = AsyncLimiter(1, usual) if usual else None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrival = count()
        self._pump: asyncio.Task[None] | None = None

    async def turn(self, lane: int) -> None:
        interval = self.interval()
        if not interval:
            return
        limiter = self._limiter
        if self._pump is None and limiter and limiter.time_period == interval and limiter.has_capacity():
            await limiter.acquire()  # does not wait, as there is capacity
            return
        await self._wait(lane)

    async def _wait(self, lane: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (lane, next(self._arrival), turn))
        if self._pump is None:
            self._pump = asyncio.create_task(self._hand_out(), name=f"kis-pace-{self._name}")
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave()
            else:
                self.give_back()
            raise

    async def _hand_out(self) -> None:
        try:
            while self._waiting:
                limiter = await self._current()
                if limiter is not None:
                    await limiter.acquire()
                self._next()
        finally:
            if self._pump is asyncio.current_task():
                self._pump = None

    async def _current(self) -> AsyncLimiter | None:
        interval, old = self.interval(), self._limiter
        if old is not None and old.time_period == interval:
            return old
        self._limiter = AsyncLimiter(1, interval) if interval else None
        if self._limiter is not None and not (old and old.time_period > interval and old.has_capacity()):
            # A new limiter would let its first call go at once, however short ago the last one went.
            await self._limiter.acquire()
        return self._limiter

    def _next(self) -> bool:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return True
        return False

    def _leave(self) -> None:
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
        if not self._waiting and self._pump is not None:
            # Whoever comes next shall find the moment still free: an acquire that is cancelled takes nothing.
            self._pump.cancel()
            self._pump = None

    def give_back(self) -> None:
        """A moment was granted to a caller that was cancelled: the next one takes it."""
        if not self._next() and self._limiter is not None:
            self._limiter = AsyncLimiter(1, self._limiter.time_period)

    def interval(self) -> float:
        """The usual interval, or the slowed one, which comes back in steps once it has been held."""
        if self._slow_since is None:
            return self._usual
        over = asyncio.get_running_loop().time() - self._slow_since - _HOLD
        step = max(0, int(over * _STEPS / _RECOVERY)) if over > 0 else 0
        if step >= _STEPS:
            self._slow_since = None
            _log.info("pace_recovered", line=self._name, interval=self._usual)
            return self._usual
        return self._usual + (self._slowed - self._usual) * (_STEPS - step) / _STEPS

    def slow_down(self) -> None:
        """Doubles the interval; refusals that arrive together count once, and one line tells of them until recovery."""
        now = asyncio.get_running_loop().time()
        present = self.interval()
        told = self._slow_since is not None
        if self._slow_since is None or now - self._slow_since > _ONE_BURST:
            self._slowed = min(max(present * 2, self._floor), max(self._usual, self._floor) * _MOST)
            if self._slowed and not told:
                _log.warning("pace_slowed", line=self._name, interval=round(self._slowed, 3))
        if self._slowed:
            self._slow_since = now
