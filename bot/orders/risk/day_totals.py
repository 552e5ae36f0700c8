"""What was ordered today before this order: sums, counts, and when a similar order was sent last. Pure.

Our own orders come from the journal, everybody else's from the broker's list. Whatever may have reached the broker
counts, an order of unknown outcome too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from bot.orders.model.order import AT_BROKER, FINAL, UNDECIDED, Order, OrderRequest, OrderState
from kis.krx import KST
from kis.models import OrderReport

NEVER_AT_BROKER = UNDECIDED | {OrderState.CONFIRMED} | (FINAL - AT_BROKER)
"""Surely not at the broker: the like of it may be sent without a second thought."""
UNCOUNTED = NEVER_AT_BROKER | {OrderState.ABSENT}
"""Left out of the day's sums. An ABSENT order is, but it may yet turn up, and so can be doubled."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class DayTotals:
    """The day so far; money in won, gross, buys and sells together."""

    user_value: int = 0
    """Submitted by this person: open, in doubt, revised and cancelled orders included."""
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


def day_totals(
    request: OrderRequest, user_id: int, orders: Iterable[Order], external_orders: Iterable[OrderReport], now: datetime
) -> DayTotals:
    """Sum up the day for a person's request, which is not among `orders`: all that were sent today, newest last.

    `external_orders`: rows of today's broker list that are none of ours.
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
    """Shares that revisions took over, by the id of the order they revise: they count with the revision."""
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
    """The latest rejections in a row, newest first; an order the broker has not answered is passed over."""
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
        same = (order.code, order.side) == (request.code, request.side) and order.state not in NEVER_AT_BROKER
        if same and (not exactly or (order.quantity, order.price) == (request.quantity, request.price)):
            yield _sent(order)
    for row in others:
        # the master file writes Q before the code of an ETN, the order list need not
        same = (row.code.removeprefix("Q"), row.side) == (request.code.removeprefix("Q"), request.side)
        if same and (not exactly or (row.quantity, row.price or None) == (request.quantity, request.price)):
            yield _stamp(row, now)


def _stamp(row: OrderReport, now: datetime) -> datetime:
    """When the broker received it; now where that cannot be read."""
    try:
        clock = time.fromisoformat(row.time)
    except ValueError:
        return now
    return datetime.combine(row.day, clock, KST)
