"""What the exchange tells whoever watches it, as it happens."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from kis.sim.exchange.orders import BookedOrder
    from kis.sim.exchange.prices import Issue


class UpdateKind(StrEnum):
    """What became of an order, or of a request about one."""

    RECEIVED = "received"
    CONFIRMED = "confirmed"
    """The exchange did what a cancel or a revision asked for."""
    FILLED = "filled"
    LAPSED = "lapsed"
    """What could not trade at once, of an order that does not wait, is cancelled."""


class OrderUpdate(NamedTuple):
    """One event of an order of the account; shares and won."""

    at: datetime
    order: BookedOrder
    news: UpdateKind
    quantity: int
    price: int


class Watcher(Protocol):
    """Hears of everything; it must not change anything while it does."""

    def printed(self, issue: Issue, price: int, quantity: int) -> None:
        """A price was made; 0 shares move the price only."""

    def told(self, told: OrderUpdate) -> None:
        """Something became of an order of the account."""
