"""Reads the broker's order list for every day that can still bring news, and the account for orders in doubt."""

from collections.abc import Callable
from datetime import datetime

import structlog

from bot.orders.hours import TradingHours
from bot.orders.model.order import Order
from bot.orders.ports import Broker
from bot.orders.reconciliation.report_handler import OrderListSnapshot, ReportHandler
from bot.orders.reconciliation.resolution import AccountEvidence
from kis.errors import KisError, Unsupported
from kis.models import OpenOrder, Side

log = structlog.get_logger(__name__)

BUSY_INTERVAL, SESSION_INTERVAL, IDLE_INTERVAL = 3.0, 15.0, 60.0
"""Seconds between readings of the list: while an order is open or in doubt, in session, and otherwise."""


class ReportReader:
    """Reads what the report handler needs."""

    def __init__(
        self, broker: Broker, handler: ReportHandler, market: TradingHours, *, clock: Callable[[], datetime]
    ) -> None:
        self._broker = broker
        self._handler = handler
        self._market = market
        self._clock = clock

    def interval(self) -> float:
        """Seconds until the list is to be read again."""
        if self._handler.busy():
            return BUSY_INTERVAL
        return SESSION_INTERVAL if self._market.open(self._clock()) else IDLE_INTERVAL

    async def read(self) -> list[OrderListSnapshot]:
        """A snapshot of each day; `KisError` if a list could not be read to its end: nothing of it is used."""
        days = self._handler.days()
        doubtful = self._handler.wants_evidence()
        over = {day: self._handler.is_over(day) for day in days}
        lists = {day: await self._broker.order_list(day) for day in days}
        # read after the list: what is booked between the two then counts as evidence for the order, not against it
        found = {order.id: await self._read_evidence(order) for order in doubtful}
        evidence = {number: one for number, one in found.items() if one is not None}
        return [OrderListSnapshot(day, one.rows, evidence, over[day], one.unreadable) for day, one in lists.items()]

    async def _read_evidence(self, order: Order) -> AccountEvidence | None:
        """None where it could not be read: then no absence is proven."""
        try:
            return AccountEvidence(await available(self._broker, order), await self._open_numbers(order))
        except KisError as error:
            log.info("the account could not be read for an order in doubt", order=order.id, code=error.code)
            return None

    async def _open_numbers(self, order: Order) -> frozenset[str]:
        """Open orders on its terms; a paper account has no such list."""
        try:
            rows = await self._broker.open_orders()
        except Unsupported:
            return frozenset()
        return frozenset(row.order_no for row in rows if _on_its_terms(order, row))


def _on_its_terms(order: Order, row: OpenOrder) -> bool:
    same = (row.code, row.side, row.kind) == (order.code, order.side, order.kind)
    return same and row.price == (order.price or 0) and row.quantity == order.quantity


async def available(broker: Broker, order: Order) -> int:
    """Won that can buy, or shares that can be sold, as the order would need them; `KisError` if that is unreadable."""
    if order.side is Side.BUY:
        return (await broker.buying_power(order.code, price=order.price, kind=order.kind)).amount
    holdings = (await broker.balance()).holdings
    return sum(one.sellable for one in holdings if one.code == order.code)
