"""Prices for watch lists: streamed where that is heard, else asked for in turn within a budget, or when a person asks.

One answer serves everybody, and who asks for what is being asked for already waits for the same call.
"""

import asyncio
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Protocol

import structlog

from bot.chat.types import LastPrice
from bot.services.trade_feed import OnGap, OnTrade, Subscription
from kis.errors import KisError, Misconfigured, Refused, Throttled, TokenRejected
from kis.models import Quote
from kis.stream import Gap, Trade

log = structlog.get_logger(__name__)

TICK = 0.5
"""Seconds between turns."""
FRESH = timedelta(seconds=1)
"""A price as new as this is not asked for again, whoever asks."""
PATIENCE = 3.0
"""Seconds a person waits for prices."""
POLLED = timedelta(seconds=10)
"""A stock that is not streamed is asked for so often, if the budget bears it."""
QUIET = timedelta(seconds=60)
"""A streamed stock without a trade for so long is asked for: trades tell of no halt, and a stream may go dumb."""
REFUSED = timedelta(minutes=5)
"""A stock that KIS does not give is asked for again after so long."""
OLD = timedelta(seconds=20)
"""A price seen longer ago may have moved."""
LATE = timedelta(seconds=5)
"""An answer may be overtaken by a trade by less than this."""
AT_ONCE = 5
"""No further call in turn while so many are under way."""
SLOWEST = 60.0
"""Seconds between calls while the broker does not answer."""


class Broker(Protocol):
    """What is asked of the broker; `kis.KisClient` fits as it is."""

    async def price(self, code: str, *, max_age: float = 0.0) -> Quote:
        """One stock now."""
        ...


