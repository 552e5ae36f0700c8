"""What the exchange publishes about a stock or a day besides prices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date  # noqa: TC003 - pydantic reads the annotations at run time
from typing import Annotated, Any, Self

from pydantic import BeforeValidator

from kis.fields import Code, Count, Day, Model, Ratio, Text, Won, Yes, alias

_Row = Mapping[str, Any]


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
    def read(cls, code: str, body: _Row) -> Self:
        """Reads the answer for one stock, and for no other; KIS pads its code to twelve characters."""
        row = body["output"]
        if not str(row["pdno"]).strip().endswith(code.removeprefix("Q")):
            msg = f"asked for {code}, answered with {row['pdno']}"
            raise ValueError(msg)
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
    def read(cls, start: date, body: _Row) -> tuple[Self, ...]:
        """Reads the days from `start` on; a single day has been seen to come without its list."""
        rows = body["output"]
        days = tuple(cls.model_validate(row) for row in ([rows] if isinstance(rows, dict) else rows))
        if not days or min(one.day for one in days) != start:
            msg = f"the calendar does not begin on {start}"
            raise ValueError(msg)
        return tuple(sorted(days, key=lambda one: one.day))
