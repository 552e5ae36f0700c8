"""The figures of a report, as plain values: what a stretch of days brought, and one day's whole report. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from bot.orders.risk.checks import commission
from bot.reports.cost import Doubt
from bot.reports.fills import StockFills
from kis.krx import sell_tax_rate
from kis.models import OrderReport, Side
from kis.models.account import PeriodProfit


@dataclass(frozen=True)
class DayTaken:
    """What a day's trades came to, in won. `profit`: realised, after what selling cost; None if it cannot be told."""

    day: date
    bought: int = 0
    sold: int = 0
    fee: int = 0
    tax: int = 0
    profit: int | None = 0


@dataclass(frozen=True)
class Taken:
    """What a stretch of days came to, in won; days without a trade are left out.

    `estimated`: worked out here and not by the broker; fee and tax are then those of the usual rates.
    """

    first: date
    last: date
    bought: int
    sold: int
    fee: int
    tax: int
    profit: int | None
    days: tuple[DayTaken, ...] = ()
    estimated: bool = False
    doubt: Doubt = Doubt.NONE


@dataclass(frozen=True)
class Wealth:
    """What the account is worth, in won, and when that was read (KST)."""

    at: datetime
    unrealised: int
    cost: int
    """Of what is held."""
    stocks: int
    deposit: int
    d2_cash: int
    total: int

    @property
    def rate(self) -> Decimal:
        """The unrealised profit in percent of the cost."""
        return Decimal(self.unrealised) * 100 / self.cost if self.cost else Decimal(0)


@dataclass(frozen=True)
class DayReport:
    """All that the report at a close says. `began`: won the account was worth when the day began, if that was seen."""

    day: date
    fills: tuple[StockFills, ...]
    taken: Taken
    wealth: Wealth
    began: int | None
    open_orders: int


def told_by_broker(first: date, last: date, found: PeriodProfit) -> Taken:
    """KIS's own figures."""
    days = tuple(DayTaken(one.day, one.bought, one.sold, one.fee, one.tax, one.profit) for one in found.days)
    return Taken(first, last, found.bought, found.sold, found.fee, found.tax, found.profit, days)


def worked_out(
    first: date,
    last: date,
    rows: Iterable[OrderReport],
    costs: Mapping[date, Fraction],
    unknown: Mapping[date, Doubt],
    *,
    fee_percent: Decimal,
    etf: Callable[[str], bool],
) -> Taken:
    """Figures for an account of which the broker tells none.

    Args:
        first: first day.
        last: last day, included.
        rows: filled orders; those of other days are left out.
        costs: what the shares sold each day had cost.
        unknown: the days whose profit cannot be told, and why.
        fee_percent: commission in percent of an order's amount.
        etf: whether a code is an ETF's or ETN's, whose sales bear no tax.
    """
    by_day: dict[date, list[OrderReport]] = {day: [] for day in unknown if first <= day <= last}
    for row in rows:
        if first <= row.day <= last:
            by_day.setdefault(row.day, []).append(row)
    days = [
        _day(day, by_day[day], costs.get(day, Fraction()), fee_percent, etf, known=day not in unknown)
        for day in sorted(by_day)
    ]
    profits = [one.profit for one in days if one.profit is not None]
    doubts = [unknown[one.day] for one in days if one.profit is None]
    return Taken(
        first,
        last,
        bought=sum(one.bought for one in days),
        sold=sum(one.sold for one in days),
        fee=sum(one.fee for one in days),
        tax=sum(one.tax for one in days),
        profit=None if doubts else sum(profits),
        days=tuple(days),
        estimated=True,
        doubt=doubts[0] if doubts else Doubt.NONE,
    )


def _day(
    day: date,
    rows: Sequence[OrderReport],
    cost: Fraction,
    fee_percent: Decimal,
    etf: Callable[[str], bool],
    *,
    known: bool,
) -> DayTaken:
    sales = [row for row in rows if row.side is Side.SELL]
    sold = sum(row.filled_amount for row in sales)
    sell_fee = sum(commission(row.filled_amount, fee_percent) for row in sales)
    buys = [row.filled_amount for row in rows if row.side is Side.BUY]
    tax = sum(int(row.filled_amount * sell_tax_rate(day, etf=etf(row.code))) for row in sales)
    return DayTaken(
        day,
        bought=sum(buys),
        sold=sold,
        fee=sell_fee + sum(commission(amount, fee_percent) for amount in buys),
        tax=tax,
        profit=sold - round(cost) - sell_fee - tax if known else None,
    )


def lagging(taken: Taken, fills: Iterable[StockFills]) -> bool:
    """Whether the broker's sums do not hold all that its list shows as filled."""
    fills = tuple(fills)
    bought, sold = (sum(one.amount for one in fills if one.side is side) for side in (Side.BUY, Side.SELL))
    return (taken.bought, taken.sold) != (bought, sold)


def week(today: date) -> tuple[date, date]:
    """From Monday to today."""
    return today - timedelta(days=today.weekday()), today


def month(today: date) -> tuple[date, date]:
    """From the first to today."""
    return today.replace(day=1), today
