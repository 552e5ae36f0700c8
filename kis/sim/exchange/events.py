"""The exchange's events, and the listener that receives them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from kis.sim.exchange.orders import BookedOrder
    from kis.sim.exchange.prices import Issue


class UpdateKind(StrEnum):
    """What happened to an order or to a request to revise or cancel one."""

    RECEIVED = "received"
    CONFIRMED = "confirmed"
    """A cancel or a revision was carried out."""
    FILLED = "filled"
    LAPSED = "lapsed"
    """The part of an IOC, FOK or market order that could not trade at once is cancelled."""


class OrderUpdate(NamedTuple):
    """One event of an order of the account; shares and won."""

    at: datetime
    order: BookedOrder
    kind: UpdateKind
    quantity: int
    price: int


class ExchangeListener(Protocol):
    """Receives the events; it must not change the exchange meanwhile."""

    def on_price(self, issue: Issue, price: int, quantity: int) -> None:
        """A trade; 0 shares move the price only."""

    def on_order_update(self, update: OrderUpdate) -> None:
        """An event of an order of the account."""
