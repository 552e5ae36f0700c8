"""What KIS answers, as frozen values with English names.

Money is whole won, averages and rates are Decimal, rates are percent. KIS's changes bear their sign already.
Each model is read from KIS's own names with `model_validate`, or built with ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations at run time
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from kis.fields import (
    Code,
    Count,
    Day,
    Interrupted,
    KindCode,
    MarketWarning,
    OrderKind,
    OrderNo,
    Ratio,
    Side,
    SideCode,
    StatusCode,
    StockStatus,
    Text,
    WarningCode,
    Won,
    Yes,
    decimal,
    whole,
    wire,
)

__all__ = [
    "Balance",
    "Bar",
    "BuyingPower",
    "DailyBars",
    "Holding",
    "IndexQuote",
    "Level",
    "MarketWarning",
    "Model",
    "OpenOrder",
    "OrderBook",
    "OrderKind",
    "OrderReport",
    "PlacedOrder",
    "Quote",
    "RankedStock",
    "Side",
    "StockStatus",
]

_Row = Mapping[str, Any]
INDEX_NAMES = {"0001": "KOSPI", "1001": "KOSDAQ", "2001": "KOSPI200"}


class Model(BaseModel):
    """A value that does not change, read from KIS's names or built with ours."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


# --- market -----------------------------------------------------------------------------------------------


class Quote(Model):
    """The price of one stock (KIS portal, 주식현재가 시세).

    Prices in won, `volume` in shares and `value` in won since the open, `change_rate` in percent. The call
    tells no time: `at` is when we received it. Before the open, `open`, `high` and `low` are 0.
    """

    code: Code = wire("stck_shrn_iscd")
    price: Count = wire("stck_prpr")
    change: Won = wire("prdy_vrss")
    change_rate: Ratio = wire("prdy_ctrt")
    volume: Count = wire("acml_vol")
    value: Count = wire("acml_tr_pbmn")
    open: Count = wire("stck_oprc")
    high: Count = wire("stck_hgpr")
    low: Count = wire("stck_lwpr")
    upper_limit: Count = wire("stck_mxpr")
    lower_limit: Count = wire("stck_llam")
    base_price: Count = wire("stck_sdpr")
    tick: Count = wire("aspr_unit")
    market_name: Text = wire("rprs_mrkt_kor_name")
    status: StatusCode = wire("iscd_stat_cls_code")
    warning: WarningCode = wire("mrkt_warn_cls_code")
    halted: Yes = wire("temp_stop_yn")
    vi: Interrupted = wire("vi_cls_code")
    at: datetime

    @field_validator("halted", mode="after")
    @classmethod
    def _halted_by_status(cls, value: bool, info: ValidationInfo) -> bool:
        return value or info.data.get("status") is StockStatus.HALTED

    @classmethod
    def read(cls, code: str, body: _Row, at: datetime) -> Self:
        """Reads the answer to a question after one stock, and no other's."""
        quote = cls.model_validate({**body["output"], "at": at})
        if quote.code.removeprefix("Q") != code.removeprefix("Q"):
            msg = f"asked for {code}, answered with {quote.code}"
            raise ValueError(msg)
        return quote


class Level(NamedTuple):
    """One line of an order book: a price in won and the shares waiting there."""

    price: int
    quantity: int


class OrderBook(Model):
    """The best prices of either side (KIS portal, 주식현재가 호가/예상체결), lines without a price left out.

    `time` is the exchange's HHMMSS and `at` when we received it. The expected match is news during auctions;
    at other times KIS repeats the last one. It is None where there has been none.
    """

    code: Code
    asks: tuple[Level, ...]
    bids: tuple[Level, ...]
    total_ask: Count = wire("total_askp_rsqn")
    total_bid: Count = wire("total_bidp_rsqn")
    time: Text = wire("aspr_acpt_hour")
    expected_price: int | None = None
    expected_quantity: Count = 0
    at: datetime

    @classmethod
    def read(cls, code: str, body: _Row, at: datetime) -> Self:
        """Reads `output1`, the book, and `output2`, the expected match."""
        book, expected = body["output1"], body["output2"]
        return cls.model_validate(
            {
                **book,
                "code": code,
                "asks": _levels(book, "askp"),
                "bids": _levels(book, "bidp"),
                "expected_price": _count(expected["antc_cnpr"]) or None,
                "expected_quantity": expected["antc_vol"],
                "at": at,
            },
        )


def _levels(book: _Row, side: str) -> tuple[Level, ...]:
    lines = (Level(_count(book[f"{side}{n}"]), _count(book[f"{side}_rsqn{n}"])) for n in range(1, 11))
    return tuple(line for line in lines if line.price)


