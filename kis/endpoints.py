"""The table of KIS calls: path, TR ids, lane and page rule of each.

`source` names the KIS portal's page; the TR ids of the current generation are those of the official repository
(open-trading-api, July 2026). The legacy generation is what the portal listed before: KIS may end it unannounced.
This module imports nothing of ours: the simulator shares it with the client.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum


class Env(StrEnum):
    """The real or the paper environment. Keys, hosts and accounts belong to exactly one."""

    REAL = "real"
    PAPER = "paper"


class Generation(StrEnum):
    """The set of TR ids that is sent; orders and order lists have a venue field only in the current one."""

    CURRENT = "current"
    LEGACY = "legacy"


class Lane(IntEnum):
    """Priority of a call waiting for the rate limit: the lower, the sooner.

    PRETRADE holds the reads behind a confirmed order, TICKET those behind a card that asks for confirmation.
    """

    CANCEL = 0
    ORDER = 1
    PRETRADE = 2
    FILLS = 3
    TICKET = 4
    QUOTE = 5
    REPORT = 6


@dataclass(frozen=True, slots=True)
class TrIds:
    """The `tr_id` of one call: None if the environment does not offer it, "" if it has none."""

    real: str | None
    paper: str | None
    legacy_real: str | None
    legacy_paper: str | None


@dataclass(frozen=True, slots=True)
class Paging:
    """Rows of a full page on real and paper (0: not documented)."""

    real: int
    paper: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call of the KIS REST API.

    Attributes:
        name: our name for it, in errors and logs.
        paging: the page rule, or None if there is only one page.
        writes: True if a call changes the account, and so must never be repeated on a guess.
        ledger: True for reads of the order ledger (원장), which KIS throttles separately (EGW00215).
        source: where the path and the ids are documented.
        alternative: what to use if an environment does not offer it.
    """

    name: str
    method: str
    path: str
    tr: TrIds
    lane: Lane
    paging: Paging | None = None
    writes: bool = False
    ledger: bool = False
    source: str = ""
    alternative: str = ""

    def tr_id(self, env: Env, generation: Generation) -> str | None:
        """The `tr_id` to send; None if the environment does not offer the call, "" if it has none."""
        if generation is Generation.LEGACY:
            return self.tr.legacy_real if env is Env.REAL else self.tr.legacy_paper
        return self.tr.real if env is Env.REAL else self.tr.paper

    def page_size(self, env: Env) -> int | None:
        """Rows of a full page, or None if the call has no pages."""
        if self.paging is None:
            return None
        return self.paging.real if env is Env.REAL else self.paging.paper


def _everywhere(tr_id: str) -> TrIds:
    return TrIds(tr_id, tr_id, tr_id, tr_id)


def _real_only(tr_id: str, legacy: str | None = None) -> TrIds:
    return TrIds(tr_id, None, legacy or tr_id, None)


_TRADING = "/uapi/domestic-stock/v1/trading/"


def _keys(name: str, path: str, lane: Lane, page: str) -> Endpoint:
    return Endpoint(name, "POST", path, _everywhere(""), lane, source=f"KIS portal, {page}")


def _write(name: str, path: str, tr: TrIds, lane: Lane, page: str) -> Endpoint:
    return Endpoint(name, "POST", _TRADING + path, tr, lane, writes=True, source=f"KIS portal, {page}")


def _ledger(
    name: str, path: str, tr: TrIds, lane: Lane, page: str, paging: Paging | None = None, alternative: str = ""
) -> Endpoint:
    source = f"KIS portal, {page}"
    return Endpoint(name, "GET", _TRADING + path, tr, lane, paging, ledger=True, source=source, alternative=alternative)


def _quotation(name: str, path: str, tr_id: str, lane: Lane, page: str, alternative: str = "") -> Endpoint:
    """A read of the market; one with an alternative is not offered on paper."""
    tr = _real_only(tr_id) if alternative else _everywhere(tr_id)
    path = f"/uapi/domestic-stock/v1/{path}"
    return Endpoint(name, "GET", path, tr, lane, source=f"KIS portal, {page}", alternative=alternative)


TOKEN = _keys("token", "/oauth2/tokenP", Lane.ORDER, "접근토큰발급(P)")
REVOKE = _keys("revoke", "/oauth2/revokeP", Lane.REPORT, "접근토큰폐기(P)")
APPROVAL = _keys("approval", "/oauth2/Approval", Lane.QUOTE, "실시간 접속키 발급")
HASHKEY = _keys("hashkey", "/uapi/hashkey", Lane.ORDER, "Hashkey")

