"""Who else must agree to an order, who may say so, and what a vote is worth later on. Pure.

The proposer never counts. A vote holds for the terms and the price it was given on: a new price, or another round,
voids it. Nothing approves itself: time only ever ends a request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.orders.access.roles import Person, Role
from bot.orders.model.order import Order, Vote
from kis.models import Side

Tiers = tuple[tuple[int, int], ...]
"""Won above which so many others must agree, lowest first."""


class SellApproval(StrEnum):
    """How many must agree to a sale of what is held, beside what its amount asks for."""

    SAME = "same"
    FEWER = "fewer"
    NONE = "none"


@dataclass(frozen=True)
class ApprovalPolicy:
    """When others must agree. No tier at all: everybody decides for themselves."""

    order_tiers: Tiers = ()
    day_tiers: Tiers = ()
    """By all that the person has ordered today, this order included: cutting an order into slices does not help."""
    sells: SellApproval = SellApproval.FEWER
    deputies_after: timedelta | None = None
    """After this long other traders may agree as well."""

    @property
    def single(self) -> bool:
        """Whether nobody ever needs anybody's consent."""
        return not self.order_tiers and not self.day_tiers

    def needed(self, value: int, day_value: int, side: Side) -> int:
        """How many others must agree.

        Args:
            value: won of the order, as KIS reserves it.
            day_value: won this person has ordered today, this order included.
            side: a sale of what is held takes risk away.
        """
        count = max(_tier(self.order_tiers, value), _tier(self.day_tiers, day_value))
        if side is Side.SELL and count:
            return {SellApproval.SAME: count, SellApproval.FEWER: count - 1, SellApproval.NONE: 0}[self.sells]
        return count

    def may_vote(self, person: Person, order: Order, now: datetime) -> bool:
        """Whether somebody's voice counts for an order: never the proposer's own."""
        if person.user_id == order.user_id:
            return False
        return person.role.covers(Role.TRADER if self.deputies(order, now) else Role.ADMIN)

    def deputies(self, order: Order, now: datetime) -> bool:
        """Whether the request has stood so long that other traders may step in."""
        return (
            self.deputies_after is not None
            and order.asked_at is not None
            and now - order.asked_at >= self.deputies_after
        )

    def voters(self, people: Iterable[Person], order: Order, now: datetime) -> list[Person]:
        """Everybody whose voice counts."""
        return [person for person in people if self.may_vote(person, order, now)]

    def standing(self, votes: Sequence[Vote], people: Iterable[Person], order: Order, now: datetime) -> int:
        """How many of the votes of this round still count: those of people who may vote now."""
        ids = {person.user_id for person in self.voters(people, order, now)}
        return len(
            {vote.user_id for vote in votes if vote.approve and vote.round == order.round and vote.user_id in ids}
        )


def _tier(tiers: Tiers, won: int) -> int:
    return max((count for above, count in tiers if won > above), default=0)


def value_of(order: Order) -> int:
    """Won that an order is judged by: as KIS reserves it; a revision by all that it moves."""
    return order.quantity * order.reserve_unit
