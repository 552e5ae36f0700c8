"""What pulls the brakes while nobody looks: a day that loses too much, refusals in a row, a clock that has drifted."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from bot.orders.model.order import OrderState
from bot.orders.ports import Broker, Journal, MarketHours
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from kis.errors import KisError

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=5)
"""Between looks at what the account is worth, while orders are taken."""
AFTER_START = timedelta(seconds=5)
REJECTS = 5
"""So many orders refused by the broker in a row, whoever sent them: something is wrong that more orders do not mend."""
VERDICTS = frozenset(
    {
        OrderState.REJECTED,
        OrderState.OPEN,
        OrderState.PARTIAL,
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.REPLACED,
    },
)


class DayBook(Protocol):
    """What the account was worth when a day began."""

    def worth(self, day: date) -> int | None: ...
    def begin_day(self, day: date, worth: int) -> None: ...


class CircuitBreaker:
    """Looks now and then."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        book: DayBook,
        brakes: TradingHalt,
        market: MarketHours,
        *,
        clock: Callable[[], datetime],
        clock_stop: float,
        loss_percent: Decimal,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`loss_percent` of what the account was worth this morning stops buys; 0 for never."""
        self._broker = broker
        self._journal = journal
        self._book = book
        self._brakes = brakes
        self._market = market
        self._clock = clock
        self._clock_stop = clock_stop
        self._loss_percent = loss_percent
        self._sleep = sleep
        self._next = clock() + AFTER_START

    def look(self) -> None:
        """What can be seen without asking anybody."""
        if abs(self._broker.clock_offset) > self._clock_stop:
            self._brakes.pull(HaltLevel.NEW, "CLOCK_DRIFT")
        if self._refused_in_a_row() >= REJECTS:
            self._brakes.pull(HaltLevel.NEW, "REJECTS")

    def _refused_in_a_row(self) -> int:
        """Since the brakes were last touched: a person who lets go begins the count anew."""
        since = self._brakes.now().at
        count = 0
        for order in reversed(self._journal.tried_on(self._clock().date())):
            if order.state in VERDICTS and order.sent_at is not None and order.sent_at > since:
                if order.state is not OrderState.REJECTED:
                    break
                count += 1
        return count

    async def run(self) -> None:
        """Weigh the account now and then, until cancelled."""
        while True:
            await self.weigh()
            await self._sleep(1)

    async def weigh(self) -> None:
        """Hold what the account is worth against what it was worth when the day began."""
        now = self._clock()
        if not self._loss_percent or now < self._next or not self._market.open(now):
            return
        self._next = now + EVERY
        try:
            worth = (await self._broker.balance()).total_value
        except KisError as error:
            log.info("the account could not be weighed", code=error.code)
            return
        began = self._book.worth(now.date())
        if began is None:
            self._book.begin_day(now.date(), worth)
        elif (began - worth) * 100 > self._loss_percent * began:
            self._brakes.pull(HaltLevel.BUYS, "DAY_LOSS")
