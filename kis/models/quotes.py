"""What the exchange says of a stock, an index or a day: prices, rankings, particulars, the calendar."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

from pydantic import BeforeValidator, ValidationInfo, field_validator

from kis.fields import (
    Code,
    Count,
    Day,
    Interrupted,
    Model,
    Ratio,
    Row,
    StatusCode,
    StockStatus,
    Text,
    Time,
    WarningCode,
    Won,
    Yes,
    alias,
    count,
    decimal,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

INDEX_NAMES = {"0001": "KOSPI", "1001": "KOSDAQ", "2001": "KOSPI200"}


class Quote(Model):
    """The price of one stock (KIS portal, 주식현재가 시세).

    Prices in won, `volume` in shares and `value` in won since the open, `change_rate` in percent. The answer
    has no time: `at` is when we received it. Before the open, `open`, `high` and `low` are 0.
    """

    code: Code = alias("stck_shrn_iscd")
    price: Count = alias("stck_prpr")
    change: Won = alias("prdy_vrss")
    change_rate: Ratio = alias("prdy_ctrt")
    volume: Count = alias("acml_vol")
    value: Count = alias("acml_tr_pbmn")
    open: Count = alias("stck_oprc")
    high: Count = alias("stck_hgpr")
    low: Count = alias("stck_lwpr")
    upper_limit: Count = alias("stck_mxpr")
    lower_limit: Count = alias("stck_llam")
    base_price: Count = alias("stck_sdpr")
    tick: Count = alias("aspr_unit")
    market_name: Text = alias("rprs_mrkt_kor_name")
    status: StatusCode = alias("iscd_stat_cls_code")
    warning: WarningCode = alias("mrkt_warn_cls_code")
    halted: Yes = alias("temp_stop_yn")
    vi: Interrupted = alias("vi_cls_code")
    at: datetime

    @field_validator("halted", mode="after")
    @classmethod
    def _halted_by_status(cls, value: bool, info: ValidationInfo) -> bool:
        return value or info.data.get("status") is StockStatus.HALTED

    @classmethod
    def read(cls, code: str, body: Row, at: datetime) -> Self:
        """Reads the answer for one stock, and for no other."""
        quote = cls.model_validate({**body["output"], "at": at})
        if quote.code.removeprefix("Q") != code.removeprefix("Q"):
            raise ValueError(f"asked for {code}, answered with {quote.code}")
        return quote


class Level(NamedTuple):
    """One level of an order book: price in won, and shares."""

    price: int
    quantity: int


def levels(pairs: Iterable[tuple[object, object]]) -> tuple[Level, ...]:
    """The levels of prices and quantities as KIS writes them, those without a price left out."""
    found = (Level(count(price), count(quantity)) for price, quantity in pairs)
    return tuple(level for level in found if level.price)


class OrderBook(Model):
    """The ten best prices of either side (KIS portal, 주식현재가 호가/예상체결), levels without a price left out.

    `time` is the exchange's HHMMSS and `at` when we received it. The expected match is current during auctions;
    at other times KIS repeats the last one. It is None if there has been none.
    """

    code: Code
    asks: tuple[Level, ...]
    bids: tuple[Level, ...]
    total_ask: Count = alias("total_askp_rsqn")
    total_bid: Count = alias("total_bidp_rsqn")
    time: Time = alias("aspr_acpt_hour")
    expected_price: int | None = None
    expected_quantity: Count = 0
    at: datetime

    @classmethod
    def read(cls, code: str, body: Row, at: datetime) -> Self:
        """Reads `output1`, the book, and `output2`, the expected match."""
        book, expected = body["output1"], body["output2"]
        return cls.model_validate(
            {
                **book,
                "code": code,
                "asks": levels((book[f"askp{n}"], book[f"askp_rsqn{n}"]) for n in range(1, 11)),
                "bids": levels((book[f"bidp{n}"], book[f"bidp_rsqn{n}"]) for n in range(1, 11)),
                "expected_price": count(expected["antc_cnpr"]) or None,
                "expected_quantity": expected["antc_vol"],
                "at": at,
            }
        )


class RankedStock(Model):
    """A line of the volume ranking (KIS portal, 거래량순위)."""

    rank: Count = alias("data_rank")
    code: Code = alias("mksc_shrn_iscd")
    name: Text = alias("hts_kor_isnm")
    price: Count = alias("stck_prpr")
    change: Won = alias("prdy_vrss")
    change_rate: Ratio = alias("prdy_ctrt")
    volume: Count = alias("acml_vol")
    value: Count = alias("acml_tr_pbmn")


class IndexQuote(Model):
    """The level of an index (KIS portal, 국내업종 현재지수).

    `volume` is in thousand shares, as inferred from captured answers; the counts are numbers of stocks, all
    three 0 if not known, as on paper.
    """

    code: Code
    name: Text
    value: Ratio = alias("bstp_nmix_prpr")
    change: Ratio = alias("bstp_nmix_prdy_vrss")
    change_rate: Ratio = alias("bstp_nmix_prdy_ctrt")
    volume: Count = alias("acml_vol")
    advancing: Count = alias("ascn_issu_cnt")
    declining: Count = alias("down_issu_cnt")
    unchanged: Count = alias("stnr_issu_cnt")
    at: datetime

    @classmethod
    def read(cls, code: str, body: Row, at: datetime) -> Self:
        """Reads the answer for one index; KIS does not repeat its code."""
        name = INDEX_NAMES.get(code, code)
        return cls.model_validate({**body["output"], "code": code, "name": name, "at": at})

    @classmethod
    def from_chart(cls, code: str, body: Row, at: datetime) -> Self:
        """Reads the head of an index's daily chart, the only source on paper; it has no counts of stocks.

        The change is not documented for it, the last close is.
        """
        now = body["output1"]
        change = now.get("bstp_nmix_prdy_vrss") or decimal(now["bstp_nmix_prpr"]) - decimal(now["prdy_nmix"])
        counts = dict.fromkeys(("advancing", "declining", "unchanged"), 0)
        head = {"code": code, "name": INDEX_NAMES.get(code, code), "at": at}
        return cls.model_validate({**now, "bstp_nmix_prdy_vrss": change, **counts, **head})


# --- listings -----------------------------------------------------------------------------------------------


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip(" 0") else value


_DayOrNone = Annotated[Day | None, BeforeValidator(_blank_is_none)]


class StockInfo(Model):
    """Master data of one stock (KIS portal, 주식기본조회).

    `market` is STK (KOSPI), KSQ (KOSDAQ) or KNX (KONEX), `group` ST for stocks, EF for ETFs, EN for ETNs, `kind`
    101 for common and 201 and above for preferred stock. `par` and the closes are in won, `shares` those listed.
    `nxt` tells whether NXT, the other exchange, trades it.
    """

    code: Code
    name: Text = alias("prdt_abrv_name")
    full_name: Text = alias("prdt_name")
    isin: Text = alias("std_pdno")
    market: Text = alias("mket_id_cd")
    group: Text = alias("scty_grp_id_cd")
    kind: Text = alias("stck_kind_cd", default="")
    shares: Count = alias("lstg_stqt")
    par: Ratio = alias("papr")
    kospi200: Yes = alias("kospi200_item_yn", default=False)
    listed: _DayOrNone = None
    delisted: _DayOrNone = alias("lstg_abol_dt", default=None)
    halted: Yes = alias("tr_stop_yn")
    managed: Yes = alias("admn_item_yn")
    close: Count = alias("thdt_clpr")
    last_close: Count = alias("bfdy_clpr")
    nxt: bool = False

    @classmethod
    def read(cls, code: str, body: Row) -> Self:
        """Reads the answer for one stock, and for no other; KIS pads its code to twelve characters."""
        row = body["output"]
        if not str(row["pdno"]).strip().endswith(code.removeprefix("Q")):
            raise ValueError(f"asked for {code}, answered with another")
        listed = next((row[name] for name in _LISTED if str(row.get(name) or "").strip(" 0")), None)
        nxt = row.get("cptt_trad_tr_psbl_yn") == "Y" and row.get("nxt_tr_stop_yn") == "N"
        return cls.model_validate({**row, "code": code, "listed": listed, "nxt": nxt})


_LISTED = ("scts_mket_lstg_dt", "kosdaq_mket_lstg_dt")


class Mover(Model):
    """A line of the ranking by change (KIS portal, 국내주식 등락률 순위); prices in won, the rate in percent."""

    rank: Count = alias("data_rank")
    code: Code = alias("stck_shrn_iscd")
    name: Text = alias("hts_kor_isnm")
    price: Count = alias("stck_prpr")
    change: Won = alias("prdy_vrss")
    change_rate: Ratio = alias("prdy_ctrt")
    volume: Count = alias("acml_vol")
    high: Count = alias("stck_hgpr")
    low: Count = alias("stck_lwpr")


class MarketDay(Model):
    """One day of KIS's calendar (KIS portal, 국내휴장일조회).

    Only `open` tells whether the exchange trades. `firms_open` has been seen true at weekends.
    """

    day: Day = alias("bass_dt")
    open: Yes = alias("opnd_yn")
    banks_open: Yes = alias("bzdy_yn")
    firms_open: Yes = alias("tr_day_yn")
    settles: Yes = alias("sttl_day_yn")

    @classmethod
    def read(cls, start: date, body: Row) -> tuple[Self, ...]:
        """Reads the days from `start` on; a single day has been seen to come without its list."""
        rows = body["output"]
        days = tuple(cls.model_validate(row) for row in ([rows] if isinstance(rows, dict) else rows))
        if not days or min(one.day for one in days) != start:
            raise ValueError(f"the calendar does not begin on {start}")
        return tuple(sorted(days, key=lambda one: one.day))
