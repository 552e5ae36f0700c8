"""Prices for those who want them: streamed where a registration is free, otherwise polled within a budget of calls.

One class paces, reads and remembers prices for alerts, live watch lists and whoever comes next. What is streamed serves
all of them, and what nobody wants is not polled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
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

CHECK_INTERVAL = 0.5
"""Seconds between two uses of `PriceSubscription.begin_calls`."""
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


def _ignore(*_: object) -> None:
    """What a consumer does that looks up the latest price by itself."""


class PriceFeed:
    """Serves its subscribers, in streaming those first that subscribed first, and hands each trade to all of them."""

    def __init__(self, client: KisClient, trades: TradeFeed, *, clock: Callable[[], datetime]) -> None:
        self.client = client
        self.clock = clock
        self.subscriptions: list[PriceSubscription] = []
        self._trades = trades.subscribe((), self._on_trade, self._on_gap)

    @property
    def streamed(self) -> frozenset[str]:
        """Stocks of which every trade comes in now."""
        return self._trades.streamed

    def update_streams(self) -> None:
        """Bring the registrations up to what the subscribers want."""
        self._trades.want(interleaved(one.codes for one in self.subscriptions))

    def _on_trade(self, trade: Trade) -> None:
        for one in self.subscriptions:
            one.take_trade(trade)

    def _on_gap(self, gap: Gap) -> None:
        for one in self.subscriptions:
            one.take_gap(gap)


class PriceSubscription:
    """The prices of one subscriber, the stocks it wants streamed, and its calls to the broker."""

    def __init__(
        self,
        feed: PriceFeed,
        *,
        calls_per_minute: int,
        on_trade: Callable[[Trade], object] = _ignore,
        on_quote: Callable[[str, Quote], object] = _ignore,
        on_gap: Callable[[Gap, Collection[str]], object] = _ignore,
    ) -> None:
        """Subscribes, behind those that are there.

        `on_gap` gets the times after which trades may have been missed, and the stocks complete until then.
        """
        feed.subscriptions.append(self)
        self._feed = feed
        self._clock = feed.clock
        self._interval = 60 / calls_per_minute
        self._on_trade = on_trade
        self._on_quote = on_quote
        self._on_gap = on_gap
        self.codes: tuple[str, ...] = ()
        """What it wants streamed, the most urgent first."""
        self._latest: dict[str, LastPrice] = {}
        self._called_at: dict[str, datetime] = {}
        self._refused: set[str] = set()
        self._in_flight: dict[str, asyncio.Task[bool]] = {}
        self._complete: set[str] = set()
        self._failing = False
        self._failures = 0
        self._call_at = self._clock()
        self._calls: set[asyncio.Task[None]] = set()

    def stream(self, codes: Sequence[str]) -> None:
        """Want these stocks streamed from now on, as far as there is room, the most urgent first."""
        self.codes = tuple(codes)
        self._feed.update_streams()
        self._complete &= self._feed.streamed

    def close(self) -> None:
        """Wait for no answer any more."""
        for call in self._in_flight.values():
            call.cancel()

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
        """Whether a price is to be read again, `interval` after the last reading.

        A streamed one is read when it was silent for `streamed`: it may be halted, or the stream dead.
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
            self._take_quote(code, await self._feed.client.price(code, max_age=FRESH.total_seconds()))
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

    # --- calls per minute ---------------------------------------------------------------------------------------------

    @property
    def pause(self) -> float:
        """Seconds to wait between two calls now; more while the broker does not answer."""
        return backoff(self._failures, first=self._interval, most=max(MAX_BACKOFF, self._interval))

    async def call(self, call: Awaitable[bool]) -> None:
        """Make a call, which tells whether the broker answered."""
        self._failures = 0 if await call else self._failures + 1

    def begin_calls(self, next_call: Callable[[datetime], Awaitable[bool] | None]) -> None:
        """Begin the calls for which it is time, without waiting for them; `next_call` gives None if none is needed."""
        now, pause = self._clock(), self.pause
        step, slack = timedelta(seconds=pause), timedelta(seconds=CHECK_INTERVAL if pause < CHECK_INTERVAL else 0)
        self._call_at = min(max(self._call_at, now - slack), now + step)
        while self._call_at <= now and len(self._calls) < MAX_CALLS_AT_ONCE:
            call = next_call(now)
            if call is None:
                return
            task = asyncio.get_running_loop().create_task(self.call(call))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
            self._call_at += step

    # --- taking in ----------------------------------------------------------------------------------------------------

    def take_trade(self, trade: Trade) -> None:
        """A streamed trade."""
        figures = trade.price, trade.change, trade.change_rate, trade.volume
        self._update(trade.code, LastPrice(*figures, halted=trade.halted, vi=False, at=trade.at))
        self._on_trade(trade)
        self._mark(trade.code)

    def take_gap(self, gap: Gap) -> None:
        """Trades may have been missed."""
        self._on_gap(gap, self._complete)
        self._complete.clear()

    def _take_quote(self, code: str, quote: Quote) -> None:
        if quote.price:
            self._refused.discard(code)
            figures = quote.price, quote.change, quote.change_rate, quote.volume
            self._update(code, LastPrice(*figures, halted=quote.halted, vi=quote.vi, at=quote.at))
        else:
            self._refused.add(code)
        self._on_quote(code, quote)
        self._mark(code)

    def _update(self, code: str, price: LastPrice) -> None:
        known = self._latest.get(code)
        if price.price and (known is None or not timedelta() < known.at - price.at < LATE):
            self._latest[code] = price

    def _mark(self, code: str) -> None:
        """From here on no trade is missed; only after the subscriber had the price that comes after a gap."""
        if code in self._latest and code in self._feed.streamed:
            self._complete.add(code)
