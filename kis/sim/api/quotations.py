"""Quotations: price, order book, bars by day and by minute."""

from __future__ import annotations

import random
from itertools import pairwise, zip_longest
from operator import attrgetter
from typing import TYPE_CHECKING

from kis import krx
from kis.sim.api.context import ApiCall, ApiContext, day_of, required
from kis.sim.api.error_messages import REAL
from kis.sim.api.responses import (
    QUOTED,
    SimResponse,
    business,
    decimals,
    flag,
    invalid_field,
    invalid_market,
    percent,
    sign,
)
from kis.sim.exchange.orders import OrderSide, RejectReason
from kis.sim.exchange.prices import DayBar, Minute

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from datetime import date

    from kis.sim.exchange.prices import Issue

MAX_BARS = 100
MAX_MINUTES = 30
_CLOCK_DIGITS = 6
_MINUTES = [f"{hour:02d}{minute:02d}" for hour in range(9, 16) for minute in range(60) if (hour, minute) <= (15, 30)]
_PAR = 100
_HUNDRED_MILLION = 100_000_000
_YEAR = 250
_COMPANY_FIELDS = ("vol_tnrt", "stck_fcam", "lstn_stcn", "cpfn", "hts_avls", "per", "eps", "pbr")


_PERIODS: dict[str, Callable[[date], Hashable]] = {
    "D": lambda day: day,
    "W": lambda day: day.isocalendar()[:2],
    "M": lambda day: (day.year, day.month),
    "Y": lambda day: day.year,
}


def _issue_of(broker: ApiContext, call: ApiCall) -> Issue:
    """The issue of a quotation, or a refusal."""
    market, code = required(call, "FID_COND_MRKT_DIV_CODE", "FID_INPUT_ISCD")
    if market not in {"J", "NX", "UN"}:
        raise invalid_market()
    broker.exchange.roll()
    issue = broker.exchange.issues.get(code.strip())
    if issue is None:
        unknown = REAL[RejectReason.UNKNOWN_CODE]
        raise business(unknown.code, unknown.message, "1")
    return issue


