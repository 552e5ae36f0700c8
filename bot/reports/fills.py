"""What the broker's list says was filled, order by order and summed by stock and side. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from bot.orders.reconciliation.reconcile import is_cancel
from kis.models import OrderReport, Side


@dataclass(frozen=True)
class StockFills:
    """All fills of one stock on one side: shares, and won."""

    code: str
    name: str
    side: Side
    quantity: int = 0
    amount: int = 0
    orders: int = 0
    elsewhere: int = 0
    """Of these orders, those that were not made by this bot."""


def filled(rows: Iterable[OrderReport]) -> list[OrderReport]:
    """The orders that have filled, oldest first.

    A revised order stays in the list with what it had filled, and its child bears only what filled after, so both
    count. A request to cancel never fills, whatever its row repeats of the order it was about.
    """
    return sorted(
        (row for row in rows if row.filled and not is_cancel(row)), key=lambda row: (row.day, row.time, row.order_no)
    )


def by_stock(rows: Iterable[OrderReport], ours: Collection[str]) -> tuple[StockFills, ...]:
    """Fills summed by stock and side, the largest amounts first.

    Args:
        rows: of one day.
        ours: the numbers of this bot's orders of that day.
    """
    sums: dict[tuple[str, Side], StockFills] = {}
    for row in filled(rows):
        before = sums.get((row.code, row.side), StockFills(row.code, row.name, row.side))
        sums[row.code, row.side] = replace(
            before,
            quantity=before.quantity + row.filled,
            amount=before.amount + row.filled_amount,
            orders=before.orders + 1,
            elsewhere=before.elsewhere + (row.order_no not in ours),
        )
    return tuple(sorted(sums.values(), key=lambda one: -one.amount))


def still_open(rows: Iterable[OrderReport]) -> int:
    """How many orders have shares that may still fill."""
    return sum(
        bool(row.remaining) and not row.is_cancelled and row.cancelled + row.rejected < row.quantity for row in rows
    )
