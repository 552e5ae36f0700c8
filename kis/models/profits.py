"""What can be sold, and what selling has brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from kis.fields import Code, Count, Day, Ratio, Text, Won, wire
from kis.models.core import Model

__all__ = ["DayProfit", "PeriodProfit", "Sellable"]

_Row = Mapping[str, Any]


class Sellable(Model):
    """What can be sold of one stock (KIS portal, 매도가능수량조회); money in won, the rate in percent.

    `quantity` is what the account holds, `sellable` that less what open orders already offer.
    """

    code: Code = wire("pdno")
    name: Text = wire("prdt_name")
    quantity: Count = wire("cblc_qty")
    sellable: Count = wire("ord_psbl_qty")
    bought: Count = wire("buy_qty")
    sold: Count = wire("sll_qty")
    average_price: Ratio = wire("pchs_avg_pric")
    price: Count = wire("now_pric")
    value: Won = wire("evlu_amt")
    profit: Won = wire("evlu_pfls_amt")
    profit_rate: Ratio = wire("evlu_pfls_rt")

    @classmethod
    def read(cls, code: str, body: _Row) -> Self:
        """Reads the answer to a question after one stock, and no other's."""
        found = cls.model_validate(body["output"])
        if found.code.removeprefix("Q") != code.removeprefix("Q"):
            msg = f"asked for {code}, answered with {found.code}"
            raise ValueError(msg)
        return found

    @classmethod
    def nothing(cls, code: str) -> Self:
        """What KIS means by an answer without rows: the account does not hold the stock."""
        return cls.model_validate(dict.fromkeys(cls.model_fields, 0) | {"code": code, "name": ""})


class DayProfit(Model):
    """What one day's trades brought, in won; the rate in percent."""

    day: Day = wire("trad_dt")
    bought: Won = wire("buy_amt")
    sold: Won = wire("sll_amt")
    bought_quantity: Count = wire("buy_qty1")
    sold_quantity: Count = wire("sll_qty1")
    profit: Won = wire("rlzt_pfls")
    profit_rate: Ratio = wire("pfls_rt")
    fee: Won = wire("fee")
    tax: Won = wire("tl_tax")
    interest: Won = wire("loan_int")


class PeriodProfit(Model):
    """Profit taken between two days, in won (KIS portal, 기간별손익일별합산조회); days oldest first.

    Days without a trade are left out.
    """

    days: tuple[DayProfit, ...]
    bought: Won = wire("buy_tr_amt_smtl")
    sold: Won = wire("sll_tr_amt_smtl")
    profit: Won = wire("tot_rlzt_pfls")
    fee: Won = wire("tot_fee")
    tax: Won = wire("tot_tltx")
    interest: Won = wire("loan_int")

    @classmethod
    def read(cls, rows: Iterable[_Row], last: _Row) -> Self:
        """Reads `output1` of all pages and the totals of the last, which are missing where there is nothing."""
        days = tuple(sorted((DayProfit.model_validate(row) for row in rows), key=lambda one: one.day))
        totals = last.get("output2")
        if isinstance(totals, list):
            totals = totals[0] if totals else None
        if not totals and not days:
            totals = dict.fromkeys(("bought", "sold", "profit", "fee", "tax", "interest"), 0)
        return cls.model_validate({**(totals or {}), "days": days})
