"""Charts: a stock by the day and by the minute, an index by the day."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Self, TypeVar

from kis.fields import Code, Count, Day, Model, Ratio, Row, Text, Time, alias
from kis.krx import KST
from kis.models.quotes import INDEX_NAMES

_M = TypeVar("_M", bound=Model)


class Bar(Model):
    """One day (week, month, year) of trading: prices in won, volume in shares, value in won."""

    day: Day = alias("stck_bsop_date")
    open: Count = alias("stck_oprc")
    high: Count = alias("stck_hgpr")
    low: Count = alias("stck_lwpr")
    close: Count = alias("stck_clpr")
    volume: Count = alias("acml_vol")
    value: Count = alias("acml_tr_pbmn")


class DailyBars(Model):
    """A stock's bars, newest first (KIS portal, 국내주식기간별시세; at most 100 in one answer)."""

    code: Code
    name: Text
    bars: tuple[Bar, ...]

    @classmethod
    def read(cls, code: str, body: Row) -> Self:
        """Reads `output1`, the stock, and `output2`, its rows, some of which KIS leaves blank."""
        return cls(code=code, bars=_bars(Bar, body, "day"), name=body["output1"]["hts_kor_isnm"])


class MinuteBar(Model):
    """One minute of trading: prices in won, `volume` the minute's shares, `day_value` the day's won so far.

    `time` is KIS's HHMMSS (KST).
    """

    day: Day = alias("stck_bsop_date")
    time: Time = alias("stck_cntg_hour")
    open: Count = alias("stck_oprc")
    high: Count = alias("stck_hgpr")
    low: Count = alias("stck_lwpr")
    close: Count = alias("stck_prpr")
    volume: Count = alias("cntg_vol")
    day_value: Count = alias("acml_tr_pbmn")

    @property
    def at(self) -> datetime:
        """The minute as a moment in KST."""
        return datetime.strptime(f"{self.day:%Y%m%d}{self.time}", "%Y%m%d%H%M%S").replace(tzinfo=KST)


class MinuteBars(Model):
    """A stock's minutes of today, newest first (KIS portal, 주식당일분봉조회; at most 30 in one answer)."""

    code: Code
    name: Text
    bars: tuple[MinuteBar, ...]

    @classmethod
    def read(cls, code: str, body: Row) -> Self:
        """Reads `output1`, the stock, and `output2`, its rows, some of which KIS may leave blank."""
        return cls(code=code, bars=_bars(MinuteBar, body, "at"), name=body["output1"]["hts_kor_isnm"])


class IndexBar(Model):
    """One day (week, month, year) of an index, in points.

    `volume` is in thousand shares and `value` in million won, as inferred from captured answers.
    """

    day: Day = alias("stck_bsop_date")
    open: Ratio = alias("bstp_nmix_oprc")
    high: Ratio = alias("bstp_nmix_hgpr")
    low: Ratio = alias("bstp_nmix_lwpr")
    close: Ratio = alias("bstp_nmix_prpr")
    volume: Count = alias("acml_vol")
    value: Count = alias("acml_tr_pbmn")


class IndexBars(Model):
    """An index's bars, newest first (KIS portal, 국내주식업종기간별시세; at most 50 in one answer).

    Before the open there is a bar for today already, with all four levels at the last close.
    """

    code: Code
    name: Text
    bars: tuple[IndexBar, ...]

    @classmethod
    def read(cls, code: str, body: Row) -> Self:
        """Reads `output2`; KIS does not repeat the index's code."""
        return cls(code=code, bars=_bars(IndexBar, body, "day"), name=INDEX_NAMES.get(code, code))


def _bars(model: type[_M], body: Row, moment: str) -> tuple[_M, ...]:
    """The rows of `output2` that KIS has not left blank, newest first."""
    rows = body["output2"]
    if not isinstance(rows, list):
        raise TypeError("output2 is no list")
    filled = [model.model_validate(row) for row in rows if row and str(row["stck_bsop_date"]).strip()]
    return tuple(sorted(filled, key=attrgetter(moment), reverse=True))
