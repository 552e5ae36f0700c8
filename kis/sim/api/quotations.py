"""Quotations: price, order book, daily bars, volume rank."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from kis.krx import KST
from kis.sim.api.context import ApiCall, ApiContext, required
from kis.sim.api.error_messages import REAL
from kis.sim.api.number_format import decimals, flag, percent, sign
from kis.sim.api.responses import QUOTED, SimResponse, business
from kis.sim.exchange.orders import OrderSide, RejectReason
from kis.sim.exchange.prices import DayBar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from kis.sim.exchange.prices import Issue

MAX_BARS = 100
MAX_RANKED = 30
_PAR = 100
_HUNDRED_MILLION = 100_000_000
_YEAR = 250


_PERIODS: dict[str, Callable[[date], Hashable]] = {
    "D": lambda day: day,
    "W": lambda day: day.isocalendar()[:2],
    "M": lambda day: (day.year, day.month),
    "Y": lambda day: day.year,
}


def issue_of(broker: ApiContext, call: ApiCall, markets: Iterable[str] = ("J", "NX", "UN")) -> Issue:
    """The issue of a quotation.

    Raises:
        ApiRefusal: a field is missing, the market is none of `markets`, or the symbol is not listed.
    """
    market, code = required(call, "FID_COND_MRKT_DIV_CODE", "FID_INPUT_ISCD")
    if market not in markets:
        raise business("OPSQ2001", "ERROR INVALID FID_COND_MRKT_DIV_CODE", "2")
    broker.exchange.roll()
    issue = broker.exchange.issues.get(code.strip())
    if issue is None:
        raise business(REAL[RejectReason.UNKNOWN_CODE].code, REAL[RejectReason.UNKNOWN_CODE].message, "1")
    return issue


def price(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식현재가 시세, with every field: typed clients fail on a missing one."""
    issue = issue_of(broker, call)
    this_day = broker.exchange.now().date()
    today = issue.today(this_day)
    year = [*issue.bars[-_YEAR:], *([today] if today else [])]
    output = _status(issue) | _traded(issue) | _pivots(issue) | _company(issue)
    of_year = _high_and_low(year)
    since_january = _high_and_low([bar for bar in year if bar.day.year == this_day.year])
    for name, extremes, suffix in (
        ("d250_", of_year, "rate"),
        ("dryy_", since_january, "rate"),
        ("w52_", of_year, "ctrt"),
    ):
        output |= _extremes(name, extremes, issue.last, suffix)
    return SimResponse({"output": output, **QUOTED})


def change_of(issue: Issue) -> dict[str, str]:
    """The change since the base price: signed won, its sign's code, and percent."""
    change = issue.last - issue.base
    at_limits = {"at_upper": issue.last == issue.upper, "at_lower": issue.last == issue.lower}
    return {
        "prdy_vrss": str(change),
        "prdy_vrss_sign": sign(change, **at_limits),
        "prdy_ctrt": percent(change, issue.base),
    }


def _status(issue: Issue) -> dict[str, str]:
    listing = issue.listing
    market = "KOSDAQ" if listing.market == "KOSDAQ" else "KOSPI" if listing.etf else "KOSPI200"
    return {
        "iscd_stat_cls_code": "58" if issue.halted else "55",
        "marg_rate": decimals(listing.margin),
        "rprs_mrkt_kor_name": market,
        "new_hgpr_lwpr_cls_code": "",
        "bstp_kor_isnm": "ETF" if listing.etf else "제조",
        "temp_stop_yn": flag(issue.halted),
        "oprc_rang_cont_yn": "N",
        "clpr_rang_cont_yn": "N",
        "crdt_able_yn": "N" if listing.etf else "Y",
        "grmn_rate_cls_code": "40",
        "elw_pblc_yn": "N",
        "vi_cls_code": flag(issue.vi),
        "ovtm_vi_cls_code": "N",
        "last_ssts_cntg_qty": "0",
        "invt_caful_yn": "N",
        "mrkt_warn_cls_code": "00",
        "short_over_yn": "N",
        "sltr_yn": "N",
        "mang_issu_cls_code": "N",
        "ssts_yn": "Y",
    }


