"""The figures of a report, as plain values: the fills of a day, what a period brought, and a day's whole report. Pure.

The field names of what a report stores (`DayReport` and all within) are stored words.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from bot.orders.reconciliation.reconcile import is_cancel
from bot.orders.risk.checks import commission
from bot.reports.cost import Doubt
from kis.krx import sell_tax_rate
from kis.models import Balance, OrderReport, Side
from kis.models.account import PeriodProfit


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


@dataclass(frozen=True)
class DayResult:
    """What a day's trades came to, in won. `profit`: realised, after what selling cost; None if it is not known."""

    day: date
    bought: int = 0
    sold: int = 0
    fee: int = 0
    tax: int = 0
    profit: int | None = 0


@dataclass(frozen=True)
class PeriodResult:
    """What a period came to, in won; days without a trade are left out."""

    first: date
    last: date
    bought: int
    sold: int
    fee: int
    tax: int
    profit: int | None
    days: tuple[DayResult, ...] = ()
    estimated: bool = False
    """Worked out here and not by the broker; fee and tax are then those of the usual rates."""
    doubt: Doubt = Doubt.NONE


@dataclass(frozen=True)
class AccountValue:
    """What the account is worth, in won, and when that was read (KST)."""

    at: datetime
    unrealised: int
    cost: int
    """Of what is held."""
    stocks: int
    deposit: int
    d2_cash: int
    total: int

    @classmethod
    def of(cls, now: Balance) -> "AccountValue":
        """The totals of a balance."""
        return cls(now.at, now.profit, now.cost, now.stock_value, now.deposit, now.d2_cash, now.total_value)

    @property
    def rate(self) -> Decimal:
        """The unrealised profit in percent of the cost."""
        return Decimal(self.unrealised) * 100 / self.cost if self.cost else Decimal(0)


@dataclass(frozen=True)
class DayReport:
    """All that the report at a close says. `began`: won the account was worth when the day began, if that was seen."""

    day: date
    fills: tuple[StockFills, ...]
    taken: PeriodResult
    wealth: AccountValue
    began: int | None
    open_orders: int


# --- fills ------------------------------------------------------------------------------------------------------------


def filled(rows: Iterable[OrderReport]) -> list[OrderReport]:
    """The orders that have filled, oldest first.

    A revised order stays in the list with what it had filled, and its child bears only what filled after, so both
    count. A request to cancel never fills, whatever its row repeats of the order it was about.
    """
    return sorted(
        (row for row in rows if row.filled and not is_cancel(row)), key=lambda row: (row.day, row.time, row.order_no)
    )


def by_stock(rows: Iterable[OrderReport], ours: Collection[str]) -> tuple[StockFills, ...]:
    """A day's fills by stock and side, the largest amounts first; `ours` are the numbers of this bot's orders."""
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


# --- results ----------------------------------------------------------------------------------------------------------


def reported_result(first: date, last: date, found: PeriodProfit) -> PeriodResult:
    """KIS's own figures."""
    days = tuple(DayResult(one.day, one.bought, one.sold, one.fee, one.tax, one.profit) for one in found.days)
    return PeriodResult(first, last, found.bought, found.sold, found.fee, found.tax, found.profit, days)


def estimated_result(
    first: date,
    last: date,
    rows: Iterable[OrderReport],
    costs: Mapping[date, Fraction],
    unknown: Mapping[date, Doubt],
    *,
    fee_percent: Decimal,
    etf: Callable[[str], bool],
) -> PeriodResult:
    """Figures for an account of which the broker gives none, from filled orders (those of other days are left out).

    `costs`: what the shares sold each day had cost; `unknown`: the days whose profit is not known, and why;
    `fee_percent`: commission in percent of an order's amount; `etf`: whether a code's sales bear no tax.
    """
    by_day: dict[date, list[OrderReport]] = {day: [] for day in unknown if first <= day <= last}
    for row in rows:
        if first <= row.day <= last:
            by_day.setdefault(row.day, []).append(row)
    days = []
    for day, of_day in sorted(by_day.items()):
        cost = None if day in unknown else costs.get(day, Fraction())
        days.append(_day(day, of_day, cost, fee_percent, etf))
    doubts = [unknown[one.day] for one in days if one.profit is None]
    return PeriodResult(
        first,
        last,
        bought=sum(one.bought for one in days),
        sold=sum(one.sold for one in days),
        fee=sum(one.fee for one in days),
        tax=sum(one.tax for one in days),
        profit=None if doubts else sum(one.profit or 0 for one in days),
        days=tuple(days),
        estimated=True,
        doubt=doubts[0] if doubts else Doubt.NONE,
    )


def _day(
    day: date, rows: Sequence[OrderReport], cost: Fraction | None, fee_percent: Decimal, etf: Callable[[str], bool]
) -> DayResult:
    sales = [row for row in rows if row.side is Side.SELL]
    buys = [row for row in rows if row.side is Side.BUY]
    sold = sum(row.filled_amount for row in sales)
    sell_fee, buy_fee = (sum(commission(row.filled_amount, fee_percent) for row in side) for side in (sales, buys))
    tax = sum(int(row.filled_amount * sell_tax_rate(day, etf=etf(row.code))) for row in sales)
    profit = None if cost is None else sold - round(cost) - sell_fee - tax
    return DayResult(day, sum(row.filled_amount for row in buys), sold, sell_fee + buy_fee, tax, profit)


def is_lagging(result: PeriodResult, fills: Sequence[StockFills]) -> bool:
    """Whether the broker's sums do not hold all that its list shows as filled."""
    bought, sold = (sum(one.amount for one in fills if one.side is side) for side in (Side.BUY, Side.SELL))
    return (result.bought, result.sold) != (bought, sold)


def week(today: date) -> tuple[date, date]:
    """From Monday to today."""
    return today - timedelta(days=today.weekday()), today


def month(today: date) -> tuple[date, date]:
    """From the first to today."""
    return today.replace(day=1), today
