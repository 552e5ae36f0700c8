"""Prices: quote, order book, volume ranking, index."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime  # noqa: TC003 - pydantic reads the annotations at run time
from typing import Any, NamedTuple, Self

from pydantic import ValidationInfo, field_validator

from kis.fields import (
    Code,
    Count,
    Interrupted,
    Model,
    Ratio,
    StatusCode,
    StockStatus,
    Text,
    WarningCode,
    Won,
    Yes,
    alias,
    decimal,
    whole,
)

INDEX_NAMES = {"0001": "KOSPI", "1001": "KOSDAQ", "2001": "KOSPI200"}
_Row = Mapping[str, Any]


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
    def read(cls, code: str, body: _Row, at: datetime) -> Self:
        """Reads the answer for one stock, and for no other."""
        quote = cls.model_validate({**body["output"], "at": at})
        if quote.code.removeprefix("Q") != code.removeprefix("Q"):
            msg = f"asked for {code}, answered with {quote.code}"
            raise ValueError(msg)
        return quote


class Level(NamedTuple):
    """One level of an order book: price in won, and shares."""

    price: int
    quantity: int


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
    time: Text = alias("aspr_acpt_hour")
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
            }
        )


def _levels(book: _Row, side: str) -> tuple[Level, ...]:
    levels = (Level(_count(book[f"{side}{n}"]), _count(book[f"{side}_rsqn{n}"])) for n in range(1, 11))
    return tuple(level for level in levels if level.price)


def _count(value: object) -> int:
    number = whole(value)
    if not isinstance(number, int) or number < 0:
        msg = "a count was expected"
        raise ValueError(msg)
    return number


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
    def read(cls, code: str, body: _Row, at: datetime) -> Self:
        """Reads the answer for one index; KIS does not repeat its code."""
        name = INDEX_NAMES.get(code, code)
        return cls.model_validate({**body["output"], "code": code, "name": name, "at": at})

    @classmethod
    def from_chart(cls, code: str, body: _Row, at: datetime) -> Self:
        """Reads the head of an index's daily chart, the only source on paper; it has no counts of stocks.

        The change is not documented for it, the last close is.
        """
        now = body["output1"]
        change = now.get("bstp_nmix_prdy_vrss") or decimal(now["bstp_nmix_prpr"]) - decimal(now["prdy_nmix"])
        counts = dict.fromkeys(("advancing", "declining", "unchanged"), 0)
        head = {"code": code, "name": INDEX_NAMES.get(code, code), "at": at}
        return cls.model_validate({**now, "bstp_nmix_prdy_vrss": change, **counts, **head})