def _traded(issue: Issue) -> dict[str, str]:
    return {
        "stck_prpr": str(issue.last),
        **change_of(issue),
        "acml_tr_pbmn": str(issue.value),
        "acml_vol": str(issue.volume),
        "prdy_vrss_vol_rate": percent(issue.volume, _volume_before(issue)),
        "stck_oprc": str(issue.open),
        "stck_hgpr": str(issue.high),
        "stck_lwpr": str(issue.low),
        "stck_mxpr": str(issue.upper),
        "stck_llam": str(issue.lower),
        "stck_sdpr": str(issue.base),
        "wghn_avrg_stck_prc": decimals(issue.value / issue.volume if issue.volume else 0),
        "rstc_wdth_prc": str(issue.base - issue.lower),
        "aspr_unit": str(issue.tick),
        "hts_deal_qty_unit_val": "1",
    }


def _volume_before(issue: Issue) -> int:
    return issue.bars[-1].volume if issue.bars else 0


def _pivots(issue: Issue) -> dict[str, str]:
    before = issue.bars[-1]
    pivot = (before.high + before.low + before.close) // 3
    width = before.high - before.low
    return {
        "pvt_scnd_dmrs_prc": str(pivot + width),
        "pvt_frst_dmrs_prc": str(2 * pivot - before.low),
        "pvt_pont_val": str(pivot),
        "pvt_frst_dmsp_prc": str(2 * pivot - before.high),
        "pvt_scnd_dmsp_prc": str(pivot - width),
        "dmrs_val": str(before.high),
        "dmsp_val": str(before.low),
    }