def price(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식현재가 시세, with every field: typed clients fail on a missing one."""
    issue = _issue_of(broker, call)
    this_day = broker.exchange.now().date()
    today = issue.today(this_day)
    year = [*issue.bars[-_YEAR:], *([today] if today else [])]
    output = _status(issue) | _traded(issue) | _pivots(issue) | _company(issue)
    of_year = _high_and_low(year)
    since_january = _high_and_low([bar for bar in year if bar.day.year == this_day.year])
    output |= _extremes("d250_", of_year, issue.last, "rate")
    output |= _extremes("dryy_", since_january, issue.last, "rate")
    output |= _extremes("w52_", of_year, issue.last, "ctrt")
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


def _open_high_low(prices: Issue | DayBar | Minute, prefix: str = "stck_") -> dict[str, str]:
    return {f"{prefix}oprc": str(prices.open), f"{prefix}hgpr": str(prices.high), f"{prefix}lwpr": str(prices.low)}


def _overview(issue: Issue) -> dict[str, str]:
    """The fields with which the summaries of both kinds of bars begin."""
    return {
        **change_of(issue),
        "stck_prdy_clpr": str(issue.base),
        "acml_vol": str(issue.volume),
        "acml_tr_pbmn": str(issue.value),
        "hts_kor_isnm": issue.listing.name,
        "stck_prpr": str(issue.last),
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
        **dict.fromkeys(("oprc_rang_cont_yn", "clpr_rang_cont_yn"), "N"),
        "crdt_able_yn": "N" if listing.etf else "Y",
        "grmn_rate_cls_code": "40",
        "elw_pblc_yn": "N",
        "vi_cls_code": flag(issue.vi),
        "ovtm_vi_cls_code": "N",
        "last_ssts_cntg_qty": "0",
        "invt_caful_yn": "N",
        "mrkt_warn_cls_code": "00",
        **dict.fromkeys(("short_over_yn", "sltr_yn", "mang_issu_cls_code"), "N"),
        "ssts_yn": "Y",
    }


def _traded(issue: Issue) -> dict[str, str]:
    return {
        "stck_prpr": str(issue.last),
        **change_of(issue),
        "acml_tr_pbmn": str(issue.value),
        "acml_vol": str(issue.volume),
        "prdy_vrss_vol_rate": percent(issue.volume, volume_before(issue)),
        **_open_high_low(issue),
        "stck_mxpr": str(issue.upper),
        "stck_llam": str(issue.lower),
        "stck_sdpr": str(issue.base),
        "wghn_avrg_stck_prc": decimals(issue.value / issue.volume if issue.volume else 0),
        "rstc_wdth_prc": str(issue.base - issue.lower),
        "aspr_unit": str(issue.tick),
        "hts_deal_qty_unit_val": "1",
    }


def volume_before(issue: Issue) -> int:
    """Shares traded on the day before."""
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
    issue = _issue_of(broker, call)
    code = issue.listing.code
    asks, bids = (broker.exchange.levels(code, side) for side in (OrderSide.SELL, OrderSide.BUY))
    output: dict[str, str] = {"aspr_acpt_hour": broker.exchange.now().strftime("%H%M%S")}
    for side, levels in (("ask", asks), ("bid", bids)):
        for place, level in zip_longest(range(1, 11), levels):
            output[f"{side}p{place}"] = str(level.price if level else 0)
            output[f"{side}p_rsqn{place}"] = str(level.quantity if level else 0)
            output[f"{side}p_rsqn_icdc{place}"] = "0"
    total_ask, total_bid = (sum(level.quantity for level in levels) for levels in (asks, bids))
    output |= {
        "total_askp_rsqn": str(total_ask),
        "total_bidp_rsqn": str(total_bid),
        **dict.fromkeys(("total_askp_rsqn_icdc", "total_bidp_rsqn_icdc", "ovtm_total_askp_icdc"), "0"),
        **dict.fromkeys(("ovtm_total_bidp_icdc", "ovtm_total_askp_rsqn", "ovtm_total_bidp_rsqn"), "0"),
        "ntby_aspr_rsqn": str(total_bid - total_ask),
        "new_mkop_cls_code": "20",
    }
    expected = {
        "antc_mkop_cls_code": "112",
        "stck_prpr": str(issue.last),
        **_open_high_low(issue),
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
    issue = _issue_of(broker, call)
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


def grouped(bars: Iterable[DayBar], period: str) -> list[DayBar]:
    """Daily bars combined by week (W), month (M) or year (Y), dated by their last day; D leaves them as they are.

    Raises:
        ApiRefusal: the period is none of these.
    """
    if period not in _PERIODS:
        raise invalid_field("FID_PERIOD_DIV_CODE")
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
        **_open_high_low(bar),
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
        **_overview(issue),
        "stck_shrn_iscd": issue.listing.code,
        "prdy_vol": str(before.volume),
        "stck_mxpr": str(issue.upper),
        "stck_llam": str(issue.lower),
        **_open_high_low(issue),
        **_open_high_low(before, "stck_prdy_"),
        "askp": str(book.ask),
        "bidp": str(book.bid),
        "prdy_vrss_vol": str(issue.volume - before.volume),
        **{name: company[name] for name in _COMPANY_FIELDS},
        "itewhol_loan_rmnd_ratem": "0.10",
    }


# --- minutes: of today from the trades, of earlier days generated from the daily bars ------------------------


def minute_bars(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식당일분봉조회: thirty rows at most, newest first, up to a time; minutes without trades have none."""
    issue = _issue_of(broker, call)
    _, hour, past = required(call, "FID_ETC_CLS_CODE", "FID_INPUT_HOUR_1", "FID_PW_DATA_INCU_YN")
    hour = hour.strip()
    if len(hour) != _CLOCK_DIGITS or not (hour.isascii() and hour.isdigit()):
        raise invalid_field("FID_INPUT_HOUR_1")
    today = broker.exchange.now().date()
    rows = [(today, name, bar) for name, bar in _minutes_today(issue) if f"{name}00" <= hour]
    if past.strip() == "Y":
        for day in reversed(issue.bars):
            if len(rows) >= MAX_MINUTES:
                break
            rows = [(day.day, name, bar) for name, bar in _minutes_of(issue, day)] + rows
    shown = [_minute(*row) for row in reversed(rows[-MAX_MINUTES:])]
    return SimResponse({"output1": _overview(issue), "output2": shown, **QUOTED})


def _minute(day: date, name: str, minute: Minute) -> dict[str, str]:
    return {
        "stck_bsop_date": day.strftime("%Y%m%d"),
        "stck_cntg_hour": f"{name}00",
        "stck_prpr": str(minute.close),
        **_open_high_low(minute),
        "cntg_vol": str(minute.volume),
        "acml_tr_pbmn": str(minute.value),
    }


def _minutes_today(issue: Issue) -> list[tuple[str, Minute]]:
    """Minutes before the simulation began, at its first price, and the minutes since."""
    first = min(issue.minutes, default=_MINUTES[-1])
    before = [name for name in _MINUTES if name < first] or [first]
    known = sorted(issue.minutes.items())
    if not issue.early:
        return known
    price, value, rows = issue.listing.price, 0, []
    for name, volume in zip(before, _shares(issue.early, len(before), issue.past_seed), strict=True):
        if volume and name not in issue.minutes:
            value += price * volume
            rows.append((name, Minute(price, price, price, price, volume, value)))
    return rows + known


def _minutes_of(issue: Issue, bar: DayBar) -> list[tuple[str, Minute]]:
    """The minutes of a past day, through open, low, high and close (high before low if it fell)."""
    turns = [bar.open, bar.low, bar.high, bar.close]
    if bar.close < bar.open:
        turns = [bar.open, bar.high, bar.low, bar.close]
    last = len(_MINUTES) - 1
    path = []
    for place in range(len(_MINUTES)):
        leg, along = divmod(place * 3, last)
        start, end = (turns[leg], turns[leg + 1]) if leg < len(turns) - 1 else (bar.close, bar.close)
        path.append(krx.tick_neighbours(round(start + (end - start) * along / last), etf=issue.listing.etf)[0])
    value, rows = 0, []
    volumes = _shares(bar.volume, len(_MINUTES), issue.past_seed + bar.day.toordinal())
    for name, (before, price), volume in zip(_MINUTES, pairwise([path[0], *path]), volumes, strict=True):
        value += price * volume
        rows.append((name, Minute(before, max(before, price), min(before, price), price, volume, value)))
    return rows


def _shares(total: int, parts: int, seed: int) -> list[int]:
    """A volume divided into uneven parts."""
    rng = random.Random(seed)  # noqa: S311  volumes, not secrets
    weights = [rng.expovariate(1.0) for _ in range(parts)]
    cut, whole, done = [], sum(weights), 0.0
    for weight in weights:
        begun, done = done, done + weight
        cut.append(round(total * done / whole) - round(total * begun / whole))
    return cut
