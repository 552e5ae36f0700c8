"""Compares the broker's list with our orders: events out, nothing changed. Pure.

The same list read twice yields nothing the second time, because quantities are cumulative and only growth is news.
"""

from collections.abc import Iterable, Sequence

from bot.orders.model.events import Event, ExecutionReported, ReadBack, ReadBackResult, ReplacedBy
from bot.orders.model.order import WORKING, Order, OrderAction
from kis.models import OrderKind, OrderReport

OWN_ORDERS = 3
"""Orders of ours that must agree on a channel before it is taken for ours."""


def row_of(order: Order, rows: Iterable[OrderReport]) -> OrderReport | None:
    """The order's own row. Numbers start again every day and in every branch, whose name may differ in the list.

    So a row of our number with other terms is ours only if it is the only one, or bears our branch: the read-back then
    says what differs.
    """
    named = [row for row in rows if (row.day, row.order_no) == (order.day, order.order_no)]
    fits = [row for row in named if (row.code, row.side) == (order.code, order.side)]
    if fits:
        return next((row for row in fits if row.branch == order.branch), fits[0])
    strict = [row for row in named if row.branch == order.branch]
    return strict[0] if strict else named[0] if len(named) == 1 else None


def is_cancel(row: OrderReport) -> bool:
    """Whether a row is a request to cancel another order, which never fills itself."""
    if "정정" in row.side_name or "취소" in row.side_name:
        return row.is_revision and "취소" in row.side_name
    return row.is_revision and row.remaining == 0 and row.filled == 0


def news(orders: Iterable[Order], rows: Sequence[OrderReport]) -> list[tuple[Order, Sequence[Event]]]:
    """What the list shows of every working order, as events in the order they apply."""
    found: list[tuple[Order, Sequence[Event]]] = []
    for order in orders:
        row = row_of(order, rows) if order.state in WORKING else None
        if row is None:
            continue
        events: list[Event] = []
        if order.checked is ReadBackResult.NONE:
            events.append(read_back(order, row))
        if not order.moved_to and (moved_to := _moved_to(row, rows)):
            events.append(ReplacedBy(moved_to))
        if (row.code, row.side) == (order.code, order.side):
            events += _growth(
                order, row, moved=bool(order.moved_to) or any(isinstance(one, ReplacedBy) for one in events)
            )
        if events:
            found.append((order, events))
    return found


def read_back(order: Order, row: OrderReport) -> ReadBack:
    """The broker's row against the ticket that was approved.

    A revision takes what was left when it arrived, which may be less than the ticket showed, never more.
    """
    pairs = {
        "code": (order.code, row.code),
        "side": (order.side, row.side),
        "kind": (order.kind, row.kind),
        "price": (order.price or 0, row.price if order.kind is OrderKind.LIMIT else 0),
        "quantity": (order.quantity, row.quantity),
    }
    if order.act is OrderAction.REVISE and 0 < row.quantity <= order.quantity:
        del pairs["quantity"]
    differs = ", ".join(f"{name} {ours} / {theirs}" for name, (ours, theirs) in pairs.items() if ours != theirs)
    if differs:
        return ReadBack(ReadBackResult.DIFFERENT, order.quantity, differs)
    return ReadBack(ReadBackResult.SAME, row.quantity)


def _moved_to(row: OrderReport, rows: Iterable[OrderReport]) -> str:
    """The number a revision goes on under, made by us or by hand in HTS."""
    same = (row.day, row.branch, row.code, row.side, row.order_no)
    children = (one for one in rows if (one.day, one.branch, one.code, one.side, one.original_no) == same)
    return next((one.order_no for one in children if not is_cancel(one)), "")


def _growth(order: Order, row: OrderReport, *, moved: bool) -> list[Event]:
    gone = max(order.cancelled, _cancelled(order, row, moved=moved))
    event = ExecutionReported(row.filled, row.filled_amount, gone, row.rejected, row.remaining)
    was = (order.filled, order.filled_amount, order.cancelled, order.rejected)
    ended = moved and row.remaining == 0
    return [event] if (event.filled, event.filled_amount, gone, event.rejected) != was or ended else []


def _cancelled(order: Order, row: OrderReport, *, moved: bool) -> int:
    """Shares that a cancel took away. Some rows say so only by a flag and an empty remainder."""
    if moved:
        return 0
    return row.cancelled or (order.quantity - row.filled if row.is_cancelled and row.remaining == 0 else 0)


def own_channel(rows: Sequence[OrderReport], direct: frozenset[str], *, enough: int = OWN_ORDERS) -> str:
    """Where the broker says our orders are entered, learned from those whose number it gave us; "" until it is sure.

    With it an order typed into HTS or MTS at the same moment cannot be taken for ours.
    """
    seen = [row.channel for row in rows if row.order_no in direct]
    return seen[0] if len(seen) >= enough and len(set(seen)) == 1 else ""