def _company(issue: Issue) -> dict[str, str]:
    earned, owned = issue.base / 14, issue.base / 1.3
    capital = issue.shares * _PAR
    return {
        "hts_frgn_ehrt": "31.50",
        "frgn_ntby_qty": "0",
        "pgtr_ntby_qty": "0",
        "frgn_hldn_qty": str(issue.shares * 315 // 1000),
        "cpfn": str(capital // _HUNDRED_MILLION),
        "stck_fcam": str(_PAR),
        "stck_sspr": str(issue.base * 7 // 10),
        "lstn_stcn": str(issue.shares),
        "hts_avls": str(issue.shares * issue.last // _HUNDRED_MILLION),
        "per": decimals(issue.last / earned),
        "pbr": decimals(issue.last / owned),
        "stac_month": "12",
        "vol_tnrt": percent(issue.volume, issue.shares),
        "eps": decimals(earned),
        "bps": decimals(owned),
        "whol_loan_rmnd_rate": "0.10",
        "stck_shrn_iscd": issue.listing.code,
        "fcam_cnnm": str(_PAR),
        "cpfn_cnnm": f"{capital // _HUNDRED_MILLION:,} 억",
        "apprch_rate": "0.00",
    }


def _high_and_low(bars: Sequence[DayBar]) -> tuple[DayBar | None, DayBar | None]:
    """The bars with the highest and the lowest price of a period."""
    return max(bars, key=attrgetter("high"), default=None), min(bars, key=attrgetter("low"), default=None)


def _extremes(name: str, extremes: tuple[DayBar | None, DayBar | None], last: int, suffix: str) -> dict[str, str]:
    """High and low of a period, with their days and the price's distance from them."""
    stock = "stck_" if name == "dryy_" else ""
    found = {}
    top, bottom = extremes
    levels = (("hgpr", top, top.high if top else 0), ("lwpr", bottom, bottom.low if bottom else 0))
    for field, bar, level in levels:
        found[f"{stock}{name}{field}"] = str(level)
        found[f"{name}{field}_date"] = bar.day.strftime("%Y%m%d") if bar else ""
        found[f"{name}{field}_vrss_prpr_{suffix}"] = percent(last - level, level)
    return found


def order_book(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식현재가 호가/예상체결."""
    issue = issue_of(broker, call)
    code = issue.listing.code
    asks, bids = (broker.exchange.levels(code, side) for side in (OrderSide.SELL, OrderSide.BUY))
    output: dict[str, str] = {"aspr_acpt_hour": broker.exchange.now().strftime("%H%M%S")}
    for side, levels in (("ask", asks), ("bid", bids)):
        for place in range(10):
            level = levels[place] if place < len(levels) else None
            output[f"{side}p{place + 1}"] = str(level.price if level else 0)
            output[f"{side}p_rsqn{place + 1}"] = str(level.quantity if level else 0)
            output[f"{side}p_rsqn_icdc{place + 1}"] = "0"
    total_ask, total_bid = (sum(level.quantity for level in levels) for levels in (asks, bids))
    output |= {
        "total_askp_rsqn": str(total_ask),
        "total_bidp_rsqn": str(total_bid),
        "total_askp_rsqn_icdc": "0",
        "total_bidp_rsqn_icdc": "0",
        "ovtm_total_askp_icdc": "0",
        "ovtm_total_bidp_icdc": "0",
        "ovtm_total_askp_rsqn": "0",
        "ovtm_total_bidp_rsqn": "0",
        "ntby_aspr_rsqn": str(total_bid - total_ask),
        "new_mkop_cls_code": "20",
    }
    expected = {
        "antc_mkop_cls_code": "112",
        "stck_prpr": str(issue.last),
        "stck_oprc": str(issue.open),
        "stck_hgpr": str(issue.high),
        "stck_lwpr": str(issue.low),
        "stck_sdpr": str(issue.base),
        # Outside the auctions there is no expected price, and the fields beside it are meaningless.
        "antc_cnpr": "0",
        "antc_cntg_vrss_sign": "5",
        "antc_cntg_vrss": str(-issue.base),
        "antc_cntg_prdy_ctrt": "-100.00",
        "antc_vol": "0",
        "stck_shrn_iscd": code,
        "vi_cls_code": flag(issue.vi),
    }
    return SimResponse({"output1": output, "output2": expected, **QUOTED})


def daily_bars(broker: ApiContext, call: ApiCall) -> SimResponse:
    """국내주식기간별시세: newest first, a hundred rows at most."""
    issue = issue_of(broker, call)
    start, end, period, _ = required(
        call, "FID_INPUT_DATE_1", "FID_INPUT_DATE_2", "FID_PERIOD_DIV_CODE", "FID_ORG_ADJ_PRC"
    )
    first, last = day_of(start, "FID_INPUT_DATE_1"), day_of(end, "FID_INPUT_DATE_2")
    today = issue.today(broker.exchange.now().date())
    bars = grouped([*issue.bars, *([today] if today else [])], period)
    closes = {bar.day: before.close for before, bar in pairwise(bars)}
    wanted = [bar for bar in reversed(bars) if first <= bar.day <= last]
    rows = [_bar(bar, closes.get(bar.day, bar.open)) for bar in wanted[:MAX_BARS]]
    return SimResponse({"output1": _summary(broker, issue), "output2": rows, **QUOTED})


def day_of(text: str, name: str) -> date:
    """A day in KIS's format.

    Raises:
        ApiRefusal: it is not one.
    """
    try:
        return datetime.strptime(text.strip(), "%Y%m%d").replace(tzinfo=KST).date()
    except ValueError:
        raise business("OPSQ2002", f"ERROR : INPUT INVALID FIELD [{name}]", "2") from None


def grouped(bars: Iterable[DayBar], period: str) -> list[DayBar]:
    """Daily bars combined by week (W), month (M) or year (Y), dated by their last day; D leaves them as they are.

    Raises:
        ApiRefusal: the period is none of these.
    """
    if period not in _PERIODS:
        raise business("OPSQ2002", "ERROR : INPUT INVALID FIELD [FID_PERIOD_DIV_CODE]", "2")
    groups: dict[Hashable, list[DayBar]] = {}
    for bar in bars:
        groups.setdefault(_PERIODS[period](bar.day), []).append(bar)
    return [
        DayBar(
            group[-1].day,
            group[0].open,
            max(bar.high for bar in group),
            min(bar.low for bar in group),
            group[-1].close,
            sum(bar.volume for bar in group),
            sum(bar.value for bar in group),
        )
        for group in groups.values()
    ]


def _bar(bar: DayBar, before: int) -> dict[str, str]:
    return {
        "stck_bsop_date": bar.day.strftime("%Y%m%d"),
        "stck_clpr": str(bar.close),
        "stck_oprc": str(bar.open),
        "stck_hgpr": str(bar.high),
        "stck_lwpr": str(bar.low),
        "acml_vol": str(bar.volume),
        "acml_tr_pbmn": str(bar.value),
        "flng_cls_code": "00",
        "prtt_rate": "0.00",
        "mod_yn": "N",
        "prdy_vrss_sign": sign(bar.close - before),
        "prdy_vrss": str(bar.close - before),
        "revl_issu_reas": "",
    }


def _summary(broker: ApiContext, issue: Issue) -> dict[str, str]:
    before = issue.bars[-1]
    book = broker.exchange.books[issue.listing.code]
    company = _company(issue)
    return {
        **change_of(issue),
        "stck_prdy_clpr": str(issue.base),
        "acml_vol": str(issue.volume),
        "acml_tr_pbmn": str(issue.value),
        "hts_kor_isnm": issue.listing.name,
        "stck_prpr": str(issue.last),
        "stck_shrn_iscd": issue.listing.code,
        "prdy_vol": str(before.volume),
        "stck_mxpr": str(issue.upper),
        "stck_llam": str(issue.lower),
        "stck_oprc": str(issue.open),
        "stck_hgpr": str(issue.high),
        "stck_lwpr": str(issue.low),
        "stck_prdy_oprc": str(before.open),
        "stck_prdy_hgpr": str(before.high),
        "stck_prdy_lwpr": str(before.low),
        "askp": str(book.ask),
        "bidp": str(book.bid),
        "prdy_vrss_vol": str(issue.volume - before.volume),
        **{name: company[name] for name in ("vol_tnrt", "stck_fcam", "lstn_stcn", "cpfn", "hts_avls")},
        **{name: company[name] for name in ("per", "eps", "pbr")},
        "itewhol_loan_rmnd_ratem": "0.10",
    }


def volume_rank(broker: ApiContext, call: ApiCall) -> SimResponse:
    """거래량순위: thirty rows. Real accounts only."""
    market, _, _, kind, order_by = required(
        call,
        "FID_COND_MRKT_DIV_CODE",
        "FID_COND_SCR_DIV_CODE",
        "FID_INPUT_ISCD",
        "FID_DIV_CLS_CODE",
        "FID_BLNG_CLS_CODE",
    )
    if market not in {"J", "NX"}:
        raise business("OPSQ2001", "ERROR INVALID FID_COND_MRKT_DIV_CODE", "2")
    broker.exchange.roll()
    issues = [
        issue for issue in broker.exchange.issues.values() if kind == "0" or issue.listing.preferred is (kind == "2")
    ]
    by_value = order_by in {"3", "4"}
    issues.sort(key=lambda issue: issue.value if by_value else issue.volume, reverse=True)
    rows = [_ranked(place, issue) for place, issue in enumerate(issues[:MAX_RANKED], start=1)]
    return SimResponse({"output": rows, **QUOTED})


def _ranked(place: int, issue: Issue) -> dict[str, str]:
    change = change_of(issue)
    turnover = percent(issue.volume, issue.shares)
    value_turnover = percent(issue.value, issue.shares * issue.last)
    return {
        "hts_kor_isnm": issue.listing.name,
        "mksc_shrn_iscd": issue.listing.code,
        "data_rank": str(place),
        "stck_prpr": str(issue.last),
        "prdy_vrss_sign": change["prdy_vrss_sign"],
        "prdy_vrss": change["prdy_vrss"],
        "prdy_ctrt": change["prdy_ctrt"],
        "acml_vol": str(issue.volume),
        "prdy_vol": str(_volume_before(issue)),
        "lstn_stcn": str(issue.shares),
        "avrg_vol": str(issue.volume),
        "n_befr_clpr_vrss_prpr_rate": change["prdy_ctrt"],
        "vol_inrt": percent(issue.volume, _volume_before(issue)),
        "vol_tnrt": turnover,
        "nday_vol_tnrt": turnover,
        "avrg_tr_pbmn": str(issue.value),
        "tr_pbmn_tnrt": value_turnover,
        "nday_tr_pbmn_tnrt": value_turnover,
        "acml_tr_pbmn": str(issue.value),
    }