def _count(value: object) -> int:
    number = whole(value)
    if not isinstance(number, int) or number < 0:
        msg = "a count was expected"
        raise ValueError(msg)
    return number


class Bar(Model):
    """One day (week, month, year) of trading: prices in won, volume in shares, value in won."""

    day: Day = wire("stck_bsop_date")
    open: Count = wire("stck_oprc")
    high: Count = wire("stck_hgpr")
    low: Count = wire("stck_lwpr")
    close: Count = wire("stck_clpr")
    volume: Count = wire("acml_vol")
    value: Count = wire("acml_tr_pbmn")


class DailyBars(Model):
    """A stock's bars, newest first (KIS portal, 국내주식기간별시세; at most 100 in one answer)."""

    code: Code
    name: Text
    bars: tuple[Bar, ...]

    @classmethod
    def read(cls, code: str, body: _Row) -> Self:
        """Reads `output1`, the stock, and `output2`, its rows, of which KIS leaves some blank."""
        rows = body["output2"]
        if not isinstance(rows, list):
            msg = "output2 is no list"
            raise TypeError(msg)
        bars = [Bar.model_validate(row) for row in rows if row and str(row["stck_bsop_date"]).strip()]
        bars.sort(key=lambda bar: bar.day, reverse=True)
        return cls(code=code, name=body["output1"]["hts_kor_isnm"], bars=tuple(bars))


class RankedStock(Model):
    """A line of the volume ranking (KIS portal, 거래량순위)."""

    rank: Count = wire("data_rank")
    code: Code = wire("mksc_shrn_iscd")
    name: Text = wire("hts_kor_isnm")
    price: Count = wire("stck_prpr")
    change: Won = wire("prdy_vrss")
    change_rate: Ratio = wire("prdy_ctrt")
    volume: Count = wire("acml_vol")
    value: Count = wire("acml_tr_pbmn")


class IndexQuote(Model):
    """The level of an index (KIS portal, 국내업종 현재지수).

    `volume` is in thousand shares, as inferred from captured answers; the counts are numbers of stocks, all
    three 0 where they are not known, as on paper.
    """

    code: Code
    name: Text
    value: Ratio = wire("bstp_nmix_prpr")
    change: Ratio = wire("bstp_nmix_prdy_vrss")
    change_rate: Ratio = wire("bstp_nmix_prdy_ctrt")
    volume: Count = wire("acml_vol")
    advancing: Count = wire("ascn_issu_cnt")
    declining: Count = wire("down_issu_cnt")
    unchanged: Count = wire("stnr_issu_cnt")
    at: datetime

    @classmethod
    def read(cls, code: str, body: _Row, at: datetime) -> Self:
        """Reads the answer to a question after one index; KIS does not repeat which."""
        name = INDEX_NAMES.get(code, code)
        return cls.model_validate({**body["output"], "code": code, "name": name, "at": at})

    @classmethod
    def from_chart(cls, code: str, body: _Row, at: datetime) -> Self:
        """Reads the level that stands above an index's chart: paper has no other, and counts no stocks there.

        The change is not among the fields documented for it, the last close is.
        """
        now = body["output1"]
        change = now.get("bstp_nmix_prdy_vrss") or decimal(now["bstp_nmix_prpr"]) - decimal(now["prdy_nmix"])
        counts = dict.fromkeys(("advancing", "declining", "unchanged"), 0)
        head = {"code": code, "name": INDEX_NAMES.get(code, code), "at": at}
        return cls.model_validate({**now, "bstp_nmix_prdy_vrss": change, **counts, **head})


# --- account ----------------------------------------------------------------------------------------------


class Holding(Model):
    """A stock in the account; money in won, `profit_rate` in percent."""

    code: Code = wire("pdno")
    name: Text = wire("prdt_name")
    quantity: Count = wire("hldg_qty")
    sellable: Count = wire("ord_psbl_qty")
    average_price: Ratio = wire("pchs_avg_pric")
    price: Count = wire("prpr")
    cost: Won = wire("pchs_amt")
    value: Won = wire("evlu_amt")
    profit: Won = wire("evlu_pfls_amt")
    profit_rate: Ratio = wire("evlu_pfls_rt")


