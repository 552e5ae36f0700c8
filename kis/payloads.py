"""Query parameters and bodies of every call: all keys, all values as text, validated before anything is sent.

KIS refuses a body that lacks a key it documents as optional (IGW00007, measured 2026-08), so unused keys are sent
blank. Only the current generation of TR ids has the venue key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeGuard

from kis import endpoints as api
from kis.endpoints import Endpoint, Env, Generation
from kis.errors import BadRequest
from kis.fields import OrderKind, Side, padded

if TYPE_CHECKING:
    from datetime import date, time

    from kis.config import KisConfig

Params = dict[str, str]

_CODE = re.compile(r"[0-9A-Z]{6,7}")
_INDEX = re.compile(r"[0-9]{4}")
_ORDER_NO = re.compile(r"[0-9]{1,10}")
_BRANCH = re.compile(r"[0-9]{0,5}")
_VENUE = re.compile(r"[A-Z]{3}")
_PERIODS = frozenset("DWMY")
# The exchange's codes: "00" is limit and "01" market; some older documents say otherwise.
_ORDER_TYPES = {OrderKind.LIMIT: "00", OrderKind.MARKET: "01"}
_SIDES = {None: "00", Side.SELL: "01", Side.BUY: "02"}
_BALANCE = {
    "AFHR_FLPR_YN": "N",
    "OFL_YN": "",
    "INQR_DVSN": "02",
    "UNPR_DVSN": "01",
    "FUND_STTL_ICLD_YN": "N",
    "FNCG_AMT_AUTO_RDPT_YN": "N",
    "PRCS_DVSN": "00",
}
# Oldest first: an order that arrives between two pages lengthens the last page and shifts none.
_EXECUTIONS = {"ORD_GNO_BRNO": "", "CCLD_DVSN": "00", "INQR_DVSN": "01", "INQR_DVSN_1": "", "INQR_DVSN_3": "00"}
_PERIOD_PROFIT = {"SORT_DVSN": "01", "INQR_DVSN": "00", "CBLC_DVSN": "00"}  # oldest first
_BUYING_POWER = {"CMA_EVLU_AMT_ICLD_YN": "N", "OVRS_ICLD_YN": "N"}
_VOLUME_RANK = {
    "FID_COND_MRKT_DIV_CODE": "J",
    "FID_COND_SCR_DIV_CODE": "20171",
    "FID_INPUT_ISCD": "0000",
    "FID_DIV_CLS_CODE": "0",
    "FID_BLNG_CLS_CODE": "0",
    "FID_TRGT_CLS_CODE": "111111111",
    "FID_TRGT_EXLS_CLS_CODE": "0000000000",
    **dict.fromkeys(("FID_INPUT_PRICE_1", "FID_INPUT_PRICE_2", "FID_VOL_CNT", "FID_INPUT_DATE_1"), ""),
}
# Only this call takes lower-case names. Changes are measured from the last close ("1").
_FLUCTUATION_RANK = {
    "fid_cond_mrkt_div_code": "J",
    "fid_cond_scr_div_code": "20170",
    "fid_input_iscd": "0000",
    "fid_input_cnt_1": "0",
    "fid_prc_cls_code": "1",
    "fid_input_price_1": "",
    "fid_input_price_2": "",
    "fid_vol_cnt": "",
    "fid_trgt_cls_code": "0",
    "fid_trgt_exls_cls_code": "0",
    "fid_div_cls_code": "0",
    "fid_rsfl_rate1": "",
    "fid_rsfl_rate2": "",
}
_MAX_RANKED = 30
_MAX_BARS = 10_000
_STOCK = "300"  # KIS's product type of listed stocks, ETFs, ETNs and ELWs


class Payloads:
    """The parameters and bodies of one account; every method raises `BadRequest` for arguments KIS cannot take."""

    def __init__(self, config: KisConfig) -> None:
        self._env = config.env
        self._account = {"CANO": config.cano, "ACNT_PRDT_CD": config.product}
        self._has_venue_key = config.generation is Generation.CURRENT

    def stock(self, endpoint: Endpoint, code: str) -> Params:
        """One stock on KRX."""
        return {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": self._code(endpoint, code)}

    def daily_bars(self, code: str, start: date, end: date, period: str, *, adjusted: bool) -> Params:
        """Bars between two days, both included."""
        span = self._span(api.DAILY_BARS, start, end, period)
        return self.stock(api.DAILY_BARS, code) | span | {"FID_ORG_ADJ_PRC": "0" if adjusted else "1"}

    def bar_count(self, count: int) -> int:
        """`count`, if so many bars may be requested."""
        known = _is_int(count) and 1 <= count <= _MAX_BARS
        self._require(api.DAILY_BARS, known, f"the count is not between 1 and {_MAX_BARS:,}")
        return count

    def minute_bars(self, code: str, until: time) -> Params:
        """Bars of today up to a time; the blank key is required."""
        return {
            "FID_ETC_CLS_CODE": "",
            **self.stock(api.MINUTE_BARS, code),
            "FID_INPUT_HOUR_1": f"{until:%H%M%S}",
            "FID_PW_DATA_INCU_YN": "N",
        }

    def volume_rank(self) -> Params:
        """The ranking of all stocks by shares traded."""
        return _VOLUME_RANK

    def fluctuation_rank(self, *, falling: bool) -> Params:
        """The ranking of all stocks by change, highest first or lowest first."""
        return _FLUCTUATION_RANK | {"fid_rank_sort_cls_code": "1" if falling else "0"}

    def rank_count(self, endpoint: Endpoint, count: int) -> int:
        """`count`, if so many lines of a ranking may be requested."""
        known = _is_int(count) and 0 <= count <= _MAX_RANKED
        self._require(endpoint, known, f"the count is not between 0 and {_MAX_RANKED}, which is all that KIS ranks")
        return count

    def index(self, code: str, endpoint: Endpoint = api.INDEX) -> Params:
        """One index."""
        known = isinstance(code, str) and _INDEX.fullmatch(code) is not None
        self._require(endpoint, known, "an index code is four digits")
        return {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": code}

    def index_bars(self, code: str, start: date, end: date, period: str) -> Params:
        """Bars of an index between two days."""
        span = self._span(api.INDEX_BARS, start, end, period)
        return self.index(code, api.INDEX_BARS) | span

    def holidays(self, start: date) -> Params:
        """The calendar from a day on; a later start is used instead of KIS's cursor."""
        return {"BASS_DT": f"{start:%Y%m%d}", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}

    def stock_info(self, code: str) -> Params:
        """Master data of one stock."""
        return {"PRDT_TYPE_CD": _STOCK, "PDNO": self._code(api.STOCK_INFO, code)}

    def balance(self) -> Params:
        """All holdings, one row per stock."""
        return self._account | _BALANCE

    def buying_power(self, code: str, price: int | None, kind: OrderKind) -> Params:
        """What can be bought of one stock."""
        unit = self._unit_price(api.BUYING_POWER, kind, price)
        return self._account | {
            "PDNO": self._code(api.BUYING_POWER, code),
            "ORD_UNPR": "" if price is None else unit,
            "ORD_DVSN": _ORDER_TYPES[kind],
            **_BUYING_POWER,
        }

    def available_cash(self) -> Params:
        """Without a stock and a price KIS answers with amounts alone."""
        no_stock = {"PDNO": "", "ORD_UNPR": "", "ORD_DVSN": _ORDER_TYPES[OrderKind.MARKET]}
        return self._account | no_stock | _BUYING_POWER

    def sellable(self, code: str) -> Params:
        """What can be sold of one stock."""
        return self._account | {"PDNO": self._code(api.SELLABLE, code)}

    def period_profit(self, first: date, last: date, code: str) -> Params:
        """Realised profit, day by day."""
        days = self._days(api.PERIOD_PROFIT, first, last)
        return self._account | days | {"PDNO": self._code(api.PERIOD_PROFIT, code) if code else ""} | _PERIOD_PROFIT

    def executions(self, first: date, last: date, code: str, order_no: str, side: Side | None) -> Params:
        """The order list of some days, on all venues the environment has."""
        endpoint = api.EXECUTIONS
        days = self._days(endpoint, first, last)
        self._require(endpoint, not order_no or _is_order_no(order_no), "that is no order number")
        return (
            self._account
            | days
            | {"SLL_BUY_DVSN_CD": _SIDES[side], "PDNO": self._code(endpoint, code) if code else ""}
            | {"ODNO": padded(order_no)}
            | _EXECUTIONS
            | self._venue("ALL" if self._env is Env.REAL else "KRX")
        )

    def open_orders(self) -> Params:
        """All orders that can be revised or cancelled."""
        return self._account | {"INQR_DVSN_1": "0", "INQR_DVSN_2": "0"}

    def order(self, endpoint: Endpoint, code: str, quantity: int, price: int | None, kind: OrderKind) -> Params:
        """An order; its side is the endpoint's."""
        unit = self._unit_price(endpoint, kind, price)
        return (
            self._account
            | {"PDNO": self._code(endpoint, code), "ORD_DVSN": _ORDER_TYPES[kind]}
            | {"ORD_QTY": self._quantity(endpoint, quantity), "ORD_UNPR": unit}
            | self._venue("KRX")
            | {"SLL_TYPE": "", "CNDT_PRIC": ""}
        )

    def cancellation(self, order_no: str, branch: str, quantity: int | None, kind: OrderKind, venue: str) -> Params:
        """A cancel of an order, or of some of its shares."""
        return self._change("02", order_no, branch, quantity, "0", kind, venue)

    def revision(
        self, order_no: str, branch: str, quantity: int | None, price: int | None, kind: OrderKind, venue: str
    ) -> Params:
        """A revision of price, type or quantity."""
        unit = self._unit_price(api.REVISE_CANCEL, kind, price)
        return self._change("01", order_no, branch, quantity, unit, kind, venue)

    def _change(
        self, action: str, order_no: str, branch: str, quantity: int | None, unit: str, kind: OrderKind, venue: str
    ) -> Params:
        endpoint = api.REVISE_CANCEL
        self._require(endpoint, _is_order_no(order_no), "that is no order number")
        self._require(endpoint, _BRANCH.fullmatch(branch) is not None, "that is no branch number")
        self._require(endpoint, _VENUE.fullmatch(venue) is not None, "that is no venue")
        self._require(endpoint, kind in _ORDER_TYPES, "the order is neither limit nor market")
        return (
            self._account
            | {"KRX_FWDG_ORD_ORGNO": branch, "ORGN_ODNO": padded(order_no), "ORD_DVSN": _ORDER_TYPES[kind]}
            | {"RVSE_CNCL_DVSN_CD": action}
            | {"ORD_QTY": "0" if quantity is None else self._quantity(endpoint, quantity)}
            | {"ORD_UNPR": unit, "QTY_ALL_ORD_YN": "Y" if quantity is None else "N", "CNDT_PRIC": ""}
            | self._venue(venue)
        )

    def _span(self, endpoint: Endpoint, start: date, end: date, period: str) -> Params:
        self._require_days(endpoint, start, end)
        self._require(endpoint, period in _PERIODS, "the period is none of D, W, M, Y")
        days = {"FID_INPUT_DATE_1": f"{start:%Y%m%d}", "FID_INPUT_DATE_2": f"{end:%Y%m%d}"}
        return days | {"FID_PERIOD_DIV_CODE": period}

    def _days(self, endpoint: Endpoint, first: date, last: date) -> Params:
        self._require_days(endpoint, first, last)
        return {"INQR_STRT_DT": f"{first:%Y%m%d}", "INQR_END_DT": f"{last:%Y%m%d}"}

    def _require_days(self, endpoint: Endpoint, first: date, last: date) -> None:
        self._require(endpoint, first <= last, "the first day is after the last")

    def _venue(self, venue: str) -> Params:
        return {"EXCG_ID_DVSN_CD": venue} if self._has_venue_key else {}

    def _code(self, endpoint: Endpoint, code: str) -> str:
        known = isinstance(code, str) and _CODE.fullmatch(code) is not None
        self._require(endpoint, known, "that is no stock code")
        return code

    def _quantity(self, endpoint: Endpoint, quantity: int) -> str:
        self._require(endpoint, _is_int(quantity) and quantity > 0, "the quantity is no number of shares")
        return str(quantity)

    def _unit_price(self, endpoint: Endpoint, kind: OrderKind, price: int | None) -> str:
        self._require(endpoint, kind in _ORDER_TYPES, "the order is neither limit nor market")
        if kind is OrderKind.MARKET:
            self._require(endpoint, price is None, "a market order bears no price")
            return "0"
        self._require(endpoint, _is_int(price) and price > 0, "a limit order bears a price in whole won")
        return str(price)

    def _require(self, endpoint: Endpoint, met: bool, message: str) -> None:
        if not met:
            raise BadRequest(message, endpoint=endpoint.name, env=self._env.value)


def _is_order_no(text: str) -> bool:
    return isinstance(text, str) and _ORDER_NO.fullmatch(text) is not None and bool(padded(text))


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
