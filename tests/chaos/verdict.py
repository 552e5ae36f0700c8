"""What was wanted, what people were told, and what the broker's own ledger holds: the judge of every run."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kis.sim.exchange import Exchange
from kis.sim.orders import API_CHANNEL, Action, Kind, Order, Side


class Told(StrEnum):
    """What a person believes at the end."""

    PLACED = "placed"
    NOT_PLACED = "not placed"
    IN_DOUBT = "in doubt"


MUST = {
    "duplicates": "intents with more than one order at the broker",
    "ghosts": "told not placed, yet the broker has it",
    "wrong": "told placed, yet the broker has no such order of ours",
    "hasty": "told that the broker has no trace of it, though it was booked while there was still time",
    "untold": "shares filled at the broker and not told, or told twice",
    "unmarked_repeats": "fills told twice without saying that it may be a repeat",
    "let_through": "second orders taken for a stock still in doubt",
    "adrift": "taps that ended in no known state",
}
"""What must be 0."""


@dataclass
class Outcome:
    """One intent at its end."""

    code: str
    side: Side
    kind: Kind
    quantity: int
    price: int
    told: Told
    order_no: str = ""
    how: str = ""
    """How the end was come to: direct, matched, late, absent, refused ..."""
    told_shares: int | None = None
    ours: list[Order] = field(default_factory=list)
    """What the broker holds of it."""


def orders_between(exchange: Exchange, code: str, first: int, last: int) -> list[Order]:
    """New orders of a stock that came over the API while nobody but one intent could have sent any."""
    return [
        order
        for order in exchange.orders[first:last]
        if order.code == code and order.channel == API_CHANNEL and order.action is Action.NEW
    ]


def judged(outcomes: Iterable[Outcome]) -> Counter[str]:
    """Counts of what was broken, by the names of MUST, beside what was had."""
    found: Counter[str] = Counter()
    for one in outcomes:
        found["intents"] += 1
        found["at_broker"] += len(one.ours)
        found["duplicates"] += len(one.ours) > 1
        found["ghosts"] += one.told is Told.NOT_PLACED and bool(one.ours)
        found["wrong"] += one.told is Told.PLACED and not any(_is_it(one, order) for order in one.ours)
        found["in_doubt"] += one.told is Told.IN_DOUBT
        found[one.how] += 1
        if one.told_shares is not None and one.told is Told.PLACED:
            found["untold"] += one.told_shares != sum(order.filled for order in one.ours)
    return found


def broken(found: Counter[str]) -> list[str]:
    """The promises that were not kept."""
    return [f"{found[name]} {words}" for name, words in MUST.items() if found[name]]


def _is_it(one: Outcome, order: Order) -> bool:
    same = (order.side, order.kind, order.quantity) == (one.side, one.kind, one.quantity)
    return same and order.number == one.order_no and (one.kind is Kind.MARKET or order.price == one.price)


def as_plain(found: Counter[str]) -> dict[str, Any]:
    return {name: found[name] for name in sorted(found)}
