"""The newest price of each stock that somebody wants: streamed where a registration is free, otherwise polled.

Each consumer has its own calls per minute, and what a call brings serves all. What nobody wants is not polled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.chat.types import LastPrice
from bot.services.trade_feed import TradeFeed, interleaved
from kis.backoff import backoff
from kis.client import KisClient
from kis.errors import KisError, Misconfigured, Refused, Throttled, TokenRejected
from kis.models import Quote
from kis.stream import Gap, Trade

log = structlog.get_logger(__name__)

POLL_INTERVAL = 0.5
"""Seconds between two checks whether a call is due."""
FRESH = timedelta(seconds=1)
"""A price as new as this is not read again, whoever wants it."""
STALE = timedelta(seconds=20)
"""A price seen longer ago may have moved."""
LATE = timedelta(seconds=5)
"""An answer may be overtaken by a trade by less than this; more means that the clock was set back."""
REFUSED_INTERVAL = timedelta(minutes=5)
"""A stock for which KIS gives no price is read again after so long."""
REFRESH_TIMEOUT = 3.0
"""Seconds a person waits for prices."""
MAX_CALLS_AT_ONCE = 5
"""Of one consumer."""
MAX_BACKOFF = 60.0
"""Seconds between calls while the broker does not answer."""


class PriceConsumer:
    """Wants prices of some stocks; whoever subscribes first comes first."""

    def to_stream(self, now: datetime) -> Sequence[str]:
        """The stocks whose trades should be streamed, the most urgent first."""
        raise NotImplementedError

    def next_call(self, now: datetime) -> Awaitable[bool] | None:
        """Begin the call that is due, usually `PriceFeed.read`, and give whether KIS answered; None if none is due."""
        raise NotImplementedError

    def on_trade(self, trade: Trade) -> None:
        """A streamed trade."""

    def on_quote(self, code: str, quote: Quote) -> None:
        """A quote that was read for any consumer."""

    def on_gap(self, gap: Gap, codes: Collection[str]) -> None:
        """Trades of these stocks, which were complete until then, may have been missed."""


@dataclass
class _Account:
    """A consumer and its calls."""

    consumer: PriceConsumer
    interval: float
    call_at: datetime
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    failures: int = 0

    @property
    def pause(self) -> float:
        """Seconds between two calls."""
        return backoff(self.failures, first=self.interval, most=max(MAX_BACKOFF, self.interval))


class PriceFeed:
    """Latest prices, one poller for all consumers, and the calls they may make."""

    def __init__(self, client: KisClient, trades: TradeFeed, *, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._accounts: list[_Account] = []
        self._latest: dict[str, LastPrice] = {}
        self._called_at: dict[str, datetime] = {}
        self._refused: set[str] = set()
        self._in_flight: dict[str, asyncio.Task[bool]] = {}
        self._complete: set[str] = set()
        self._failing = self._broken = False
        self._subscription = trades.subscribe((), self._on_trade, self._on_gap)

    def subscribe(self, consumer: PriceConsumer, *, calls_per_minute: int) -> None:
        """Serve a consumer from now on, after those that subscribed before it."""
        interval = 60 / calls_per_minute
        self._accounts.append(_Account(consumer, interval, self._clock() + timedelta(seconds=interval)))

    # --- what is known ------------------------------------------------------------------------------------------------

    def latest(self, code: str) -> LastPrice | None:
        """The newest price; None where there is none."""
        return self._latest.get(code)

    def called_at(self, code: str) -> datetime | None:
        """When the price of a stock was read last, or is being read since."""
        return self._called_at.get(code)

    def stale(self, code: str, now: datetime) -> bool:
        """Whether the price may have moved since it was seen."""
        return not self._newer_than(code, STALE, now)

    def reading(self, code: str) -> bool:
        """Whether a call for it is under way."""
        return code in self._in_flight

    def unread(self, code: str) -> bool:
        """Whether the first answer is still to come."""
        return code not in self._called_at or (code in self._in_flight and code not in self._latest)

    def complete(self, code: str) -> bool:
        """Whether the stock is streamed and no trade was missed since its latest price."""
        return code in self._complete

    def due(self, code: str, now: datetime, *, interval: timedelta, streamed: timedelta) -> bool:
        """Whether a price is to be read again.

        Args:
            code: the stock.
            now: the present moment.
            interval: between two readings of a stock that is not streamed.
            streamed: a streamed one is read when it was silent for so long: it may be halted, or the stream dead.
        """
        if code in self._in_flight:
            return False
        since, wait = self._called_at.get(code), interval
        if code in self._refused:
            wait = REFUSED_INTERVAL
        elif code in self._complete:
            seen = self._latest[code].at
            since, wait = seen if since is None else max(since, seen), streamed
        return since is None or not timedelta() <= now - since < wait

    def restore(self, prices: Mapping[str, LastPrice]) -> None:
        """Prices of an earlier run."""
        self._latest.update(prices)

    def _newer_than(self, code: str, age: timedelta, now: datetime) -> bool:
        seen = self._latest.get(code)
        return code in self._complete or (seen is not None and timedelta() <= now - seen.at <= age)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def refresh(self, codes: Collection[str]) -> None:
        """Read prices for a person who waits, as many as come in time, the oldest first; the rest arrives later."""
        now = self._clock()
        calls = [self.read(code) for code in self.by_age(codes) if not self._newer_than(code, FRESH, now)]
        if calls:
            await asyncio.wait(calls, timeout=REFRESH_TIMEOUT)

    def by_age(self, codes: Collection[str]) -> list[str]:
        """Stocks never read, then those read longest ago."""
        return sorted(codes, key=lambda code: at.timestamp() if (at := self._called_at.get(code)) else 0.0)

    def read(self, code: str) -> asyncio.Task[bool]:
        """Read a price, or join the call under way; the result is whether KIS answered."""
        if code not in self._in_flight:
            self._called_at[code] = self._clock()
            self._in_flight[code] = asyncio.get_running_loop().create_task(self._fetch(code))
        return self._in_flight[code]

    async def _fetch(self, code: str) -> bool:
        try:
            self._on_quote(code, await self._client.price(code, max_age=FRESH.total_seconds()))
        except KisError as error:
            if isinstance(error, Refused) and not isinstance(error, Throttled | TokenRejected | Misconfigured):
                self._refused.add(code)  # this stock has no price: no reason to read others less often
                return True
            if not self._failing:
                log.warning("a price cannot be read", stock=code, code=error.code, why=type(error).__name__)
            self._failing = True
            return False
        except Exception:
            if not self._failing:
                log.exception("a price could not be taken in", stock=code)
            self._failing = True
            return False
        finally:
            self._in_flight.pop(code, None)
        self._failing = False
        return True

    # --- polling ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            while True:
                await asyncio.sleep(POLL_INTERVAL)
                try:
                    self.poll()
                    self._broken = False
                except Exception:
                    if not self._broken:
                        log.exception("prices cannot be polled; tried again shortly")
                    self._broken = True
        finally:
            for task in [*self._in_flight.values(), *(call for one in self._accounts for call in one.calls)]:
                task.cancel()

    def poll(self) -> None:
        """Bring the registrations up to date and begin the calls that are due."""
        now = self._clock()
        self._subscription.want(interleaved(one.consumer.to_stream(now) for one in self._accounts))
        self._complete &= self._subscription.streamed
        for one in self._accounts:
            self._begin_calls(one, now)

    def _begin_calls(self, one: _Account, now: datetime) -> None:
        step = timedelta(seconds=one.pause)
        slack = timedelta(seconds=POLL_INTERVAL if one.pause < POLL_INTERVAL else 0)
        one.call_at = min(max(one.call_at, now - slack), now + step)
        while one.call_at <= now and len(one.calls) < MAX_CALLS_AT_ONCE:
            call = one.consumer.next_call(now)
            if call is None:
                return
            task = asyncio.get_running_loop().create_task(self._count(one, call))
            one.calls.add(task)
            task.add_done_callback(one.calls.discard)
            one.call_at += step

    async def _count(self, one: _Account, call: Awaitable[bool]) -> None:
        if await call:
            one.failures = 0
        else:
            one.failures += 1
            one.call_at = self._clock() + timedelta(seconds=one.pause)

    # --- taking in ----------------------------------------------------------------------------------------------------

    def _on_trade(self, trade: Trade) -> None:
        figures = trade.price, trade.change, trade.change_rate, trade.volume
        self._update(trade.code, LastPrice(*figures, halted=trade.halted, vi=False, at=trade.at))
        for one in self._accounts:
            one.consumer.on_trade(trade)
        self._mark(trade.code)

    def _on_quote(self, code: str, quote: Quote) -> None:
        if quote.price:
            self._refused.discard(code)
            figures = quote.price, quote.change, quote.change_rate, quote.volume
            self._update(code, LastPrice(*figures, halted=quote.halted, vi=quote.vi, at=quote.at))
        else:
            self._refused.add(code)
        for one in self._accounts:
            one.consumer.on_quote(code, quote)
        self._mark(code)

    def _update(self, code: str, price: LastPrice) -> None:
        known = self._latest.get(code)
        if price.price and (known is None or not timedelta() < known.at - price.at < LATE):
            self._latest[code] = price

    def _mark(self, code: str) -> None:
        """From here on no trade is missed; only after consumers had the price that comes after a gap."""
        if code in self._latest and code in self._subscription.streamed:
            self._complete.add(code)

    def _on_gap(self, gap: Gap) -> None:
        for one in self._accounts:
            one.consumer.on_gap(gap, self._complete)
        self._complete.clear()
