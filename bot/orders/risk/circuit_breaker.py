"""Halts trading by itself: after a day's loss, broker rejections in a row, or clock drift."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from bot.orders.hours import TradingHours
from bot.orders.model.order import AT_BROKER, OrderState
from bot.orders.ports import Broker, DayValues, Journal
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from kis.errors import KisError

log = structlog.get_logger(__name__)

WEIGH_INTERVAL = timedelta(minutes=5)
"""Between readings of the account's value, while orders are taken."""
START_DELAY = timedelta(seconds=5)
MAX_REJECTIONS = 5
"""Orders rejected by the broker in a row, whoever sent them, that halt trading."""
VERDICTS = AT_BROKER - {OrderState.LAPSED} | {OrderState.REJECTED}
"""States an answer of the broker leads to."""


class CircuitBreaker:
    """Checks the account's value, rejections and clock."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        day_values: DayValues,
        trading_halt: TradingHalt,
        market: TradingHours,
        *,
        clock: Callable[[], datetime],
        clock_stop: float,
        loss_percent: Decimal,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`loss_percent` of what the account was worth this morning stops buys; 0 for never."""
        self._broker = broker
        self._journal = journal
        self._day_values = day_values
        self._trading_halt = trading_halt
        self._market = market
        self._clock = clock
        self._clock_stop = clock_stop
        self._loss_percent = loss_percent
        self._sleep = sleep
        self._next = clock() + START_DELAY

    def check(self) -> None:
        """Check what needs no request to the broker."""
        if abs(self._broker.clock_offset) > self._clock_stop:
            self._trading_halt.halt(HaltLevel.NEW, "CLOCK_DRIFT")
        if self._rejected_in_a_row() >= MAX_REJECTIONS:
            self._trading_halt.halt(HaltLevel.NEW, "REJECTS")

    def _rejected_in_a_row(self) -> int:
        """Counted since the halt last changed: resuming begins the count anew."""
        since = self._trading_halt.now().at
        count = 0
        for order in reversed(self._journal.tried_on(self._clock().date())):
            if order.state in VERDICTS and order.sent_at is not None and order.sent_at > since:
                if order.state is not OrderState.REJECTED:
                    break
                count += 1
        return count

    async def run(self) -> None:
        """Weigh the account at intervals, until cancelled."""
        while True:
            await self.weigh()
            await self._sleep(1)

    async def weigh(self) -> None:
        """Compare the account's value with that of the morning."""
        now = self._clock()
        if not self._loss_percent or now < self._next or not self._market.open(now):
            return
        try:
            worth = (await self._broker.balance()).total_value
        except KisError as error:
            log.info("the account's value could not be read", code=error.code)
            self._next = now + WEIGH_INTERVAL
            return
        began = self._day_values.worth(now.date())
        if began is None:
            self._day_values.begin_day(now.date(), worth)
        elif (began - worth) * 100 > self._loss_percent * began:
            self._trading_halt.halt(HaltLevel.BUYS, "DAY_LOSS")
        self._next = now + WEIGH_INTERVAL  # not before it is recorded