class PriceFeed:
    """What was last seen of each stock."""

    def __init__(self, broker: Broker, *, clock: Callable[[], datetime], per_minute: int) -> None:
        """`per_minute`: calls that `turn` may make."""
        self._broker = broker
        self._clock = clock
        self._interval = 60 / per_minute
        self._seen: dict[str, LastPrice] = {}
        self._tried: dict[str, datetime] = {}
        self._refused: set[str] = set()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._hearing: Subscription | None = None
        self._current: set[str] = set()
        """Streamed, and seen since that began: nothing of them is missed."""
        self._call_at = clock()
        self._served: dict[Hashable, int] = {}
        self._calls = 0
        self._failures = 0

    # --- what is known ------------------------------------------------------------------------------------------------

    def seen(self, code: str) -> LastPrice | None:
        """The newest price; None where there is none."""
        return self._seen.get(code)

    def old(self, code: str, now: datetime) -> bool:
        """Whether the price may have moved since it was seen."""
        return not self._newer_than(code, OLD, now)

    def asking(self, code: str) -> bool:
        """Whether an answer is under way."""
        return code in self._asking

    def untried(self, code: str) -> bool:
        """Whether the first answer is still to come."""
        return code not in self._tried or (code in self._asking and code not in self._seen)

    def recall(self, seen: Mapping[str, LastPrice]) -> None:
        """What was seen before this start."""
        self._seen.update(seen)

    def _newer_than(self, code: str, age: timedelta, now: datetime) -> bool:
        seen = self._seen.get(code)
        return code in self._current or (seen is not None and timedelta() <= now - seen.at <= age)

    # --- hearing ------------------------------------------------------------------------------------------------------

    def attach(self, watch_trades: Callable[[Sequence[str], OnTrade, OnGap], Subscription]) -> None:
        """Hear trades from now on, of as many stocks as there is room for; `FillStream.watch_trades` fits."""

        def on_trade(trade: Trade) -> None:
            figures = trade.price, trade.change, trade.change_rate, trade.volume
            self._saw(trade.code, LastPrice(*figures, halted=trade.halted, vi=False, at=trade.at))

        def on_gap(_: Gap) -> None:
            self._current.clear()

        self._hearing = watch_trades((), on_trade, on_gap)

    def hear(self, lists: Sequence[Sequence[str]]) -> None:
        """Wish to hear the stocks of these lists from now on: everybody's first, everybody's second, and so on."""
        if self._hearing is not None:
            self._hearing.want([code for turn in zip_longest(*lists) for code in turn if code is not None])
            self._current &= self._hearing.heard

    def _saw(self, code: str, seen: LastPrice) -> None:
        """A trade or an answer. An answer that a trade has overtaken is of no use."""
        known = self._seen.get(code)
        if not seen.price or (known is not None and timedelta() < known.at - seen.at < LATE):
            return
        self._seen[code] = seen
        if self._hearing is not None and code in self._hearing.heard:
            self._current.add(code)

    # --- asking -------------------------------------------------------------------------------------------------------

    async def ask(self, codes: Collection[str]) -> None:
        """Have prices of this moment, of as many as come in time; the rest comes later.

        What was asked for longest ago goes first: a paper account bears one call a second.
        """
        now = self._clock()
        stale = [code for code in codes if not self._newer_than(code, FRESH, now)]
        calls = [self._call(code) for code in sorted(stale, key=lambda code: self._last_turn(code, now))]
        if calls:
            await asyncio.wait(calls, timeout=PATIENCE)

    def turn(self, lists: Mapping[Hashable, Sequence[str]]) -> None:
        """Ask for what living lists need next, if it is time for a call; they take turns."""
        now = self._clock()
        pause = min(self._interval * 2 ** min(self._failures, 10), max(SLOWEST, self._interval))
        step, slack = timedelta(seconds=pause), timedelta(seconds=TICK if pause < TICK else 0)
        self._call_at = min(max(self._call_at, now - slack), now + step)
        while self._call_at <= now and len(self._asking) < AT_ONCE:
            code = self._next(lists, now)
            if code is None:
                return
            self._call(code)
            self._call_at += step

    def close(self) -> None:
        """Wait for nothing more."""
        for call in self._asking.values():
            call.cancel()

    def _next(self, lists: Mapping[Hashable, Sequence[str]], now: datetime) -> str | None:
        self._served = {whose: self._served.get(whose, 0) for whose in lists}
        for whose in sorted(lists, key=lambda whose: self._served[whose]):
            due = [code for code in lists[whose] if self._due(code, now)]
            if due:
                self._calls += 1
                self._served[whose] = self._calls
                return min(due, key=lambda code: self._last_turn(code, now))
        return None

    def _due(self, code: str, now: datetime) -> bool:
        if code in self._asking or code not in self._tried:
            return code not in self._asking
        since, wait = self._tried[code], POLLED
        if code in self._refused:
            wait = REFUSED
        elif code in self._current:
            since, wait = max(since, self._seen[code].at), QUIET
        return not timedelta() <= now - since < wait

    def _last_turn(self, code: str, now: datetime) -> datetime:
        return self._tried.get(code, datetime.min.replace(tzinfo=now.tzinfo))

    def _call(self, code: str) -> asyncio.Task[None]:
        if code not in self._asking:
            self._tried[code] = self._clock()
            self._asking[code] = asyncio.get_running_loop().create_task(self._fetch(code))
        return self._asking[code]

    async def _fetch(self, code: str) -> None:
        try:
            self._take(code, await self._broker.price(code, max_age=FRESH.total_seconds()))
            self._failures = 0
        except KisError as error:
            log.info("a price for a watch list cannot be read", stock=code, code=error.code, why=type(error).__name__)
            if isinstance(error, Refused) and not isinstance(error, Throttled | TokenRejected | Misconfigured):
                self._refused.add(code)  # this stock is not given: no reason to ask for others less
            else:
                self._failures += 1
        except Exception:
            log.exception("a price for a watch list could not be taken in", stock=code)
            self._failures += 1
        finally:
            self._asking.pop(code, None)

    def _take(self, code: str, quote: Quote) -> None:
        if not quote.price:
            self._refused.add(code)
            return
        self._refused.discard(code)
        figures = quote.price, quote.change, quote.change_rate, quote.volume
        self._saw(code, LastPrice(*figures, halted=quote.halted, vi=quote.vi, at=quote.at))
