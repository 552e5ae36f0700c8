"""Reads what a report needs from the broker, and keeps the bases from which profit is worked out on paper accounts."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from bot.reports.cost import Doubt, bare, base, cost_of_sales
from bot.reports.fills import by_stock, filled, still_open
from bot.reports.model import DayReport, Taken, Wealth, lagging, told_by_broker, worked_out
from bot.reports.ports import AccountReads, BaseStore
from kis.models import Balance


class Bookkeeper:
    """Answers what a day or a period came to."""

    def __init__(
        self,
        broker: AccountReads,
        bases: BaseStore,
        *,
        clock: Callable[[], datetime],
        ours: Callable[[date], Collection[str]],
        began: Callable[[date], int | None],
        etf: Callable[[str], bool],
        fee_percent: Decimal,
        estimates: bool,
    ) -> None:
        """Reads nothing yet.

        Args:
            broker: the account.
            bases: where bases are kept.
            clock: aware, KST.
            ours: numbers of this bot's orders of a day.
            began: won the account was worth when a day began, if that was seen.
            etf: whether a code is an ETF's or ETN's.
            fee_percent: commission in percent, for estimates.
            estimates: the broker tells no profit of this account, as KIS does of none on paper.
        """
        self._broker = broker
        self._bases = bases
        self._clock = clock
        self._ours = ours
        self._began = began
        self._etf = etf
        self._fee_percent = fee_percent
        self._estimates = estimates

    async def day(self, day: date) -> DayReport:
        """The report of a day that is today.

        Raises:
            kis.errors.KisError: something of it could not be read.
        """
        rows = await self._broker.executions(day)
        wealth, balance = await self._wealth()
        fills = by_stock(rows, self._ours(day))
        taken = await self._taken(day, day, balance)
        if not taken.estimated and lagging(taken, fills):
            taken = replace(taken, doubt=Doubt.LAG)
        return DayReport(day, fills, taken, wealth, self._began(day), still_open(rows))

    async def period(self, first: date, last: date) -> tuple[Taken, Wealth]:
        """What some days came to, both included, and what the account is worth now.

        Raises:
            kis.errors.KisError: it could not be read.
        """
        wealth, balance = await self._wealth()
        return await self._taken(first, last, balance), wealth

    async def _wealth(self) -> tuple[Wealth, Balance]:
        now = await self._broker.balance()
        found = Wealth(now.at, now.profit, now.cost, now.stock_value, now.deposit, now.d2_cash, now.total_value)
        return found, now

    async def _taken(self, first: date, last: date, balance: Balance) -> Taken:
        if not self._estimates:
            return told_by_broker(first, last, await self._broker.period_profit(first, last))
        today = self._clock().date()
        bases = self._bases.bases(first, last)
        closed = bool(bases) and bases[-1].day > last
        start = min(first, bases[0].day) if bases else first
        rows = filled(await self._broker.executions(start, end=bases[-1].day if closed else today))
        held = None if closed else {bare(one.code): one.quantity for one in balance.holdings}
        costs, doubts = cost_of_sales(bases, rows, held, today)
        return worked_out(first, last, rows, costs, doubts, fee_percent=self._fee_percent, etf=self._etf)

    # --- bases --------------------------------------------------------------------------------------------------------

    async def keep_base(self, since: datetime | None = None) -> bool:
        """See to it that there is a base, and one no older than `since`; none is needed where the broker tells profit.

        The list is read on both sides of the balance: if an order filled meanwhile, the two are not of one moment.

        Returns:
            Whether there is one now; else it is to be tried again.

        Raises:
            kis.errors.KisError: it could not be read.
        """
        if not self._estimates:
            return True
        newest = self._bases.newest_base()
        if newest is not None and (since is None or newest.at >= since):
            return True
        today = self._clock().date()
        before = filled(await self._broker.executions(today))
        balance = await self._broker.balance()
        after = filled(await self._broker.executions(today))
        if before != after:
            return False
        self._bases.add_base(base(self._clock(), balance.holdings, after))
        return True
