"""The approval policy: how many others must agree to an order, who may vote, and which votes still count. Pure.

The proposer never counts. A vote holds for one round, that is for the terms and the price it was given on. Time ends a
request and never approves it.
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
    """How many must agree to a sale, compared with a buy of the same amount."""

    SAME = "same"
    FEWER = "fewer"
    NONE = "none"


@dataclass(frozen=True)
class ApprovalPolicy:
    """When others must agree; without any tier, never."""

    order_tiers: Tiers = ()
    day_tiers: Tiers = ()
    """By all that the person has ordered today with this order, so that slices of an order count as one."""
    sells: SellApproval = SellApproval.FEWER
    deputies_after: timedelta | None = None
    """After this long other traders may agree as well."""

    @property
    def single(self) -> bool:
        """Whether nobody ever has to agree."""
        return not self.order_tiers and not self.day_tiers

    def needed(self, value: int, day_value: int, side: Side) -> int:
        """How many others must agree; both values in won, `day_value` with this order."""
        count = max(_tier(self.order_tiers, value), _tier(self.day_tiers, day_value))
        if side is Side.SELL and count:
            return {SellApproval.SAME: count, SellApproval.FEWER: count - 1, SellApproval.NONE: 0}[self.sells]
        return count

    def may_vote(self, person: Person, order: Order, now: datetime) -> bool:
        """Whether this person may vote on an order: never the proposer."""
        if person.user_id == order.user_id:
            return False
        return person.role.covers(Role.TRADER if self.deputies(order, now) else Role.ADMIN)

    def deputies(self, order: Order, now: datetime) -> bool:
        """Whether the request has waited so long that other traders may vote."""
        return (
            self.deputies_after is not None
            and order.asked_at is not None
            and now - order.asked_at >= self.deputies_after
        )

    def voters(self, people: Iterable[Person], order: Order, now: datetime) -> list[Person]:
        """Everybody who may vote."""
        return [person for person in people if self.may_vote(person, order, now)]

    def standing(self, votes: Sequence[Vote], people: Iterable[Person], order: Order, now: datetime) -> int:
        """How many approvals of this round still count: those of people who may vote now."""
        ids = {person.user_id for person in self.voters(people, order, now)}
        return len(
            {vote.user_id for vote in votes if vote.approve and vote.round == order.round and vote.user_id in ids}
        )


def _tier(tiers: Tiers, won: int) -> int:
    return max((count for above, count in tiers if won > above), default=0)


def value_of(order: Order) -> int:
    """Won of an order as KIS reserves it; of a revision, all that it moves."""
    return order.quantity * order.reserve_unit
