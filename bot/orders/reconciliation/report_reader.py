"""Reading the broker's list: of every day that can still bring news, and what else speaks for an order in doubt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import structlog

from bot.orders.model.order import Order
from bot.orders.ports import Broker
from bot.orders.reconciliation.resolution import AccountEvidence
from kis.errors import KisError, Unsupported
from kis.models import OpenOrder, OrderReport, Side

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class OrderListSnapshot:
    """The whole list of one trading day, read to its end; `witnesses` by the id of the order in doubt they are for.

    `over`: no order of that day could fill any more when the list was asked for. What was asked for before that may
    lack the day's last fills, however late it comes.
    """

    day: date
    rows: tuple[OrderReport, ...]
    witnesses: Mapping[int, AccountEvidence] = field(default_factory=dict)
    over: bool = False


class Wanted(Protocol):
    """What is to be read; `bot.orders.reconciliation.report_handler.ReportHandler` fits as it is."""

    def days(self) -> list[date]: ...
    def is_over(self, day: date) -> bool: ...
    def wants_witness(self) -> list[Order]: ...


class ReportReader:
    """Asks the broker for what the watch needs."""

    def __init__(self, broker: Broker, wanted: Wanted) -> None:
        self._broker = broker
        self._wanted = wanted

    async def read(self) -> list[OrderListSnapshot]:
        """A reading of each day.

        Raises:
            kis.errors.KisError: a list could not be read to its end; nothing of it is used.
        """
        days = self._wanted.days()
        doubtful = self._wanted.wants_witness()
        over = {day: self._wanted.is_over(day) for day in days}
        rows = {day: await self._broker.executions(day) for day in days}
        # asked after the list: what is booked between the two readings then speaks for the order, not against it
        found = {order.id: await self._witness(order) for order in doubtful}
        heard = {number: one for number, one in found.items() if one is not None}
        return [OrderListSnapshot(day, rows[day], heard, over[day]) for day in days]

    async def _witness(self, order: Order) -> AccountEvidence | None:
        """None where it could not be read: then nothing is proven."""
        try:
            return AccountEvidence(await means(self._broker, order), await self._open_numbers(order))
        except KisError as error:
            log.info("a witness could not be read", order=order.id, code=error.code)
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


async def means(broker: Broker, order: Order) -> int:
    """Won that can buy, or shares that can be sold, as the order would need them.

    Raises:
        kis.errors.KisError: it could not be read.
    """
    if order.side is Side.BUY:
        return (await broker.buying_power(order.code, price=order.price, kind=order.kind)).amount
    holdings = (await broker.balance()).holdings
    return sum(one.sellable for one in holdings if one.code == order.code)
