"""Reads what a report needs from the broker, and keeps the bases from which profit is worked out on paper accounts."""

from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from bot.reports.cost import Doubt, cost_base, cost_of_sales, plain_code
from bot.reports.model import (
    AccountValue,
    DayReport,
    PeriodResult,
    by_stock,
    estimated_result,
    filled,
    is_lagging,
    reported_result,
    still_open,
)
from bot.reports.ports import AccountReads, BaseStore
from kis.models import Balance


@dataclass(frozen=True)
class Bookkeeper:
    """Answers what a day or a period came to; whatever cannot be read of it raises `kis.errors.KisError`."""

    broker: AccountReads
    bases: BaseStore
    _: KW_ONLY
    clock: Callable[[], datetime]
    ours: Callable[[date], Collection[str]]
    """Numbers of this bot's orders of a day."""
    began: Callable[[date], int | None]
    """Won the account was worth when a day began, if that was seen."""
    etf: Callable[[str], bool]
    fee_percent: Decimal
    """Commission in percent, for estimates."""
    estimates: bool
    """The broker gives no profit of this account, as KIS gives none on paper."""

    async def day(self, day: date) -> DayReport:
        """The report of a day that is today."""
        rows = await self.broker.executions(day)
        balance = await self.broker.balance()
        fills = by_stock(rows, self.ours(day))
        result = await self._result(day, day, balance)
        if not result.estimated and is_lagging(result, fills):
            result = replace(result, doubt=Doubt.LAG)
        return DayReport(day, fills, result, AccountValue.of(balance), self.began(day), still_open(rows))

    async def period(self, first: date, last: date) -> tuple[PeriodResult, AccountValue]:
        """What some days came to, both included, and what the account is worth now."""
        balance = await self.broker.balance()
        return await self._result(first, last, balance), AccountValue.of(balance)

    async def _result(self, first: date, last: date, balance: Balance) -> PeriodResult:
        if not self.estimates:
            return reported_result(first, last, await self.broker.period_profit(first, last))
        today = self.clock().date()
        bases = self.bases.bases(first, last)
        closed = bool(bases) and bases[-1].day > last
        start = min(first, bases[0].day) if bases else first
        rows = filled(await self.broker.executions(start, end=bases[-1].day if closed else today))
        held = None if closed else {plain_code(one.code): one.quantity for one in balance.holdings}
        costs, doubts = cost_of_sales(bases, rows, held, today)
        return estimated_result(first, last, rows, costs, doubts, fee_percent=self.fee_percent, etf=self.etf)

    async def keep_base(self, since: datetime | None = None) -> bool:
        """See to it that there is a base, and one no older than `since`; none is needed where the broker gives profit.

        The list is read on both sides of the balance: if an order filled meanwhile, the two are not of one moment, and
        it is to be tried again (False).
        """
        if not self.estimates:
            return True
        newest = self.bases.newest_base()
        if newest is not None and (since is None or newest.at >= since):
            return True
        today = self.clock().date()
        before = filled(await self.broker.executions(today))
        balance = await self.broker.balance()
        after = filled(await self.broker.executions(today))
        if before != after:
            return False
        self.bases.add_base(cost_base(self.clock(), balance.holdings, after))
        return True
