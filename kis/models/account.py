"""The account: balance, buying power, sellable shares, realised profit."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations at run time
from typing import TYPE_CHECKING, Self

from kis.fields import Code, Count, Day, Model, Ratio, Row, Text, Won, alias

if TYPE_CHECKING:
    from collections.abc import Iterable


class Holding(Model):
    """A stock in the account; money in won, `profit_rate` in percent."""

    code: Code = alias("pdno")
    name: Text = alias("prdt_name")
    quantity: Count = alias("hldg_qty")
    sellable: Count = alias("ord_psbl_qty")
    average_price: Ratio = alias("pchs_avg_pric")
    price: Count = alias("prpr")
    cost: Won = alias("pchs_amt")
    value: Won = alias("evlu_amt")
    profit: Won = alias("evlu_pfls_amt")
    profit_rate: Ratio = alias("evlu_pfls_rt")


class Balance(Model):
    """What the account holds (KIS portal, 주식잔고조회), in won.

    `deposit` ignores today's purchases: what can be spent is `BuyingPower`, and `d2_cash` is what remains
    once today's trades have settled. `total_value` is stocks plus `d2_cash`.
    """

    holdings: tuple[Holding, ...]
    deposit: Won = alias("dnca_tot_amt")
    d1_cash: Won = alias("nxdy_excc_amt")
    d2_cash: Won = alias("prvs_rcdl_excc_amt")
    stock_value: Won = alias("scts_evlu_amt")
    total_value: Won = alias("tot_evlu_amt")
    profit: Won = alias("evlu_pfls_smtl_amt")
    cost: Won = alias("pchs_amt_smtl_amt")
    at: datetime

    @classmethod
    def read(cls, rows: Iterable[Row], last: Row, at: datetime) -> Self:
        """Reads `output1` of all pages and the totals of the last; KIS still lists holdings sold today."""
        totals = last["output2"][0]
        holdings = (Holding.model_validate(row) for row in rows)
        held = tuple(holding for holding in holdings if holding.quantity)
        return cls.model_validate({**totals, "holdings": held, "at": at})


class BuyingPower(Model):
    """What can be bought without debt (KIS portal, 매수가능조회: the 미수없는 figures).

    `quantity` is calculated at `unit_price`, which for a market order is the upper price limit.
    """

    code: Code
    cash: Won = alias("ord_psbl_cash")
    amount: Won = alias("nrcvb_buy_amt")
    quantity: Count = alias("nrcvb_buy_qty")
    unit_price: Count = alias("psbl_qty_calc_unpr")

    @classmethod
    def read(cls, code: str, body: Row) -> Self:
        """Reads the answer for one stock; KIS does not repeat its code."""
        return cls.model_validate({**body["output"], "code": code})


class Sellable(Model):
    """What can be sold of one stock (KIS portal, 매도가능수량조회); money in won, the rate in percent.

    `quantity` is what the account holds, `sellable` that less the open sell orders.
    """

    code: Code = alias("pdno")
    name: Text = alias("prdt_name")
    quantity: Count = alias("cblc_qty")
    sellable: Count = alias("ord_psbl_qty")
    bought: Count = alias("buy_qty")
    sold: Count = alias("sll_qty")
    average_price: Ratio = alias("pchs_avg_pric")
    price: Count = alias("now_pric")
    value: Won = alias("evlu_amt")
    profit: Won = alias("evlu_pfls_amt")
    profit_rate: Ratio = alias("evlu_pfls_rt")

    @classmethod
    def read(cls, code: str, body: Row) -> Self:
        """Reads the answer for one stock, and for no other."""
        found = cls.model_validate(body["output"])
        if found.code.removeprefix("Q") != code.removeprefix("Q"):
            raise ValueError(f"asked for {code}, answered with {found.code}")
        return found

    @classmethod
    def nothing(cls, code: str) -> Self:
        """The meaning of an answer without rows: the account does not hold the stock."""
        return cls.model_validate(dict.fromkeys(cls.model_fields, 0) | {"code": code, "name": ""})


class DayProfit(Model):
    """Realised profit of one day, in won; the rate in percent."""

    day: Day = alias("trad_dt")
    bought: Won = alias("buy_amt")
    sold: Won = alias("sll_amt")
    bought_quantity: Count = alias("buy_qty1")
    sold_quantity: Count = alias("sll_qty1")
    profit: Won = alias("rlzt_pfls")
    profit_rate: Ratio = alias("pfls_rt")
    fee: Won = alias("fee")
    tax: Won = alias("tl_tax")
    interest: Won = alias("loan_int")


class PeriodProfit(Model):
    """Realised profit between two days, in won (KIS portal, 기간별손익일별합산조회); days oldest first.

    Days without a trade are left out.
    """

    days: tuple[DayProfit, ...]
    bought: Won = alias("buy_tr_amt_smtl")
    sold: Won = alias("sll_tr_amt_smtl")
    profit: Won = alias("tot_rlzt_pfls")
    fee: Won = alias("tot_fee")
    tax: Won = alias("tot_tltx")
    interest: Won = alias("loan_int")

    @classmethod
    def read(cls, rows: Iterable[Row], last: Row) -> Self:
        """Reads `output1` of all pages and the totals of the last, which are missing if there is nothing."""
        days = tuple(sorted((DayProfit.model_validate(row) for row in rows), key=lambda one: one.day))
        totals = last.get("output2")
        if isinstance(totals, list):
            totals = totals[0] if totals else None
        if not totals and not days:
            totals = dict.fromkeys(("bought", "sold", "profit", "fee", "tax", "interest"), 0)
        return cls.model_validate({**(totals or {}), "days": days})
