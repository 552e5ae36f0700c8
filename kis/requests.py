"""What each question and each order looks like on the wire: every key, all values text, checked beforehand.

KIS refuses a body that lacks a key it documents as optional (IGW00007, measured 2026-08), so that unused keys go
blank rather than missing. The venue key belongs to the current generation of TR ids alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kis import endpoints as api
from kis.endpoints import Endpoint, Env, Generation
from kis.errors import BadRequest
from kis.fields import OrderKind, Side, padded

if TYPE_CHECKING:
    from datetime import date

    from kis.config import KisConfig

Params = dict[str, str]

_CODE = re.compile(r"[0-9A-Z]{6,7}")
_INDEX = re.compile(r"\d{4}")
_ORDER_NO = re.compile(r"\d{1,10}")
_BRANCH = re.compile(r"\d{0,5}")
_VENUE = re.compile(r"[A-Z]{3}")
_PERIODS = frozenset("DWMY")
# The exchange's own codes: "00" is limit and "01" market, whatever older documents say.
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
# Oldest first: an order that arrives between two pages then lengthens the last page and shifts none.
_EXECUTIONS = {
    "ORD_GNO_BRNO": "",
    "CCLD_DVSN": "00",
    "INQR_DVSN": "01",
    "INQR_DVSN_1": "",
    "INQR_DVSN_3": "00",
}
_VOLUME_RANK = {
    "FID_COND_MRKT_DIV_CODE": "J",
    "FID_COND_SCR_DIV_CODE": "20171",
    "FID_INPUT_ISCD": "0000",
    "FID_DIV_CLS_CODE": "0",
    "FID_BLNG_CLS_CODE": "0",
    "FID_TRGT_CLS_CODE": "111111111",
    "FID_TRGT_EXLS_CLS_CODE": "0000000000",
    "FID_INPUT_PRICE_1": "",
    "FID_INPUT_PRICE_2": "",
    "FID_VOL_CNT": "",
    "FID_INPUT_DATE_1": "",
}


class Requests:
    """Writes the parameters and bodies of one account; raises `BadRequest` for what KIS could not take."""

    def __init__(self, config: KisConfig) -> None:
        self._env = config.env
        self._account = {"CANO": config.cano, "ACNT_PRDT_CD": config.product}
        self._bears_venue = config.generation is Generation.CURRENT

    def stock(self, endpoint: Endpoint, code: str) -> Params:
        """A question about one stock of the exchange."""
        return {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": self._code(endpoint, code)}

    def daily_bars(self, code: str, start: date, end: date, period: str, *, adjusted: bool) -> Params:
        """Bars between two days."""
        self._require(api.DAILY_BARS, start <= end, "the first day is after the last")
        self._require(api.DAILY_BARS, period in _PERIODS, "the period is none of D, W, M, Y")
        return self.stock(api.DAILY_BARS, code) | {
            "FID_INPUT_DATE_1": _yyyymmdd(start),
            "FID_INPUT_DATE_2": _yyyymmdd(end),
            "FID_PERIOD_DIV_CODE": period,
            "FID_ORG_ADJ_PRC": "0" if adjusted else "1",
        }

    def volume_rank(self) -> Params:
        """The ranking of all stocks by shares traded."""
        return _VOLUME_RANK

    def index(self, code: str) -> Params:
        """The level of one index."""
        self._require(api.INDEX, _INDEX.fullmatch(code) is not None, "an index code is four digits")
        return {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": code}

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
            "CMA_EVLU_AMT_ICLD_YN": "N",
            "OVRS_ICLD_YN": "N",
        }

    def executions(self, first: date, last: date, code: str, order_no: str, side: Side | None) -> Params:
        """The order list of some days, on the widest venue the environment knows."""
        endpoint = api.EXECUTIONS
        self._require(endpoint, first <= last, "the first day is after the last")
        self._require(endpoint, not order_no or _is_order_no(order_no), "that is no order number")
        return (
            self._account
            | {"INQR_STRT_DT": _yyyymmdd(first), "INQR_END_DT": _yyyymmdd(last)}
            | {"SLL_BUY_DVSN_CD": _SIDES[side], "PDNO": self._code(endpoint, code) if code else ""}
            | {"ODNO": padded(order_no)}
            | _EXECUTIONS
            | self._venue("ALL" if self._env is Env.REAL else "KRX")
        )

    def open_orders(self) -> Params:
        """All orders that can be changed, by order."""
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
        """The end of an order, or of some of its shares."""
        return self._change("02", order_no, branch, quantity, "0", kind, venue)

    def revision(
        self,
        order_no: str,
        branch: str,
        quantity: int | None,
        price: int | None,
        kind: OrderKind,
        venue: str,
    ) -> Params:
        """Another price, type or quantity for an order."""
        unit = self._unit_price(api.REVISE_CANCEL, kind, price)
        return self._change("01", order_no, branch, quantity, unit, kind, venue)

    def _change(
        self,
        what: str,
        order_no: str,
        branch: str,
        quantity: int | None,
        unit: str,
        kind: OrderKind,
        venue: str,
    ) -> Params:
        endpoint = api.REVISE_CANCEL
        self._require(endpoint, _is_order_no(order_no), "that is no order number")
        self._require(endpoint, _BRANCH.fullmatch(branch) is not None, "that is no branch number")
        self._require(endpoint, _VENUE.fullmatch(venue) is not None, "that is no venue")
        self._require(endpoint, kind in _ORDER_TYPES, "the order is neither limit nor market")
        return (
            self._account
            | {"KRX_FWDG_ORD_ORGNO": branch, "ORGN_ODNO": padded(order_no), "ORD_DVSN": _ORDER_TYPES[kind]}
            | {"RVSE_CNCL_DVSN_CD": what}
            | {"ORD_QTY": "0" if quantity is None else self._quantity(endpoint, quantity)}
            | {"ORD_UNPR": unit, "QTY_ALL_ORD_YN": "Y" if quantity is None else "N", "CNDT_PRIC": ""}
            | self._venue(venue)
        )

    def _venue(self, venue: str) -> Params:
        return {"EXCG_ID_DVSN_CD": venue} if self._bears_venue else {}

    def _code(self, endpoint: Endpoint, code: str) -> str:
        self._require(endpoint, _CODE.fullmatch(code) is not None, "that is no stock code")
        return code

    def _quantity(self, endpoint: Endpoint, quantity: int) -> str:
        whole = isinstance(quantity, int) and not isinstance(quantity, bool) and quantity > 0
        self._require(endpoint, whole, "the quantity is no number of shares")
        return str(quantity)

    def _unit_price(self, endpoint: Endpoint, kind: OrderKind, price: int | None) -> str:
        self._require(endpoint, kind in _ORDER_TYPES, "the order is neither limit nor market")
        if kind is OrderKind.MARKET:
            self._require(endpoint, price is None, "a market order bears no price")
            return "0"
        whole = isinstance(price, int) and not isinstance(price, bool) and price > 0
        self._require(endpoint, whole, "a limit order bears a price in whole won")
        return str(price)

    def _require(self, endpoint: Endpoint, met: bool, words: str) -> None:
        if not met:
            raise BadRequest(words, endpoint=endpoint.name, env=self._env.value)


def _is_order_no(text: str) -> bool:
    return _ORDER_NO.fullmatch(text) is not None and bool(padded(text))


def _yyyymmdd(day: date) -> str:
    return f"{day:%Y%m%d}"
