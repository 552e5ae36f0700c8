"""The rankings by price change and by volume. Real accounts only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kis.sim.api.context import ApiCall, ApiContext, required
from kis.sim.api.quotations import change_of, volume_before
from kis.sim.api.responses import QUOTED, SimResponse, invalid_field, invalid_market, percent, sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from kis.sim.exchange.prices import Issue

MAX_RANKED = 30
_MARKETS = {"0000": {"KOSPI", "KOSDAQ"}, "0001": {"KOSPI"}, "1001": {"KOSDAQ"}, "2001": {"KOSPI"}}
_FIELDS = (
    "FID_COND_MRKT_DIV_CODE",
    "FID_COND_SCR_DIV_CODE",
    "FID_INPUT_ISCD",
    "FID_RANK_SORT_CLS_CODE",
    "FID_INPUT_CNT_1",
    "FID_PRC_CLS_CODE",
    "FID_INPUT_PRICE_1",
    "FID_INPUT_PRICE_2",
    "FID_VOL_CNT",
    "FID_TRGT_CLS_CODE",
    "FID_TRGT_EXLS_CLS_CODE",
    "FID_DIV_CLS_CODE",
    "FID_RSFL_RATE1",
    "FID_RSFL_RATE2",
)
_VOLUME_FIELDS = (*_FIELDS[:3], "FID_DIV_CLS_CODE", "FID_BLNG_CLS_CODE")


def _from_base(issue: Issue) -> float:
    return (issue.last - issue.base) / issue.base


def _from_open(issue: Issue) -> float:
    return (issue.last - issue.open) / issue.open if issue.open else 0.0


def _range(issue: Issue) -> float:
    return (issue.high - issue.low) / issue.base


_ORDERS: dict[str, tuple[Callable[[Issue], float], bool]] = {
    "0": (_from_base, True),
    "1": (_from_base, False),
    "2": (_from_open, True),
    "3": (_from_open, False),
    "4": (_range, True),
}
"""FID_RANK_SORT_CLS_CODE: the key, and whether the highest comes first."""


def fluctuation(broker: ApiContext, call: ApiCall) -> SimResponse:
    """등락률 순위: thirty rows. Only this call has query names in lower case."""
    values = dict(zip(_FIELDS, required(call, *_FIELDS), strict=True))
    if values["FID_COND_MRKT_DIV_CODE"] not in {"J", "NX"}:
        raise invalid_market()
    markets = _MARKETS.get(values["FID_INPUT_ISCD"])
    order = _ORDERS.get(values["FID_RANK_SORT_CLS_CODE"])
    if markets is None or order is None:
        raise invalid_field("FID_INPUT_ISCD" if markets is None else "FID_RANK_SORT_CLS_CODE")
    broker.exchange.roll()
    by, greatest_first = order
    issues = [issue for issue in broker.exchange.issues.values() if issue.listing.market in markets]
    issues.sort(key=by, reverse=greatest_first)
    today = broker.exchange.now().strftime("%Y%m%d")
    rows = [_ranked(place, issue, today) for place, issue in enumerate(issues[:MAX_RANKED], start=1)]
    return SimResponse({"output": rows, **QUOTED})


def _ranked(place: int, issue: Issue, today: str) -> dict[str, str]:
    change = change_of(issue)
    from_open = issue.last - issue.open if issue.open else 0
    highest = max(issue.minutes.items(), key=lambda item: item[1].high, default=None)
    lowest = min(issue.minutes.items(), key=lambda item: item[1].low, default=None)
    return {
        "stck_shrn_iscd": issue.listing.code,
        "data_rank": str(place),
        "hts_kor_isnm": issue.listing.name,
        "stck_prpr": str(issue.last),
        **change,
        "acml_vol": str(issue.volume),
        "stck_hgpr": str(issue.high),
        "hgpr_hour": f"{highest[0]}00" if highest else "090000",
        "acml_hgpr_date": today,
        "stck_lwpr": str(issue.low),
        "lwpr_hour": f"{lowest[0]}00" if lowest else "090000",
        "acml_lwpr_date": today,
        "lwpr_vrss_prpr_rate": percent(issue.last - issue.low, issue.low),
        "dsgt_date_clpr_vrss_prpr_rate": change["prdy_ctrt"],
        "cnnt_ascn_dynu": str(_days(issue, 1)),
        "hgpr_vrss_prpr_rate": percent(issue.last - issue.high, issue.high),
        "cnnt_down_dynu": str(_days(issue, -1)),
        "oprc_vrss_prpr_sign": sign(from_open),
        "oprc_vrss_prpr": str(from_open),
        "oprc_vrss_prpr_rate": percent(from_open, issue.open),
        "prd_rsfl": change["prdy_vrss"],
        "prd_rsfl_rate": change["prdy_ctrt"],
    }


def _days(issue: Issue, direction: int) -> int:
    """Consecutive days, today included, of moves in one direction."""
    closes = [*(bar.close for bar in issue.bars), issue.last]
    days = 0
    while days + 1 < len(closes) and (closes[-1 - days] - closes[-2 - days]) * direction > 0:
        days += 1
    return days


def volume_rank(broker: ApiContext, call: ApiCall) -> SimResponse:
    """거래량순위: thirty rows."""
    market, _, _, kind, order_by = required(call, *_VOLUME_FIELDS)
    if market not in {"J", "NX"}:
        raise invalid_market()
    broker.exchange.roll()
    issues = [
        issue for issue in broker.exchange.issues.values() if kind == "0" or issue.listing.preferred is (kind == "2")
    ]
    by_value = order_by in {"3", "4"}
    issues.sort(key=lambda issue: issue.value if by_value else issue.volume, reverse=True)
    rows = [_ranked_by_volume(place, issue) for place, issue in enumerate(issues[:MAX_RANKED], start=1)]
    return SimResponse({"output": rows, **QUOTED})


def _ranked_by_volume(place: int, issue: Issue) -> dict[str, str]:
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
        "prdy_vol": str(volume_before(issue)),
        "lstn_stcn": str(issue.shares),
        "avrg_vol": str(issue.volume),
        "n_befr_clpr_vrss_prpr_rate": change["prdy_ctrt"],
        "vol_inrt": percent(issue.volume, volume_before(issue)),
        "vol_tnrt": turnover,
        "nday_vol_tnrt": turnover,
        "avrg_tr_pbmn": str(issue.value),
        "tr_pbmn_tnrt": value_turnover,
        "nday_tr_pbmn_tnrt": value_turnover,
        "acml_tr_pbmn": str(issue.value),
    }
