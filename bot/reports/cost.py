"""Profit by average cost, for accounts of which the broker does not give it: a base of holdings, and every fill since.

A base is what was held at one moment, and how far the orders of that day had filled by then. From one base to the next
the fills are replayed: a buy moves the average, a sale takes its shares out at that average and realises the rest. If
what is held then is not what the next base says, shares came or went elsewhere (a transfer, a split, a list that was
not whole), and the days between have no profit that could be given.

The list gives the time of an order, not of its fills, so that fills are replayed in the order of the orders.
Money is exact (fractions of a won) until a day is summed up. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from kis.models import Holding, OrderReport, Side


class Doubt(StrEnum):
    """Why a profit cannot be given, or not yet be trusted."""

    NONE = ""
    BASE = "base"
    """Something was sold before the first base was taken."""
    SHARES = "shares"
    """What is held is not what the fills would have left."""
    LAG = "lag"
    """The broker's own sums do not hold all of the day's fills yet."""


@dataclass(frozen=True)
class Lot:
    """What is held of a stock: shares, and won a share, commission left out."""

    quantity: int
    average: Fraction


Lots = Mapping[str, Lot]
"""By code, without the Q that some of KIS's lists put before an ETN's."""


class ExecutedTrade(NamedTuple):
    """Shares that changed hands, and the won they came to."""

    day: date
    code: str
    side: Side
    quantity: int
    amount: int


@dataclass(frozen=True)
class CostBase:
    """What was held at a moment of a day. `seen`: shares and won that each of that day's orders had filled by then."""

    at: datetime
    lots: Lots
    seen: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The day it was taken (KST)."""
        return self.at.date()

    def filled_before(self, row: OrderReport) -> tuple[int, int]:
        """Shares and won of an order that are in the lots already."""
        if row.day != self.day:
            return (row.filled, row.filled_amount) if row.day < self.day else (0, 0)
        return self.seen.get(_key(row), (0, 0))


class ReplayResult(NamedTuple):
    """What came of trades: lots afterwards, and the cost of what each day sold."""

    lots: Lots
    cost: Mapping[date, Fraction]
    short: frozenset[str]
    """Stocks of which more was sold than was held, so that their cost is not known."""


def cost_base(at: datetime, holdings: Iterable[Holding], rows: Iterable[OrderReport]) -> CostBase:
    """What the broker says is held, and the fills of the day's list that brought it there."""
    lots = {plain_code(one.code): Lot(one.quantity, Fraction(one.average_price)) for one in holdings if one.quantity}
    return CostBase(at, lots, {_key(row): (row.filled, row.filled_amount) for row in rows if row.filled})


def replay(lots: Lots, trades: Iterable[ExecutedTrade]) -> ReplayResult:
    """Carry out trades in their order."""
    held = dict(lots)
    cost: dict[date, Fraction] = defaultdict(Fraction)
    short = set()
    for one in trades:
        lot = held.get(one.code, Lot(0, Fraction()))
        if one.side is Side.BUY:
            quantity = lot.quantity + one.quantity
            held[one.code] = Lot(quantity, (lot.quantity * lot.average + one.amount) / quantity)
            continue
        if one.quantity > lot.quantity:
            short.add(one.code)
        held[one.code] = Lot(max(0, lot.quantity - one.quantity), lot.average)
        cost[one.day] += one.quantity * lot.average
    return ReplayResult({code: lot for code, lot in held.items() if lot.quantity}, cost, frozenset(short))


def cost_of_sales(
    bases: Sequence[CostBase], rows: Sequence[OrderReport], held: Mapping[str, int] | None, today: date
) -> tuple[dict[date, Fraction], dict[date, Doubt]]:
    """What the shares sold each day had cost, in won, and the days of which that cannot be told.

    `bases` by time; `rows` are the filled orders since the first base's day began, and any before, oldest first;
    `held` are the shares by code at the end of `today`'s trades so far, or None where the last base ends them.
    """
    doubts = {
        row.day: Doubt.BASE
        for row in rows
        if row.side is Side.SELL and (not bases or bases[0].filled_before(row) != (0, 0))
    }
    costs: dict[date, Fraction] = defaultdict(Fraction)
    ends = [*bases[1:], *([] if held is None else [None])]
    for start, end in zip(bases, ends, strict=False):  # the last base starts nothing where it is the end
        trades = list(_between(start, end, rows))
        done = replay(start.lots, trades)
        now = {code: lot.quantity for code, lot in end.lots.items()} if end is not None else held or {}
        if not _agree(done, now, {one.code for one in trades if one.side is Side.SELL}):
            days = {one.day for one in trades} or {end.day if end is not None else today}
            doubts |= dict.fromkeys(days, Doubt.SHARES)
        for day, cost in done.cost.items():
            costs[day] += cost
    return costs, doubts


def _between(start: CostBase, end: CostBase | None, rows: Iterable[OrderReport]) -> Iterator[ExecutedTrade]:
    for row in rows:
        before = start.filled_before(row)
        after = (row.filled, row.filled_amount) if end is None else end.filled_before(row)
        if after[0] > before[0]:
            yield ExecutedTrade(row.day, plain_code(row.code), row.side, after[0] - before[0], after[1] - before[1])


def _agree(done: ReplayResult, now: Mapping[str, int], sold: set[str]) -> bool:
    """Whether nothing is held that contradicts what was realised.

    Shares too few were sold where the list does not show it; shares too many matter only to a stock that was sold, of
    which it cannot be told what they had cost.
    """
    held = {code: lot.quantity for code, lot in done.lots.items()}
    fewer = any(now.get(code, 0) < quantity for code, quantity in held.items())
    return not (fewer or done.short or any(now.get(code, 0) != held.get(code, 0) for code in sold))


def plain_code(code: str) -> str:
    """A code as every list of KIS's can be brought to write it."""
    return code.removeprefix("Q")


def _key(row: OrderReport) -> str:
    return f"{row.branch}:{row.order_no}"
