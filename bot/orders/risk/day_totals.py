"""What went before an order today, as far as the rules ask: sums, counts, and when the like of it was sent last.

Pure. Our own orders come from the journal, everybody else's from the broker's list. Whatever may have reached the
broker counts, an order of unknown outcome too: a limit that forgets those is no limit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from bot.orders.model.order import AT_BROKER, Order, OrderRequest, OrderState
from kis.krx import KST
from kis.models import OrderReport

NEVER_WENT = frozenset(
    {
        OrderState.PROPOSED,
        OrderState.PENDING,
        OrderState.CONFIRMED,
        OrderState.BLOCKED,
        OrderState.EXPIRED,
        OrderState.DENIED,
        OrderState.DISCARDED,
        OrderState.NOT_SENT,
    }
)
"""Where an attempt that the broker never took up can have ended, or be asked about anew."""
NEVER_WERE = NEVER_WENT | {OrderState.REJECTED, OrderState.NEVER_BOOKED}
"""Surely not at the broker: the like of it may be sent without a second thought."""
UNCOUNTED = NEVER_WERE | {OrderState.ABSENT}
"""Left out of the day's sums. An ABSENT order is, but it may yet turn up, and so can be doubled."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class DayTotals:
    """The day so far; money in won, gross, buys and sells together."""

    user_value: int = 0
    """Submitted by this person, open and in doubt included; a cancelled remainder was submitted too, and so was a
    revision."""
    account_value: int = 0
    """Submitted by anybody, in HTS or MTS too."""
    user_orders: int = 0
    identical_at: datetime | None = None
    """When an order on the very same terms last went out, whoever sent it and from wherever."""
    near_at: datetime | None = None
    """When an order for the same stock and side last went out."""
    user_last_minute: int = 0
    """Orders of this person in the last minute, refused ones too."""
    rejects: int = 0
    """How many of this person's latest orders the broker refused in a row."""
    rejected_at: datetime | None = None
    """When the latest of those was refused."""


def past(
    request: OrderRequest, user_id: int, orders: Iterable[Order], external_orders: Iterable[OrderReport], now: datetime
) -> DayTotals:
    """Sum up the day for one request.

    Args:
        request: the order in question; it must not be among `orders`.
        user_id: who asks.
        orders: all of today's orders that were ever attempted, newest last.
        external_orders: rows of today's broker list that are none of ours.
        now: aware.
    """
    tried = [order for order in orders if order.attempt > 0]
    made = [order for order in tried if order.state not in UNCOUNTED]
    own = [order for order in made if order.user_id == user_id]
    others = [
        row
        for row in external_orders
        if row.day == now.astimezone(KST).date() and not row.is_revision and row.rejected < row.quantity
    ]
    rejects = _rejects([order for order in tried if order.user_id == user_id])
    moved = _moved(made)
    return DayTotals(
        user_value=sum(_value(order, moved) for order in own),
        account_value=sum(_value(order, moved) for order in made) + sum(map(_row_value, others)),
        user_orders=len(own),
        identical_at=max(_like(request, tried, others, now, exactly=True), default=None),
        near_at=max(_like(request, tried, others, now, exactly=False), default=None),
        user_last_minute=sum(
            order.user_id == user_id and order.state is not OrderState.NOT_SENT and now - _sent(order) < _MINUTE
            for order in tried
        ),
        rejects=len(rejects),
        rejected_at=(rejects[0].finished_at or _sent(rejects[0])) if rejects else None,
    )


def _moved(orders: Iterable[Order]) -> dict[int, int]:
    """Shares that revisions of ours took over, by the order they took them from: they count with the revision."""
    return {order.parent: order.quantity for order in orders if order.parent is not None}


def _value(order: Order, moved: Mapping[int, int]) -> int:
    """As submitted; of an order that was revised, what did not move on."""
    quantity = order.quantity - moved.get(order.id, 0) if order.moved_to else order.quantity
    return max(0, quantity) * order.reserve_unit


def _row_value(row: OrderReport) -> int:
    return int(row.quantity * (row.price or row.average_price))


def _sent(order: Order) -> datetime:
    return order.sent_at or order.created_at


def _rejects(orders: Sequence[Order]) -> list[Order]:
    """The refusals in a row among the latest verdicts, newest first; an order without a verdict is passed over."""
    found = []
    for order in reversed(orders):
        if order.state is OrderState.REJECTED:
            found.append(order)
        elif order.state in AT_BROKER:
            break
    return found


def _like(
    request: OrderRequest, tried: Iterable[Order], others: Iterable[OrderReport], now: datetime, *, exactly: bool
) -> Iterator[datetime]:
    for order in tried:
        if order.moved_to:
            continue  # its revision stands for it
        same = (order.code, order.side) == (request.code, request.side) and order.state not in NEVER_WERE
        if same and (not exactly or (order.quantity, order.price) == (request.quantity, request.price)):
            yield _sent(order)
    for row in others:
        # the master file writes Q before the code of an ETN, the order list need not
        same = (row.code.removeprefix("Q"), row.side) == (request.code.removeprefix("Q"), request.side)
        if same and (not exactly or (row.quantity, row.price or None) == (request.quantity, request.price)):
            yield _stamp(row, now)


def _stamp(row: OrderReport, now: datetime) -> datetime:
    """When the broker says it came; what cannot be read counts as just now."""
    try:
        clock = time.fromisoformat(row.time)
    except ValueError:
        return now
    return datetime.combine(row.day, clock, KST)
