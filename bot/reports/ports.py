"""What the reports ask of the broker and the database."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from bot.reports.cost import CostBase
from kis.models import Balance, OrderReport
from kis.models.account import PeriodProfit


class AccountReads(Protocol):
    """The account at the broker's: `kis.KisClient`."""

    async def balance(self) -> Balance: ...
    async def executions(self, day: date | None = None, *, end: date | None = None) -> tuple[OrderReport, ...]: ...
    async def period_profit(self, start: date, end: date) -> PeriodProfit: ...


class BaseStore(Protocol):
    """Holdings from which profit is worked out: `bot.store.reports.ReportStore`. See there."""

    def add_base(self, base: CostBase) -> None: ...
    def bases(self, first: date, last: date) -> Sequence[CostBase]: ...
    def newest_base(self) -> CostBase | None: ...