class Balance(Model):
    """What the account holds (KIS portal, 주식잔고조회), in won.

    `deposit` ignores today's purchases: what can be spent is `BuyingPower`, and `d2_cash` is what remains
    once today's trades are settled. `total_value` is stocks plus `d2_cash`.
    """

    holdings: tuple[Holding, ...]
    deposit: Won = wire("dnca_tot_amt")
    d1_cash: Won = wire("nxdy_excc_amt")
    d2_cash: Won = wire("prvs_rcdl_excc_amt")
    stock_value: Won = wire("scts_evlu_amt")
    total_value: Won = wire("tot_evlu_amt")
    profit: Won = wire("evlu_pfls_smtl_amt")
    cost: Won = wire("pchs_amt_smtl_amt")
    at: datetime

    @classmethod
    def read(cls, rows: Iterable[_Row], last: _Row, at: datetime) -> Self:
        """Reads `output1` of all pages and the totals of the last; KIS still lists what is sold out."""
        totals = last["output2"][0]
        holdings = (Holding.model_validate(row) for row in rows)
        held = tuple(holding for holding in holdings if holding.quantity)
        return cls.model_validate({**totals, "holdings": held, "at": at})


class BuyingPower(Model):
    """What can be bought without debt (KIS portal, 매수가능조회: the 미수없는 figures).

    `quantity` is reckoned at `unit_price`, which for a market order is the upper price limit.
    """

    code: Code
    cash: Won = wire("ord_psbl_cash")
    amount: Won = wire("nrcvb_buy_amt")
    quantity: Count = wire("nrcvb_buy_qty")
    unit_price: Count = wire("psbl_qty_calc_unpr")

    @classmethod
    def read(cls, code: str, body: _Row) -> Self:
        """Reads the answer to a question after one stock; KIS does not repeat which."""
        return cls.model_validate({**body["output"], "code": code})


# --- orders -----------------------------------------------------------------------------------------------


class OrderReport(Model):
    """A row of the order list (KIS portal, 주식일별주문체결조회): an order, or a request to change one.

    `price` is 0 for a market order. `filled` and `filled_amount` are cumulative, in shares and won.
    `remaining` is what can still be filled; `cancelled` and `rejected` are shares. Order numbers begin anew:
    only `key` is unique. `channel` tells where it was entered ("OpnAPI" for this API, as captured).
    """

    day: Day = wire("ord_dt")
    time: Text = wire("ord_tmd")
    branch: Text = wire("ord_gno_brno")
    order_no: OrderNo = wire("odno")
    original_no: OrderNo = wire("orgn_odno", default="")
    side: SideCode = wire("sll_buy_dvsn_cd")
    side_name: Text = wire("sll_buy_dvsn_cd_name", default="")
    kind: KindCode = wire("ord_dvsn_cd")
    kind_code: Text = wire("ord_dvsn_cd", default="")
    code: Code = wire("pdno")
    name: Text = wire("prdt_name", default="")
    quantity: Count = wire("ord_qty")
    price: Count = wire("ord_unpr")
    filled: Count = wire("tot_ccld_qty")
    filled_amount: Count = wire("tot_ccld_amt")
    average_price: Ratio = wire("avg_prvs")
    remaining: Count = wire("rmn_qty")
    cancelled: Count = wire("cncl_cfrm_qty", "cnc_cfrm_qty")
    rejected: Count = wire("rjct_qty")
    is_cancelled: Yes = wire("cncl_yn", default=False)
    channel: Text = wire("ordr_empno", default="")
    venue: Text = wire("excg_id_dvsn_cd", "excg_id_dvsn_Cd", default="")

    @property
    def is_revision(self) -> bool:
        """Whether the row is a request to change another order; a revised order lives on under it."""
        return bool(self.original_no)

    @property
    def key(self) -> tuple[date, str, str]:
        """What tells this order from every other."""
        return (self.day, self.branch, self.order_no)


class PlacedOrder(Model):
    """KIS took the order and passed it on: not filled yet, nor even accepted by the exchange.

    `time` is KIS's HHMMSS (KST). After a revision the order lives on under the new `order_no`.
    """

    order_no: OrderNo = wire("ODNO", "odno")
    branch: Text = wire("KRX_FWDG_ORD_ORGNO", "krx_fwdg_ord_orgno", default="")
    time: Text = wire("ORD_TMD", "ord_tmd", default="")


class OpenOrder(Model):
    """An order that can still be changed (KIS portal, 주식정정취소가능주문조회)."""

    order_no: OrderNo = wire("odno")
    original_no: OrderNo = wire("orgn_odno", default="")
    branch: Text = wire("ord_gno_brno")
    code: Code = wire("pdno")
    name: Text = wire("prdt_name", default="")
    side: SideCode = wire("sll_buy_dvsn_cd")
    kind: KindCode = wire("ord_dvsn_cd")
    quantity: Count = wire("ord_qty")
    price: Count = wire("ord_unpr")
    filled: Count = wire("tot_ccld_qty")
    open_quantity: Count = wire("psbl_qty")
    time: Text = wire("ord_tmd")
