"""KIS's rate limit: one scheduler per app key, in which a cancel overtakes everything that waits.

Calls wait in lanes (cancel, order, pretrade, fills, ticket, quote, report). Within a lane the sources take turns, as
`kis.callers` names them, and each source is served first come first served: whoever asks for much waits behind
themselves. One call goes out per interval, and which one is decided when the interval has passed, not when the call
arrived. So the next call is always a cancel if one waits, and no second holds more calls than the interval allows.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import structlog
from aiolimiter import AsyncLimiter

from kis.callers import caller

if TYPE_CHECKING:
    from collections.abc import Hashable

    from kis.endpoints import Lane

_log = structlog.get_logger(__name__)

_WINDOW = 1.0
"""Seconds over which KIS counts calls: the pause after a refusal, and within it refusals count as one."""
_WIDENING = 1.1
"""What one refusal makes of the interval; the refusals of a recovery add up."""
_RECOVERY = 9.0
"""Seconds after the pause in which the interval comes back, in steps."""
_LEDGER_WIDENING, _LEDGER_HOLD, _LEDGER_RECOVERY = 2.0, 30.0, 60.0
_MIN_LEDGER_INTERVAL = 1.0
"""Seconds: measured 2026-09, the order ledger takes about one call a second per account, so its refusals come again."""
_RECOVERY_STEPS = 10
_MAX_FACTOR = 8
"""Times the usual interval, at most."""
_FLOAT_TOLERANCE = 1e-6  # seconds


class RateLimiter:
    """Spaces the calls of one app key."""

    def __init__(self, interval: float, *, ledger_interval: float = 0.0) -> None:
        """Sets the least seconds between calls, and between calls of the order ledger; 0 for none."""
        calls = _Slowing(_WIDENING, hold=_WINDOW, recovery=_RECOVERY, pause=_WINDOW)
        ledger = _Slowing(_LEDGER_WIDENING, hold=_LEDGER_HOLD, recovery=_LEDGER_RECOVERY, least=_MIN_LEDGER_INTERVAL)
        self._calls = _LaneQueue("calls", interval, calls)
        self._ledger = _LaneQueue("ledger", ledger_interval, ledger)
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
        """KIS refused a call for its rate.

        After EGW00201 nothing goes out for a second, the interval is a tenth wider and back within ten seconds. After
        EGW00215 the ledger's interval doubles for half a minute, and is back a minute later.
        """
        (self._ledger if ledger else self._calls).slow_down()

    @property
    def interval(self) -> float:
        """Seconds between calls at present."""
        return self._calls.interval()


class _Slowing(NamedTuple):
    """What refusals do to an interval. All in seconds but `widening`, a factor."""

    widening: float
    hold: float
    recovery: float
    pause: float = 0.0
    least: float = 0.0
    """The shortest interval while slowed."""


class _LaneQueue:
    """Callers waiting for one limiter, by lane, then by turns of their sources, then by arrival."""

    def __init__(self, name: str, usual: float, slowing: _Slowing) -> None:
        self._name = name
        self._usual = usual
        self._slowing = slowing
        self._slowed = usual
        self._slow_since: float | None = None
        self._paused_until = -inf
        self._limiter = AsyncLimiter(1, usual) if usual else None
        self._waiting: dict[int, OrderedDict[Hashable, deque[asyncio.Future[None]]]] = {}
        self._dispatcher: asyncio.Task[None] | None = None

    async def acquire(self, lane: int) -> None:
        interval = self.interval()
        if not interval:
            return
        limiter = self._limiter
        idle = self._dispatcher is None and asyncio.get_running_loop().time() >= self._paused_until
        if idle and limiter and limiter.time_period == interval and limiter.has_capacity():
            await limiter.acquire()  # does not wait, as there is capacity
            return
        await self._wait(lane, caller().source)

    async def _wait(self, lane: int, source: Hashable) -> None:
        grant: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(lane, OrderedDict()).setdefault(source, deque()).append(grant)
        if self._dispatcher is None:
            self._dispatcher = asyncio.create_task(self._dispatch(), name=f"kis-pace-{self._name}")
        try:
            await grant
        except asyncio.CancelledError:
            if grant.cancelled():
                self._leave(lane, source, grant)
            else:
                self.release()
            raise

    async def _dispatch(self) -> None:
        try:
            while self._waiting:
                await self._wait_out_pause()
                limiter = await self._current_limiter()
                if limiter is not None:
                    await limiter.acquire()
                if asyncio.get_running_loop().time() >= self._paused_until:
                    self._grant_next()
        finally:
            if self._dispatcher is asyncio.current_task():
                self._dispatcher = None

    async def _wait_out_pause(self) -> None:
        while (left := self._paused_until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)
            interval = self.interval()  # the pause was no shorter, so that the next call may go at once
            self._limiter = AsyncLimiter(1, interval) if interval else None

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
            lane = min(self._waiting)
            source, grants = next(iter(self._waiting[lane].items()))
            grant = grants.popleft()
            self._waiting[lane].move_to_end(source)
            self._drop_empty(lane, source)
            if not grant.done():
                grant.set_result(None)
                return True
        return False

    def _drop_empty(self, lane: int, source: Hashable) -> None:
        if not self._waiting[lane][source]:
            del self._waiting[lane][source]
        if not self._waiting[lane]:
            del self._waiting[lane]

    def _leave(self, lane: int, source: Hashable, grant: asyncio.Future[None]) -> None:
        """Takes back a place in line, unless it was passed over already."""
        sources = self._waiting.get(lane)
        if sources and grant in sources.get(source, ()):
            sources[source].remove(grant)
            self._drop_empty(lane, source)
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
        over = asyncio.get_running_loop().time() - self._slow_since - self._slowing.hold
        step = max(0, int(over * _RECOVERY_STEPS / self._slowing.recovery)) if over > 0 else 0
        if step >= _RECOVERY_STEPS:
            self._slow_since = None
            _log.info("pace_recovered", line=self._name, interval=self._usual)
            return self._usual
        return self._usual + (self._slowed - self._usual) * (_RECOVERY_STEPS - step) / _RECOVERY_STEPS

    def slow_down(self) -> None:
        """Pauses and widens the interval; refusals within a second count once, one log line stands until recovery."""
        now, (widening, _, _, pause, least) = asyncio.get_running_loop().time(), self._slowing
        present = self.interval()
        logged = self._slow_since is not None
        if self._slow_since is None or now - self._slow_since > _WINDOW:
            self._slowed = min(max(present * widening, least), max(self._usual, least) * _MAX_FACTOR)
            if self._slowed and not logged:
                _log.warning("pace_slowed", line=self._name, interval=round(self._slowed, 3))
        if self._slowed:
            self._slow_since = now
            self._paused_until = now + max(pause, self._slowed) if pause else -inf
