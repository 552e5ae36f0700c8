"""Indices, now and day by day, calculated from their member issues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kis.sim.api.context import ApiCall, ApiContext, day_of, required
from kis.sim.api.quotations import grouped
from kis.sim.api.responses import QUOTED, SimResponse, decimals, invalid_field, invalid_market, percent, sign
from kis.sim.exchange.prices import DayBar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from kis.sim.exchange.prices import Issue

MAX_ROWS = 50
_THOUSAND = 1_000
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Index:
    """An index, its value at the simulation's start, and its member issues."""

    code: str
    name: str
    start: float
    member: Callable[[Issue], bool]


def _kospi(issue: Issue) -> bool:
    return issue.listing.market == "KOSPI" and not issue.listing.etf


INDICES = {
    index.code: index
    for index in (
        Index("0001", "종합", 3180.50, _kospi),
        Index("1001", "KOSDAQ", 872.30, lambda issue: issue.listing.market == "KOSDAQ"),
        Index("2001", "KOSPI200", 432.95, _kospi),
    )
}


@dataclass(frozen=True, slots=True)
class _IndexDay:
    """An index on one day, in points."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    value: int


def _index(call: ApiCall) -> Index:
    market, code = required(call, "FID_COND_MRKT_DIV_CODE", "FID_INPUT_ISCD")
    if market != "U":
        raise invalid_market()
    index = INDICES.get(code.strip())
    if index is None:
        raise invalid_field("FID_INPUT_ISCD")
    return index


def _members(broker: ApiContext, index: Index) -> list[Issue]:
    broker.exchange.roll()
    return [issue for issue in broker.exchange.issues.values() if index.member(issue)]


def _mean(ratios: Sequence[float]) -> float:
    return sum(ratios) / len(ratios)


def _today(broker: ApiContext, index: Index, members: Sequence[Issue]) -> tuple[float, _IndexDay]:
    """The last close, and today."""
    before = index.start * _mean([issue.base / issue.listing.price for issue in members])
    opened, high, low = (
        before * _mean([(getattr(issue, name) or issue.base) / issue.base for issue in members])
        for name in ("open", "high", "low")
    )
    last = before * _mean([issue.last / issue.base for issue in members])
    volume, value = (sum(getattr(issue, name) for issue in members) for name in ("volume", "value"))
    today = broker.exchange.now().date()
    return before, _IndexDay(today, opened, max(high, last), min(low, last), last, volume, value)


def index_price(broker: ApiContext, call: ApiCall) -> SimResponse:
    """국내업종 현재지수. Real accounts only."""
    index = _index(call)
    members = _members(broker, index)
    before, today = _today(broker, index, members)
    year = [bar for bar in _days(members, index) if bar.day.year == today.day.year] + [today]
    top, bottom = max(year, key=lambda bar: bar.high), min(year, key=lambda bar: bar.low)
    moves = [issue.last - issue.base for issue in members]
    asks = sum(issue.usual_volume // 20 for issue in members)
    bids = asks * 11 // 10
    output = {
        "bstp_nmix_prpr": decimals(today.close),
        "bstp_nmix_prdy_vrss": decimals(today.close - before),
        "prdy_vrss_sign": sign(today.close - before),
        "bstp_nmix_prdy_ctrt": percent(today.close - before, before),
        "acml_vol": str(today.volume // _THOUSAND),
        "prdy_vol": str(sum(issue.bars[-1].volume for issue in members) // _THOUSAND),
        "acml_tr_pbmn": str(today.value // _MILLION),
        "prdy_tr_pbmn": str(sum(issue.bars[-1].value for issue in members) // _MILLION),
        "bstp_nmix_oprc": decimals(today.open),
        "prdy_nmix_vrss_nmix_oprc": decimals(today.open - before),
        "oprc_vrss_prpr_sign": sign(today.open - before),
        "bstp_nmix_oprc_prdy_ctrt": percent(today.open - before, before),
        "bstp_nmix_hgpr": decimals(today.high),
        "prdy_nmix_vrss_nmix_hgpr": decimals(today.high - before),
        "hgpr_vrss_prpr_sign": sign(today.high - before),
        "bstp_nmix_hgpr_prdy_ctrt": percent(today.high - before, before),
        "bstp_nmix_lwpr": decimals(today.low),
        "prdy_clpr_vrss_lwpr": decimals(today.low - before),
        "lwpr_vrss_prpr_sign": sign(today.low - before),
        "prdy_clpr_vrss_lwpr_rate": percent(today.low - before, before),
        "ascn_issu_cnt": str(sum(move > 0 for move in moves)),
        "uplm_issu_cnt": str(sum(issue.last == issue.upper for issue in members)),
        "stnr_issu_cnt": str(sum(move == 0 for move in moves)),
        "down_issu_cnt": str(sum(move < 0 for move in moves)),
        "lslm_issu_cnt": str(sum(issue.last == issue.lower for issue in members)),
        "dryy_bstp_nmix_hgpr": decimals(top.high),
        "dryy_hgpr_vrss_prpr_rate": percent(top.high - today.close, today.close),
        "dryy_bstp_nmix_hgpr_date": top.day.strftime("%Y%m%d"),
        "dryy_bstp_nmix_lwpr": decimals(bottom.low),
        "dryy_lwpr_vrss_prpr_rate": percent(bottom.low - today.close, today.close),
        "dryy_bstp_nmix_lwpr_date": bottom.day.strftime("%Y%m%d"),
        "total_askp_rsqn": str(asks),
        "total_bidp_rsqn": str(bids),
        "seln_rsqn_rate": percent(asks, asks + bids),
        "shnu_rsqn_rate": percent(bids, asks + bids),
        "ntby_rsqn": str(bids - asks),
    }
    return SimResponse({"output": output, **QUOTED})


def _days(members: Sequence[Issue], index: Index) -> list[_IndexDay]:
    days = []
    for bars in zip(*(issue.bars for issue in members), strict=False):
        relative = [(bar, issue.listing.price) for bar, issue in zip(bars, members, strict=True)]
        opened, high, low, close = (
            index.start * _mean([getattr(bar, name) / price for bar, price in relative])
            for name in ("open", "high", "low", "close")
        )
        volume, value = sum(bar.volume for bar in bars), sum(bar.value for bar in bars)
        days.append(_IndexDay(bars[0].day, opened, high, low, close, volume, value))
    return days


def _open_high_low(prefix: str, day: _IndexDay | DayBar, scale: int = 1) -> dict[str, str]:
    levels = {"oprc": day.open, "hgpr": day.high, "lwpr": day.low}
    return {f"{prefix}{name}": decimals(level / scale) for name, level in levels.items()}


def _cents(day: _IndexDay) -> DayBar:
    opened, high, low, close = (round(level * 100) for level in (day.open, day.high, day.low, day.close))
    return DayBar(day.day, opened, high, low, close, day.volume, day.value)


def daily_index(broker: ApiContext, call: ApiCall) -> SimResponse:
    """국내주식업종기간별시세: newest first, fifty rows at most; rows have no change."""
    index = _index(call)
    start, end, period = required(call, "FID_INPUT_DATE_1", "FID_INPUT_DATE_2", "FID_PERIOD_DIV_CODE")
    first, last = day_of(start, "FID_INPUT_DATE_1"), day_of(end, "FID_INPUT_DATE_2")
    members = _members(broker, index)
    before, today = _today(broker, index, members)
    cents = [_cents(bar) for bar in [*_days(members, index), today]]
    rows = [bar for bar in grouped(cents, period) if first <= bar.day <= last]
    yesterday = cents[-2]
    summary = {
        "bstp_nmix_prdy_vrss": decimals(today.close - before),
        "prdy_vrss_sign": sign(today.close - before),
        "bstp_nmix_prdy_ctrt": percent(today.close - before, before),
        "prdy_nmix": decimals(before),
        "acml_vol": str(today.volume // _THOUSAND),
        "acml_tr_pbmn": str(today.value // _MILLION),
        "hts_kor_isnm": index.name,
        "bstp_nmix_prpr": decimals(today.close),
        "bstp_cls_code": index.code,
        "prdy_vol": str(yesterday.volume // _THOUSAND),
        **_open_high_low("bstp_nmix_", today),
        **_open_high_low("futs_prdy_", yesterday, 100),
    }
    output = [
        {
            "stck_bsop_date": bar.day.strftime("%Y%m%d"),
            "bstp_nmix_prpr": decimals(bar.close / 100),
            **_open_high_low("bstp_nmix_", bar, 100),
            "acml_vol": str(bar.volume // _THOUSAND),
            "acml_tr_pbmn": str(bar.value // _MILLION),
            "mod_yn": "N",
        }
        for bar in reversed(rows)
    ][:MAX_ROWS]
    return SimResponse({"output1": summary, "output2": output, **QUOTED})
