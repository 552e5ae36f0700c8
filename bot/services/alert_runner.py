"""Keeps the alerts: takes ticks from whoever has them, and asks for prices itself, in turn and within a budget.

Every change is on disk before it counts here. While the market is closed nothing fires and nothing is asked.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from bot.alerts.engine import AlertChange, LiveAlerts
from bot.alerts.model import Alert, AlertKind, Comparison, Repeat, Tick
from bot.orders.hours import prices_move
from bot.services.trade_feed import ROOM, OnGap, OnTrade, Subscription
from bot.store.alerts import LastSeen
from kis.errors import KisError
from kis.models import Balance, Quote
from kis.stream import Gap, Trade

log = structlog.get_logger(__name__)

BLIND = timedelta(minutes=2)
"""A price that was last looked at longer ago than this has moved unseen."""
HOLDINGS_EVERY = timedelta(minutes=10)
SWEEP = timedelta(minutes=1)
"""Between looks for alerts whose time is up; what was seen is written as often."""
SLOWEST = 60.0
"""Seconds between calls while the broker does not answer."""
URGENCY = ((0.005, 8.0), (0.01, 4.0), (0.02, 2.0))
"""A stock within such a fraction of a line of its own is asked for so many times as often as one far from any."""
VERIFY = timedelta(minutes=15)
"""A streamed stock is asked for as often all the same: a stream that goes dumb without a word costs no more."""
LATE = timedelta(seconds=5)
"""An answer may be overtaken by a trade by less than this."""
MOST_UNKEPT = 100_000
AGAIN = timedelta(seconds=1)
"""After the disk refused, it is left alone for so long: each try may block for seconds."""
LOOK_AGE = 1.0
"""Seconds for which an answer that somebody else got will do."""


class Broker(Protocol):
    """What is asked of the broker; `kis.KisClient` fits as it is."""

    async def price(self, code: str, *, max_age: float = 0.0) -> Quote:
        """One stock now."""
        ...

    async def balance(self) -> Balance:
        """What is held."""
        ...


class Market(Protocol):
    """When there is a market; `bot.orders.hours.TradingHours` fits as it is."""

    def open(self, now: datetime) -> bool:
        """Whether it is open."""
        ...


class Book(Protocol):
    """The table of alerts; `bot.store.alerts.AlertStore` fits as it is. See there."""

    def add(self, alert: Alert, most: int | None = None) -> Alert | None: ...  # noqa: D102
    def of(self, user_id: int) -> list[Alert]: ...  # noqa: D102
    def live(self) -> list[Alert]: ...  # noqa: D102
    def children(self, parent: int) -> list[Alert]: ...  # noqa: D102
    def delete(self, user_id: int, alert_id: int) -> list[int]: ...  # noqa: D102
    def commit(self, changes: Sequence[AlertChange]) -> bool: ...  # noqa: D102
    def expire(self) -> list[int]: ...  # noqa: D102
    def tidy(self) -> None: ...  # noqa: D102
    def remember(self, seen: Mapping[str, LastSeen]) -> None: ...  # noqa: D102
    def seen(self) -> dict[str, LastSeen]: ...  # noqa: D102


class AlertRunner:
    """All alerts of everybody, at work."""

    def __init__(
        self,
        book: Book,
        broker: Broker,
        market: Market,
        *,
        clock: Callable[[], datetime],
        per_minute: int,
        wake: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`per_minute`: calls that may be made for alerts; `wake` is called after a notice was written."""
        self._book = book
        self._broker = broker
        self._market = market
        self._clock = clock
        self._interval = 60 / per_minute
        self._wake = wake
        self._sleep = sleep
        self._began = clock()
        alerts = book.live()
        self._board = LiveAlerts(alerts)
        self._baskets = {one.id: one for one in alerts if one.kind is AlertKind.HOLDINGS}
        self._held_at: datetime | None = None
        self._seen = book.seen()
        self._unwritten: set[str] = set()
        self._tried: dict[str, datetime] = {}
        self._streamed: set[str] = set()
        self._hearing: Subscription | None = None
        self._live: dict[str, datetime] = {}
        """Streamed, and seen since that began, and when first: nothing of them is missed."""
        self._swept = self._began
        self._minute: tuple[datetime, bool] | None = None
        self._failures = 0
        self._broken = False
        self._failed_at: datetime | None = None
        self._unkept: deque[Tick] = deque(maxlen=MOST_UNKEPT)
        """What was seen while the disk would not take it, oldest first."""

    # --- what people want ---------------------------------------------------------------------------------------------

    def add(self, alert: Alert, quote: Quote | None, most: int) -> Alert | None:
        """Keep a new alert, which was made in view of a quote; None where its person has `most` already."""
        if quote is not None:
            self.on_quote(alert.code, quote)
        made = self._book.add(alert, most)
        if made is None or not made.live or made.id in self._board:
            return made
        if made.kind is AlertKind.HOLDINGS:
            self._baskets[made.id] = made
            self._held_at = None
        self._board.add(made)
        if quote is not None:
            self._saw(alert.code, quote.price, quote.volume, quote.at)
        return made

    def of(self, user_id: int) -> list[Alert]:
        """A person's alerts."""
        return self._book.of(user_id)

    def delete(self, user_id: int, alert_id: int) -> bool:
        """End an alert of this person; False where they have none of this number."""
        ended = self._book.delete(user_id, alert_id)
        self._forget(ended)
        return bool(ended)

    def _forget(self, alerts: Iterable[int]) -> None:
        for one in alerts:
            self._board.remove(one)
            self._baskets.pop(one, None)

    # --- what is seen -------------------------------------------------------------------------------------------------

    def on_tick(self, code: str, price: int, volume: int, at: datetime) -> None:
        """A trade, from whoever hears of it.

        Args:
            code: the stock.
            price: won.
            volume: shares traded since the open.
            at: when we received it (KST).
        """
        if price <= 0 or not self._board.watches(code) or not self._open(at) or self._overtaken(code, at):
            return
        if not self._unkept and self._board.quiet(code, price, volume, at.date()):
            self._saw(code, price, volume, at)
        else:
            self._guarded(Tick(code, at, price, volume))

    def on_quote(self, code: str, quote: Quote) -> None:
        """A quote, from whoever asked. Before the day's first trade it tells of halts and nothing else."""
        if not self._board.watches(code) or not self._open(quote.at) or self._overtaken(code, quote.at):
            return
        tick = Tick(code, quote.at, halted=quote.halted, vi=quote.vi)
        if quote.open and quote.price:
            base = quote.base_price or None
            tick = tick._replace(
                price=quote.price,
                volume=quote.volume,
                base=base,
                upper=quote.upper_limit,
                lower=quote.lower_limit,
            )
        self._guarded(tick)

    def on_gap(self, since: datetime, until: datetime) -> None:
        """The stream was away between these moments: what it brought until then is known, what came after is not."""
        del until
        for code in self._live:
            seen = self._seen[code]
            self._seen[code] = seen._replace(at=max(seen.at, since))
        self._live.clear()

    def streaming(self, codes: Collection[str]) -> None:
        """From now on every trade of these stocks is handed in, and of no others."""
        self._streamed = set(codes)
        self._live = {code: since for code, since in self._live.items() if code in self._streamed}

    def attach(self, watch_trades: Callable[[Sequence[str], OnTrade, OnGap], Subscription]) -> None:
        """Hear trades from now on, of as many stocks as there is room for; `FillStream.watch_trades` fits."""

        def on_trade(trade: Trade) -> None:
            self.on_tick(trade.code, trade.price, trade.volume, trade.at)

        def on_gap(gap: Gap) -> None:
            self.on_gap(gap.since, gap.until)

        self._hearing = watch_trades((), on_trade, on_gap)

    def urgent(self, most: int) -> list[str]:
        """The stocks whose trades should be streamed, those nearest to a line first."""
        return sorted(self._board.codes, key=self._distance)[:most]

    def _overtaken(self, code: str, at: datetime) -> bool:
        """Whether what was seen since is newer; if it is much newer, the clock was set back and time begins anew."""
        seen = self._seen.get(code)
        return seen is not None and timedelta() < seen.at - at < LATE

    def _guarded(self, tick: Tick) -> None:
        """Take a tick in, after those that could not be written. No fault of ours ends whoever brought it."""
        self._unkept.append(tick)
        self._keep()

    def _keep(self) -> None:
        now = self._clock()
        if self._failed_at is not None and timedelta() <= now - self._failed_at < AGAIN:
            return
        self._failed_at = None
        while self._unkept:
            try:
                self._take(self._unkept[0])
            except sqlite3.Error:
                if not self._broken:
                    log.exception("alerts cannot be written; what is seen waits", code=self._unkept[0].code)
                self._broken, self._failed_at = True, now
                return
            except Exception:
                log.exception("a price could not be held against the alerts", code=self._unkept[0].code)
            self._broken = False
            self._unkept.popleft()

    def _take(self, tick: Tick) -> None:
        seen = self._seen.get(tick.code)
        if tick.code not in self._live:
            unseen = seen is None or tick.at - seen.at > BLIND
            tick = tick._replace(
                unseen=unseen,
                since=seen.at if unseen and seen else None,
                last=seen.price if unseen and seen else None,
            )
        changes = self._board.look(tick)
        if changes:
            told = self._book.commit(changes)
            self._board.apply(changes)
            if told:
                self._wake()
        if tick.price is not None:
            self._saw(tick.code, tick.price, tick.volume, tick.at)

    def _saw(self, code: str, price: int | None, volume: int | None, at: datetime) -> None:
        self._seen[code] = LastSeen(price, volume, at)
        self._unwritten.add(code)
        if code in self._streamed:
            self._live.setdefault(code, at)

    def _open(self, at: datetime) -> bool:
        """Whether there is a market; its phases begin and end on the minute, so it is asked once a minute."""
        minute = at.replace(second=0, microsecond=0)
        if self._minute is None or self._minute[0] != minute:
            self._minute = minute, prices_move(self._market, minute)
        return self._minute[1]

    # --- asking -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Ask in turn, until cancelled."""
        try:
            while True:
                await self._sleep(min(self._interval * 2 ** min(self._failures, 10), max(SLOWEST, self._interval)))
                await self.turn()
        finally:
            self._sweep()

    async def turn(self) -> None:
        """One call at most: for what is held, or for the stock whose turn it is."""
        now = self._clock()
        if not timedelta() <= now - self._swept < SWEEP:
            self._swept = now
            self._sweep()
        self._keep()
        if not self._open(now):
            return
        if self._hearing is not None:
            self._hearing.want(self.urgent(ROOM))
            self.streaming(self._hearing.heard)
        try:
            if self._baskets and (self._held_at is None or now - self._held_at >= HOLDINGS_EVERY):
                self._held_at = now - HOLDINGS_EVERY + SWEEP  # if it fails: prices first, and again in a minute
                self._hold(await self._broker.balance())
                self._held_at = now
            elif (code := self.next(now)) is not None:
                self._tried[code] = now
                self.on_quote(code, await self._broker.price(code, max_age=LOOK_AGE))
            self._failures = 0
        except KisError as error:
            if not self._failures:
                log.warning("a price for alerts cannot be read", code=error.code, why=type(error).__name__)
            self._failures += 1
        except Exception:
            if not self._failures:
                log.exception("alerts cannot be looked after; again shortly")
            self._failures += 1

    def next(self, now: datetime) -> str | None:
        """The stock whose turn it is: the time since its last turn counts, more where a line is near.

        So a stock waits for at most eight turns of every other one, which is the largest of `URGENCY`.
        """
        waiting = [code for code in self._board.codes if self._asks(code, now)]
        return max(waiting, key=lambda code: self._pressing(code, now), default=None)

    def _asks(self, code: str, now: datetime) -> bool:
        """Whether a stock is to be asked for: all but those that are streamed, and of these what no trade tells."""
        if code not in self._live or self._board.lacks_base(code, now.date()) or self._board.by_quote(code):
            return True
        return now - max(self._tried.get(code, self._began), self._live[code]) >= VERIFY

    def _pressing(self, code: str, now: datetime) -> float:
        if code not in self._tried:
            return float("inf")
        weight = URGENCY[0][1]
        if not self._board.lacks_base(code, now.date()):
            away = self._distance(code)
            weight = next((weight for within, weight in URGENCY if away <= within), 1.0)
        return (now - self._tried[code]).total_seconds() * weight

    def _distance(self, code: str) -> float:
        seen = self._seen.get(code)
        return self._board.distance(code, seen.price, seen.volume) if seen else 0.0

    def _hold(self, balance: Balance) -> None:
        """Watch what is held now, for each who asked for that, and nothing that is no longer."""
        held = {one.code: one.name for one in balance.holdings}
        for basket in self._baskets.values():
            known = {(one.code, one.kind, one.op): one for one in self._book.children(basket.id)}
            for code, name in held.items():
                for made in _parts(basket, code, name):
                    one = known.pop((code, made.kind, made.op), None) or self._book.add(made)
                    if one is not None and one.id not in self._board:
                        self._board.add(one)
            for one in known.values():
                self._board.remove(one.id)

    def _sweep(self) -> None:
        try:
            self._forget(self._book.expire())
            self._book.tidy()
            watched = [code for code in self._unwritten if self._board.watches(code)]
            self._book.remember({code: self._seen[code] for code in watched})
            self._unwritten.clear()
        except Exception:
            log.exception("alerts could not be tidied; again in a minute")
        for code in [code for code in self._seen if not self._board.watches(code)]:
            self._seen.pop(code)
            self._tried.pop(code, None)
            self._live.pop(code, None)


def _parts(basket: Alert, code: str, name: str) -> list[Alert]:
    """What an alert on holdings watches of one stock; each is told once a day, halts every time."""
    percent = basket.percent or Decimal()
    one = replace(
        basket,
        id=0,
        parent=basket.id,
        asked=None,
        code=code,
        name=name,
        again=Repeat.DAILY,
        line=1,
        percent=None,
    )
    return [
        replace(one, kind=AlertKind.MOVE, op=Comparison.AT_LEAST, percent=percent),
        replace(one, kind=AlertKind.MOVE, op=Comparison.AT_MOST, percent=-percent),
        replace(one, kind=AlertKind.UPPER, op=Comparison.AT_LEAST),
        replace(one, kind=AlertKind.LOWER, op=Comparison.AT_MOST),
        replace(one, kind=AlertKind.HALT, op=Comparison.AT_LEAST, again=Repeat.REPEAT),
        replace(one, kind=AlertKind.VI, op=Comparison.AT_LEAST, again=Repeat.REPEAT),
    ]