# Only the TR id tells the side: 0012 (formerly 0802) buys, 0011 (0801) sells.
_BUY = TrIds("TTTC0012U", "VTTC0012U", "TTTC0802U", "VTTC0802U")
_SELL = TrIds("TTTC0011U", "VTTC0011U", "TTTC0801U", "VTTC0801U")
_REVISE_CANCEL = TrIds("TTTC0013U", "VTTC0013U", "TTTC0803U", "VTTC0803U")
BUY = _write("buy", "order-cash", _BUY, Lane.ORDER, "주식주문(현금)")
SELL = _write("sell", "order-cash", _SELL, Lane.ORDER, "주식주문(현금)")
REVISE_CANCEL = _write("revise_cancel", "order-rvsecncl", _REVISE_CANCEL, Lane.CANCEL, "주식주문(정정취소)")

_BALANCE = TrIds("TTTC8434R", "VTTC8434R", "TTTC8434R", "VTTC8434R")
_BUYING_POWER = TrIds("TTTC8908R", "VTTC8908R", "TTTC8908R", "VTTC8908R")
_EXECUTIONS = TrIds("TTTC0081R", "VTTC0081R", "TTTC8001R", "VTTC8001R")
BALANCE = _ledger("balance", "inquire-balance", _BALANCE, Lane.REPORT, "주식잔고조회", Paging(50, 20))
BUYING_POWER = _ledger("buying_power", "inquire-psbl-order", _BUYING_POWER, Lane.QUOTE, "매수가능조회")
EXECUTIONS = _ledger(
    "executions", "inquire-daily-ccld", _EXECUTIONS, Lane.FILLS, "주식일별주문체결조회 (3개월 이내)", Paging(100, 15)
)
EXECUTIONS_OLDER = replace(
    EXECUTIONS,
    name="executions_older",
    tr=TrIds("CTSC9215R", "VTSC9215R", "CTSC9115R", "VTSC9115R"),
    lane=Lane.REPORT,
    source="KIS portal, 주식일별주문체결조회 (3개월 이전)",
)
OPEN_ORDERS = _ledger(
    "open_orders",
    "inquire-psbl-rvsecncl",
    _real_only("TTTC0084R", "TTTC8036R"),
    Lane.FILLS,
    "주식정정취소가능주문조회",
    Paging(50, 50),
    "executions()",
)
SELLABLE = _ledger(
    "sellable",
    "inquire-psbl-sell",
    _real_only("TTTC8408R"),
    Lane.QUOTE,
    "매도가능수량조회",
    alternative="balance(), whose holdings bear `sellable`",
)
PERIOD_PROFIT = _ledger(
    "period_profit",
    "inquire-period-profit",
    _real_only("TTTC8708R"),
    Lane.REPORT,
    "기간별손익일별합산조회",
    Paging(0, 0),
    "executions() of the days, and balance() for what is held",
)

PRICE = _quotation("price", "quotations/inquire-price", "FHKST01010100", Lane.QUOTE, "주식현재가 시세")
ORDER_BOOK = _quotation(
    "order_book", "quotations/inquire-asking-price-exp-ccn", "FHKST01010200", Lane.QUOTE, "주식현재가 호가/예상체결"
)
DAILY_BARS = _quotation(
    "daily_bars", "quotations/inquire-daily-itemchartprice", "FHKST03010100", Lane.REPORT, "국내주식기간별시세"
)
MINUTE_BARS = _quotation(
    "minute_bars", "quotations/inquire-time-itemchartprice", "FHKST03010200", Lane.REPORT, "주식당일분봉조회"
)
_WATCHED = "price() of each symbol you watch"
VOLUME_RANK = _quotation("volume_rank", "quotations/volume-rank", "FHPST01710000", Lane.REPORT, "거래량순위", _WATCHED)
FLUCTUATION_RANK = _quotation(
    "fluctuation_rank", "ranking/fluctuation", "FHPST01700000", Lane.REPORT, "국내주식 등락률 순위", _WATCHED
)
# Some documents list FHKUP03500100 for this path; it belongs to inquire-daily-indexchartprice.
INDEX = _quotation(
    "index",
    "quotations/inquire-index-price",
    "FHPUP02100000",
    Lane.QUOTE,
    "국내업종 현재지수",
    'index_bars(), whose last bar is today, or price("069500"), an ETF that follows the KOSPI 200',
)
INDEX_BARS = _quotation(
    "index_bars", "quotations/inquire-daily-indexchartprice", "FHKUP03500100", Lane.QUOTE, "국내주식업종기간별시세"
)
HOLIDAYS = _quotation(
    "holidays",
    "quotations/chk-holiday",
    "CTCA0903R",
    Lane.REPORT,
    "국내휴장일조회",
    "kis.krx.is_trading_day(), from a calendar that comes with this package",
)
STOCK_INFO = _quotation(
    "stock_info",
    "quotations/search-stock-info",
    "CTPF1002R",
    Lane.REPORT,
    "주식기본조회",
    "kis.symbols, made from KIS's master files",
)

ENDPOINTS: tuple[Endpoint, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Endpoint))
