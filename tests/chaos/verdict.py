"""What was wanted, what people were told, and what the broker's own ledger holds: the judge of every run."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kis.sim.exchange.orders import BookedOrder


class Reported(StrEnum):
    """What a person believes at the end."""

    PLACED = "placed"
    NOT_PLACED = "not placed"
    IN_DOUBT = "in doubt"


MUST = {
    "duplicates": "intents with more than one order at the broker",
    "ghosts": "told not placed, yet the broker has it",
    "wrong": "told placed, yet the order named is not the one that was sent",
    "untold": "shares filled at the broker and not told, or told twice",
    "lost_notices": "orders with fills of which no notice was queued",
    "repeated_notices": "growths of an order told more than once",
    "adrift": "taps that ended in no known state, and nobody was asked",
    "second_posts": "orders sent again although the first try may have been carried out",
    "too_many_posts": "orders sent more than four times",
    "unwritten_posts": "orders that left without being written down first",
    "faults": "faults of the program itself",
    "broken": "invariants broken at the end of a world",
}
"""What must be 0."""


@dataclass
class End:
    """What the policy says became of a wish.

    Attributes:
        how: the way the end was come to: direct, matched, late, absent, refused ...
        reported_shares: shares of it the person was told were filled; None where nobody is told of fills.
        asked: whether a person was asked to decide.
        unsure: seconds it took to make sure, where the answer had not settled it.
    """

    reported: Reported
    order_no: str = ""
    how: str = ""
    reported_shares: int | None = None
    asked: bool = False
    unsure: float | None = None


@dataclass
class Outcome:
    """One wish at its end.

    Attributes:
        ours: what the broker booked for it.
    """

    end: End
    ours: list[BookedOrder] = field(default_factory=list)


def judged(outcomes: Iterable[Outcome]) -> Counter[str]:
    """Counts of what was broken, by the names of MUST, beside what was had."""
    found: Counter[str] = Counter()
    for one in outcomes:
        end, ours = one.end, one.ours
        found["intents"] += 1
        found["at_broker"] += len(ours)
        found["duplicates"] += len(ours) > 1
        found["surplus"] += max(0, len(ours) - 1)
        found["ghosts"] += end.reported is Reported.NOT_PLACED and bool(ours)
        found["wrong"] += end.reported is Reported.PLACED and end.order_no not in {order.number for order in ours}
        found["in_doubt"] += end.reported is Reported.IN_DOUBT
        found["asked"] += end.asked
        found[f"end: {end.how}"] += 1
        if end.reported_shares is not None and end.reported is Reported.PLACED:
            filled = sum(order.filled for order in ours if order.number == end.order_no)
            found["untold"] += abs(end.reported_shares - filled)
    return found


def broken(found: Counter[str]) -> list[str]:
    """The promises that were not kept."""
    return [f"{found[name]} {words}" for name, words in MUST.items() if found[name]]


def as_plain(found: Counter[str]) -> dict[str, Any]:
    return {name: found[name] for name in sorted(found)}
