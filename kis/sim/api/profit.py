"""Realised profit, day by day. Real accounts only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kis.sim.api.context import ApiCall, ApiContext, queried, require_account, required
from kis.sim.api.number_format import percent
from kis.sim.api.paging import page
from kis.sim.api.quotations import day_of
from kis.sim.api.responses import SimResponse
from kis.sim.exchange.orders import Fill, OrderSide

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

PAGE = 100
_NEWEST_FIRST = {"00", "02"}


@dataclass(slots=True)
class _ProfitDay:
    """One day's trading, in won and shares; `cost` is what was paid for the shares sold."""

    bought: int = 0
    sold: int = 0
    shares_bought: int = 0
    shares_sold: int = 0
    cost: int = 0
    buy_fee: int = 0
    sell_fee: int = 0
    tax: int = 0

    def add(self, fill: Fill) -> None:
        amount = fill.quantity * fill.price
        if fill.order.side is OrderSide.BUY:
            self.bought += amount
            self.shares_bought += fill.quantity
            self.buy_fee += fill.fee
        else:
            self.sold += amount
            self.shares_sold += fill.quantity
            self.sell_fee += fill.fee
            self.tax += fill.tax
            self.cost += fill.cost

    @property
    def fee(self) -> int:
        return self.buy_fee + self.sell_fee

    @property
    def profit(self) -> int:
        """Realised profit: proceeds after fee and tax, less the cost of the shares."""
        return self.sold - self.cost - self.sell_fee - self.tax


def period_profit(broker: ApiContext, call: ApiCall) -> SimResponse:
    """기간별손익일별합산조회, of the fills the exchange has kept."""
    require_account(broker, call)
    names = ("INQR_STRT_DT", "INQR_END_DT", "PDNO", "SORT_DVSN", "INQR_DVSN", "CBLC_DVSN")
    start, end, code, order_by, *_ = (value.strip() for value in required(call, *names))
    first, last = day_of(start, "INQR_STRT_DT"), day_of(end, "INQR_END_DT")
    broker.exchange.roll()
    fills = [
        fill for fill in broker.exchange.fills if first <= fill.at.date() <= last and code in {"", fill.order.code}
    ]
    days = _by_day(fills)
    rows = sorted(days.items(), reverse=order_by in _NEWEST_FIRST)
    searched = [*broker.account.split("-"), start, end, code, order_by]
    shown = page(call, rows, PAGE, key=lambda row: row[0].strftime("%Y%m%d"), searched=searched)
    message = ("KIOK0510", "조회가 완료되었습니다") if rows else ("KIOK0560", "조회할 내용이 없습니다.")
    if shown.more:
        message = ("KIOK0500", "조회가 계속됩니다..다음버튼을 Click 하십시오.")
    return SimResponse(
        {
            **shown.cursors,
            "output1": [_row(day, figures) for day, figures in shown.rows],
            "output2": _totals(_whole(fills)),
            **queried(broker, *message),
        },
        tr_cont=shown.tr_cont,
    )


def _whole(fills: Iterable[Fill]) -> _ProfitDay:
    whole = _ProfitDay()
    for fill in fills:
        whole.add(fill)
    return whole


def _by_day(fills: Iterable[Fill]) -> dict[date, _ProfitDay]:
    days: dict[date, _ProfitDay] = {}
    for fill in fills:
        days.setdefault(fill.at.date(), _ProfitDay()).add(fill)
    return days


def _row(day: date, figures: _ProfitDay) -> dict[str, str]:
    return {
        "trad_dt": day.strftime("%Y%m%d"),
        "buy_amt": str(figures.bought),
        "sll_amt": str(figures.sold),
        "rlzt_pfls": str(figures.profit),
        "fee": str(figures.fee),
        "loan_int": "0",
        "tl_tax": str(figures.tax),
        "pfls_rt": percent(figures.profit, figures.cost, 8),
        "sll_qty1": str(figures.shares_sold),
        "buy_qty1": str(figures.shares_bought),
    }


def _totals(whole: _ProfitDay) -> dict[str, str]:
    received = whole.sold - whole.sell_fee - whole.tax
    paid = whole.bought + whole.buy_fee
    return {
        "sll_qty_smtl": str(whole.shares_sold),
        "sll_tr_amt_smtl": str(whole.sold),
        "sll_fee_smtl": str(whole.sell_fee),
        "sll_tltx_smtl": str(whole.tax),
        "sll_excc_amt_smtl": str(received),
        "buy_qty_smtl": str(whole.shares_bought),
        "buy_tr_amt_smtl": str(whole.bought),
        "buy_fee_smtl": str(whole.buy_fee),
        "buy_tax_smtl": "0",
        "buy_excc_amt_smtl": str(paid),
        "tot_qty": str(whole.shares_sold + whole.shares_bought),
        "tot_tr_amt": str(whole.sold + whole.bought),
        "tot_fee": str(whole.fee),
        "tot_tltx": str(whole.tax),
        "tot_excc_amt": str(received + paid),
        "tot_rlzt_pfls": str(whole.profit),
        "loan_int": "0",
    }
