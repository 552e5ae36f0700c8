"""The calendar and the master data of an issue. Real accounts only."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kis import krx
from kis.sim.api.context import ApiCall, ApiContext, day_of, queried, required
from kis.sim.api.paging import CONTINUED, NO_ROWS
from kis.sim.api.responses import SimResponse, business, flag

if TYPE_CHECKING:
    from datetime import date

    from kis.sim.exchange.prices import Issue

_DAYS_SHOWN = 24
_CURSOR = 20
_PRODUCT_CODE = 12
_FOUND = ("KIOK0530", "조회되었습니다")
_NAMES = ("prdt_name", "prdt_name120", "prdt_abrv_name")
_SECTOR_CODES = ("idx_bztp_lcls_cd", "idx_bztp_mcls_cd", "idx_bztp_scls_cd")
_SECTOR_NAMES = ("idx_bztp_lcls_cd_name", "idx_bztp_mcls_cd_name", "idx_bztp_scls_cd_name")


def holidays(broker: ApiContext, call: ApiCall) -> SimResponse:
    """국내휴장일조회: 24 calendar days from the requested day on."""
    (start,) = required(call, "BASS_DT")
    first = day_of(start, "BASS_DT")
    days = [first + timedelta(days=ahead) for ahead in range(_DAYS_SHOWN)]
    return SimResponse(
        {
            "ctx_area_nk": days[-1].strftime("%Y%m%d").ljust(_CURSOR),
            "ctx_area_fk": first.strftime("%Y%m%d").ljust(_CURSOR),
            "output": [_day(day) for day in days],
            **queried(broker, "KIOK0500", CONTINUED),
        }
    )


def _day(day: date) -> dict[str, str]:
    opens = krx.is_trading_day(day)
    return {
        "bass_dt": day.strftime("%Y%m%d"),
        "wday_dvsn_cd": f"{(day.weekday() + 1) % 7 + 1:02d}",
        "bzdy_yn": flag(opens),
        # Y even at weekends: securities firms do business, the exchange may be closed.
        "tr_day_yn": "Y",
        "opnd_yn": flag(opens),
        "sttl_day_yn": flag(opens),
    }


def _issue(broker: ApiContext, call: ApiCall) -> Issue:
    kind, code = required(call, "PRDT_TYPE_CD", "PDNO")
    issue = broker.exchange.issues.get(code.strip()[-6:])
    if kind != "300" or issue is None:
        raise business(*NO_ROWS, "7")
    return issue


def stock_info(broker: ApiContext, call: ApiCall) -> SimResponse:
    """주식기본조회: the fields clients read."""
    issue = _issue(broker, call)
    listing = issue.listing
    kospi = listing.market == "KOSPI"
    output = {
        "pdno": listing.code.rjust(_PRODUCT_CODE, "0"),
        "prdt_type_cd": "300",
        "mket_id_cd": "STK" if kospi else "KSQ",
        "scty_grp_id_cd": listing.group,
        "excg_dvsn_cd": "02" if kospi else "03",
        "setl_mmdd": "12",
        "lstg_stqt": str(issue.shares),
        "lstg_cptl_amt": "0",
        "cpta": str(issue.shares * 100),
        "papr": "100",
        "issu_pric": "0",
        "kospi200_item_yn": flag(kospi and not listing.etf),
        "scts_mket_lstg_dt": "20000104" if kospi else "",
        "scts_mket_lstg_abol_dt": "",
        "kosdaq_mket_lstg_dt": "" if kospi else "20000104",
        "kosdaq_mket_lstg_abol_dt": "",
        "lstg_abol_dt": "",
        "stck_kind_cd": "201" if listing.preferred else "101" if listing.group == "ST" else "000",
        "etf_dvsn_cd": "1" if listing.etf else "0",
        "std_pdno": listing.isin,
        **dict.fromkeys(_NAMES, listing.name),
        "prdt_eng_name": "",
        "tr_stop_yn": flag(issue.halted),
        "admn_item_yn": "N",
        "thdt_clpr": str(issue.last),
        "bfdy_clpr": str(issue.base),
        **dict.fromkeys((*_SECTOR_CODES, *_SECTOR_NAMES), ""),
        "cptt_trad_tr_psbl_yn": flag(not listing.etf),
        "nxt_tr_stop_yn": "N",
    }
    return SimResponse({"output": output, **queried(broker, *_FOUND)})


def product_info(broker: ApiContext, call: ApiCall) -> SimResponse:
    """상품기본조회: names of one symbol."""
    listing = _issue(broker, call).listing
    output = {
        "pdno": listing.code.rjust(_PRODUCT_CODE, "0"),
        "prdt_type_cd": "300",
        **dict.fromkeys(_NAMES, listing.name),
        **dict.fromkeys(("prdt_eng_name", "prdt_eng_name120", "prdt_eng_abrv_name"), ""),
        "std_pdno": listing.isin,
        "shtn_pdno": listing.code,
        **dict.fromkeys(("prdt_sale_stat_cd", "prdt_risk_grad_cd"), ""),
        "prdt_clsf_cd": "301" if listing.etf else "300",
        "prdt_clsf_name": "ETF" if listing.etf else "주권",
        **dict.fromkeys(("sale_strt_dt", "sale_end_dt", "wrap_asst_type_cd"), ""),
        **dict.fromkeys(("ivst_prdt_type_cd", "ivst_prdt_type_cd_name", "frst_erlm_dt"), ""),
    }
    return SimResponse({"output": output, **queried(broker, *_FOUND)})
