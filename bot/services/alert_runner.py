"""Holds prices against the alerts, and says which stocks the price feed is to stream and to read for them.

A change is on disk before it counts in memory. While the market is closed nothing fires and nothing is read.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from bot.alerts.engine import LiveAlerts
from bot.alerts.model import Alert, AlertKind, Comparison, Repeat, Tick
from bot.orders.hours import TradingHours, prices_move
from bot.services.price_feed import LATE, PriceFeed, PriceSubscription
from bot.services.trade_feed import MAX_STREAMED
from bot.store.alerts import AlertStore, LastSeen
from kis.client import KisClient
from kis.errors import KisError
from kis.models import Balance, Quote
from kis.stream import Gap, Trade

log = structlog.get_logger(__name__)

UNSEEN_AFTER = timedelta(minutes=2)
"""A price that was checked longer ago than this has moved unseen."""
HOLDINGS_INTERVAL = timedelta(minutes=10)
SWEEP_INTERVAL = timedelta(minutes=1)
"""Between searches for expired alerts; last prices are written as often."""
URGENCY = ((0.005, 8.0), (0.01, 4.0), (0.02, 2.0))
"""A stock within such a fraction of a trigger of its own is read so many times as often as one far from any."""
VERIFY_INTERVAL = timedelta(minutes=15)
"""A streamed stock without a trade for so long is read: the stream may be dead without a word."""
MAX_PENDING = 100_000
RETRY_INTERVAL = timedelta(seconds=1)
"""After a failed write the disk is left alone for so long: each try may block for seconds."""


class AlertRunner:
    """The live alerts of everybody."""

    def __init__(
        self,
        store: AlertStore,
        prices: PriceFeed,
        client: KisClient,
        hours: TradingHours,
        *,
        clock: Callable[[], datetime],
        calls_per_minute: int,
    ) -> None:
        """`calls_per_minute`: to the broker, for alerts."""
        self._store = store
        self._client = client
        self._hours = hours
        self._clock = clock
        alerts = store.live()
        self.live = LiveAlerts(alerts)
        """What is watched for now; changed only by this class."""
        self._holdings_alerts = {one.id: one for one in alerts if one.kind is AlertKind.HOLDINGS}
        self._holdings_at: datetime | None = None
        self._checked = store.seen()
        """The last price of each stock that its alerts were checked against."""
        self._unsaved: set[str] = set()
        self._swept_at = clock()
        self._minute: tuple[datetime, bool] | None = None
        self._failed_at: datetime | None = None
        self._failing = False
        self._pending: deque[Tick] = deque(maxlen=MAX_PENDING)
        """What could not be written yet, oldest first."""
        self._prices = PriceSubscription(
            prices,
            calls_per_minute=calls_per_minute,
            on_trade=self.on_trade,
            on_quote=self.on_quote,
            on_gap=self.on_gap,
        )

    # --- alerts as people make and end them ---------------------------------------------------------------------------

    def add(self, alert: Alert, quote: Quote | None, most: int) -> Alert | None:
        """Keep a new alert, which was made in view of a quote; None where its person has `most` already."""
        if quote is not None:
            self.on_quote(alert.code, quote)
        made = self._store.add(alert, most)
        if made is None or not made.live or made.id in self.live:
            return made
        if made.kind is AlertKind.HOLDINGS:
            self._holdings_alerts[made.id] = made
            self._holdings_at = None
        self.live.add(made)
        if quote is not None:
            self._set_checked(alert.code, quote.price, quote.volume, quote.at)
        return made

    def of(self, user_id: int) -> list[Alert]:
        """A person's alerts."""
        return self._store.of(user_id)

    def delete(self, user_id: int, alert_id: int) -> bool:
        """End an alert of this person; False where they have none of this number."""
        ended = self._store.delete(user_id, alert_id)
        self._remove(ended)
        return bool(ended)

    def _remove(self, alerts: Iterable[int]) -> None:
        for one in alerts:
            self.live.remove(one)
            self._holdings_alerts.pop(one, None)

    # --- prices -------------------------------------------------------------------------------------------------------

    def on_trade(self, trade: Trade) -> None:
        """A streamed trade."""
        self.on_tick(trade.code, trade.price, trade.volume, trade.at)

    def on_tick(self, code: str, price: int, volume: int, at: datetime) -> None:
        """A trade; `volume`: shares traded since the open, `at`: when we received it."""
        if price <= 0 or not self.live.watches(code) or not self._open(at) or self._overtaken(code, at):
            return
        if not self._pending and self.live.quiet(code, price, volume, at.date()):
            self._set_checked(code, price, volume, at)
        else:
            self._check(Tick(code, at, price, volume))

    def on_quote(self, code: str, quote: Quote) -> None:
        """A quote. Before the day's first trade it tells of halts and nothing else."""
        if not self.live.watches(code) or not self._open(quote.at) or self._overtaken(code, quote.at):
            return
        tick = Tick(code, quote.at, halted=quote.halted, vi=quote.vi)
        if quote.open and quote.price:
            base = quote.base_price or None
            tick = tick._replace(
                price=quote.price, volume=quote.volume, base=base, upper=quote.upper_limit, lower=quote.lower_limit
            )
        self._check(tick)

    def on_gap(self, gap: Gap, codes: Collection[str]) -> None:
        """Prices of these stocks are known up to the beginning of the gap, and not after it."""
        for code in codes:
            checked = self._checked.get(code)
            if checked is not None:
                self._checked[code] = checked._replace(at=max(checked.at, gap.since))

    def _overtaken(self, code: str, at: datetime) -> bool:
        """Whether a newer price was checked; if it is much newer, the clock was set back and time begins anew."""
        checked = self._checked.get(code)
        return checked is not None and timedelta() < checked.at - at < LATE

    def _check(self, tick: Tick) -> None:
        """Hold a tick against the alerts, after those that wait for the disk. No fault reaches the price feed."""
        self._pending.append(tick._replace(unseen=not self._prices.complete(tick.code)))
        self._check_pending()

    def _check_pending(self) -> None:
        now = self._clock()
        if self._failed_at is not None and timedelta() <= now - self._failed_at < RETRY_INTERVAL:
            return
        self._failed_at = None
        while self._pending:
            try:
                self._apply(self._pending[0])
            except sqlite3.Error:
                if not self._failing:
                    log.exception("alerts cannot be written; prices wait in memory", code=self._pending[0].code)
                self._failing, self._failed_at = True, now
                return
            except Exception:
                log.exception("a price could not be held against the alerts", code=self._pending[0].code)
            self._failing = False
            self._pending.popleft()

    def _apply(self, tick: Tick) -> None:
        if tick.unseen:
            last = self._checked.get(tick.code)
            tick = tick._replace(unseen=last is None or tick.at - last.at > UNSEEN_AFTER)
            if tick.unseen and last:
                tick = tick._replace(since=last.at, last=last.price)
        changes = self.live.changes(tick)
        if changes:
            self._store.commit(changes)
            self.live.apply(changes)
        if tick.price is not None:
            self._set_checked(tick.code, tick.price, tick.volume, tick.at)

    def _set_checked(self, code: str, price: int | None, volume: int | None, at: datetime) -> None:
        self._checked[code] = LastSeen(price, volume, at)
        self._unsaved.add(code)

    def _open(self, at: datetime) -> bool:
        """Whether prices move; phases begin and end on the minute, so this is worked out once a minute."""
        minute = at.replace(second=0, microsecond=0)
        if self._minute is None or self._minute[0] != minute:
            self._minute = minute, prices_move(self._hours, minute)
        return self._minute[1]

    # --- polling ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            while True:
                await asyncio.sleep(self._prices.pause)
                await self.turn()
        finally:
            self.sweep()

    async def turn(self) -> None:
        """One call at most: for what is held, or for the stock whose turn it is."""
        now = self._clock()
        if not timedelta() <= now - self._swept_at < SWEEP_INTERVAL:
            self.sweep()
        self._check_pending()
        if not self._open(now):
            return
        self._prices.stream(self.urgent(MAX_STREAMED))
        call = self._next_call(now)
        if call is not None:
            await self._prices.call(call)

    def urgent(self, most: int) -> list[str]:
        """The stocks nearest to a trigger, nearest first."""
        return sorted(self.live.codes, key=self._distance)[:most]

    def _next_call(self, now: datetime) -> Awaitable[bool] | None:
        if self._holdings_alerts and (self._holdings_at is None or now - self._holdings_at >= HOLDINGS_INTERVAL):
            self._holdings_at = now - HOLDINGS_INTERVAL + SWEEP_INTERVAL  # if it fails: again in a minute, prices first
            return self._read_holdings(now)
        code = self.next_stock(now)
        return None if code is None else self._prices.read(code)

    def next_stock(self, now: datetime) -> str | None:
        """The stock whose turn it is: the time since it was read last counts, more where a trigger is near.

        So a stock waits for at most eight turns of every other one, which is the largest of `URGENCY`.
        """
        due = [code for code in self.live.codes if self._due(code, now)]
        return max(due, key=lambda code: self._priority(code, now), default=None)

    def _due(self, code: str, now: datetime) -> bool:
        """Whether a stock is to be read: all but those that are streamed, and of these what no trade tells."""
        by_quote = self.live.lacks_base(code, now.date()) or self.live.by_quote(code)
        streamed = timedelta() if by_quote else VERIFY_INTERVAL
        return self._prices.due(code, now, interval=timedelta(), streamed=streamed)

    def _priority(self, code: str, now: datetime) -> float:
        called_at = self._prices.called_at(code)
        if called_at is None:
            return float("inf")
        weight = URGENCY[0][1]
        if not self.live.lacks_base(code, now.date()):
            distance = self._distance(code)
            weight = next((weight for within, weight in URGENCY if distance <= within), 1.0)
        return (now - called_at).total_seconds() * weight

    def _distance(self, code: str) -> float:
        checked = self._checked.get(code)
        return self.live.distance(code, checked.price, checked.volume) if checked else 0.0

    async def _read_holdings(self, now: datetime) -> bool:
        try:
            self._follow_holdings(await self._client.balance())
        except KisError as error:
            log.warning("the holdings for alerts cannot be read", code=error.code, why=type(error).__name__)
            return False
        except Exception:
            log.exception("the holdings for alerts cannot be taken in; again in a minute")
            return False
        self._holdings_at = now
        return True

    def _follow_holdings(self, balance: Balance) -> None:
        """Watch what is held now, for everybody who wants that, and nothing that is no longer held."""
        held = {one.code: one.name for one in balance.holdings}
        for parent in self._holdings_alerts.values():
            known = {(one.code, one.kind, one.op): one for one in self._store.children(parent.id)}
            for code, name in held.items():
                for made in _parts(parent, code, name):
                    one = known.pop((code, made.kind, made.op), None) or self._store.add(made)
                    if one is not None and one.id not in self.live:
                        self.live.add(one)
            for one in known.values():
                self.live.remove(one.id)

    def sweep(self) -> None:
        """End expired alerts and save last prices."""
        self._swept_at = self._clock()
        try:
            self._remove(self._store.expire())
            self._store.tidy()
            watched = [code for code in self._unsaved if self.live.watches(code)]
            self._store.remember({code: self._checked[code] for code in watched})
            self._unsaved.clear()
        except Exception:
            log.exception("alerts could not be tidied; again in a minute")
        for code in [code for code in self._checked if not self.live.watches(code)]:
            del self._checked[code]


def _parts(parent: Alert, code: str, name: str) -> list[Alert]:
    """What an alert on holdings watches of one stock; each is told once a day, halts every time."""
    percent = parent.percent or Decimal()
    one = replace(
        parent, id=0, parent=parent.id, asked=None, code=code, name=name, again=Repeat.DAILY, line=1, percent=None
    )
    return [
        replace(one, kind=AlertKind.MOVE, op=Comparison.AT_LEAST, percent=percent),
        replace(one, kind=AlertKind.MOVE, op=Comparison.AT_MOST, percent=-percent),
        replace(one, kind=AlertKind.UPPER, op=Comparison.AT_LEAST),
        replace(one, kind=AlertKind.LOWER, op=Comparison.AT_MOST),
        replace(one, kind=AlertKind.HALT, op=Comparison.AT_LEAST, again=Repeat.REPEAT),
        replace(one, kind=AlertKind.VI, op=Comparison.AT_LEAST, again=Repeat.REPEAT),
    ]
