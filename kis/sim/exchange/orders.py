"""Orders and fills at the simulated broker, their events, and the reasons for rejecting an order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date, datetime

API_CHANNEL = "OpnAPI"
"""`ordr_empno` of an order that came through the API."""
HTS_CHANNEL = "Nsmart"
"""`ordr_empno` of an order from the HTS, unknown to API clients."""


class OrderSide(StrEnum):
    """Buy or sell, from the account's point of view."""

    BUY = "buy"
    SELL = "sell"

    @property
    def other(self) -> OrderSide:
        """The opposite side."""
        return OrderSide.SELL if self is OrderSide.BUY else OrderSide.BUY


class OrderDivision(StrEnum):
    """ORD_DVSN (KIS portal, 주식주문(현금)): the order types this broker matches."""

    LIMIT = "00"
    MARKET = "01"
    CONDITIONAL = "02"
    BEST = "03"
    PRIORITY = "04"
    IOC_LIMIT = "11"
    FOK_LIMIT = "12"
    IOC_MARKET = "13"
    FOK_MARKET = "14"
    IOC_BEST = "15"
    FOK_BEST = "16"

    @classmethod
    def _missing_(cls, value: object) -> OrderDivision | None:
        """The words "limit" and "market", for direct callers of the exchange."""
        return {"limit": cls.LIMIT, "market": cls.MARKET}.get(str(value))

    @property
    def priced(self) -> bool:
        """Whether the order has a price of its own."""
        return not (self.market or self.best or self is OrderDivision.PRIORITY)

    @property
    def market(self) -> bool:
        """Whether it is a market order."""
        return self in {OrderDivision.MARKET, OrderDivision.IOC_MARKET, OrderDivision.FOK_MARKET}

    @property
    def best(self) -> bool:
        """Whether it is a limit at the best price of the other side."""
        return self in {OrderDivision.BEST, OrderDivision.IOC_BEST, OrderDivision.FOK_BEST}

    @property
    def condition(self) -> str:
        """IOC (the rest is cancelled), FOK (all at once or nothing), or "" for orders that rest in the book."""
        return self.name.partition("_")[0] if self.name.startswith(("IOC_", "FOK_")) else ""


class Action(StrEnum):
    """Whether a row of the order list is an order or a request to revise or cancel one."""

    NEW = "new"
    REVISE = "revise"
    CANCEL = "cancel"


class RejectReason(StrEnum):
    """Why the broker rejects an order; `api.error_messages` has KIS's code and message for each."""

    HOLIDAY = "holiday"
    NOT_YET_OPEN = "not_yet_open"
    CLOSED = "closed"
    AFTER_MARKET = "after_market"
    UNKNOWN_CODE = "unknown_code"
    HALTED = "halted"
    TICK = "tick"
    ABOVE_LIMIT = "above_limit"
    BELOW_LIMIT = "below_limit"
    KIND = "kind"
    CASH = "cash"
    HOLDING = "holding"
    NO_ORIGINAL = "no_original"
    NOTHING_LEFT = "nothing_left"
    TOO_MANY = "too_many"


class OrderRejected(Exception):
    """The broker rejected the order; nothing changed.

    Attributes:
        reason: why.
    """

    def __init__(self, reason: RejectReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(slots=True, eq=False, weakref_slot=True)
class BookedOrder:
    """One row of the broker's order list: an order, or a request to revise or cancel one.

    Attributes:
        number: ODNO, ten digits, unique within its day.
        original: ODNO of the order this one revises or cancels; "" for a new order.
        price: won; 0 if the order has none.
        ceiling: won a share reserved for a buy order.
        filled_amount: won of all its fills together.
        cancelled: shares cancelled: by a cancel, at the end of the day, or the rest of a market order.
        moved: shares that live on under the number of a later revision.
        fee: won of commission charged so far; `tax` likewise.
        visible_at: when it appears in the order lists; it is matched before.
    """

    at: datetime
    number: str
    branch: str
    side: OrderSide
    kind: OrderDivision
    code: str
    name: str
    quantity: int
    price: int
    visible_at: datetime
    action: Action = Action.NEW
    original: str = ""
    channel: str = API_CHANNEL
    venue: str = "KRX"
    ceiling: int = 0
    filled: int = 0
    filled_amount: int = 0
    cancelled: int = 0
    moved: int = 0
    fee: int = 0
    tax: int = 0

    @property
    def day(self) -> date:
        """The day it was placed, KST."""
        return self.at.date()

    @property
    def open(self) -> int:
        """Shares still in the book."""
        if self.action is Action.CANCEL:
            return 0
        return self.quantity - self.filled - self.cancelled - self.moved


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution: shares and price in won, and what it cost.

    Attributes:
        cost: won paid for the shares it sold, without commission; 0 for a buy.
    """

    at: datetime
    order: BookedOrder
    quantity: int
    price: int
    fee: int
    tax: int
    cost: int = 0


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
