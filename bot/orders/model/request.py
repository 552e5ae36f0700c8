"""What people ask for, as whom, and how an order came by its number: the words an order is made of."""

from dataclasses import dataclass
from enum import StrEnum

from kis.models import OrderKind, Side


class OrderAction(StrEnum):
    """What an order does at the broker."""

    NEW = "new"
    REVISE = "revise"
    """Takes the place of an order that is there: what is left of that one goes on with this one's price."""


class Link(StrEnum):
    """How an order came by its number at the broker."""

    NONE = ""
    DIRECT = "direct"
    MATCHED = "matched"
    LATE = "late"
    HUMAN = "human"


@dataclass(frozen=True)
class OrderRequest:
    """What a person asked for. `price` is None for a market order, won otherwise."""

    side: Side
    code: str
    name: str
    etf: bool
    quantity: int
    kind: OrderKind
    price: int | None
