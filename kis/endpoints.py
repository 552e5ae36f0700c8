"""The table of KIS calls: path, TR ids, lane and page rule of each.

`source` names the KIS portal's page; the TR ids of the current generation are those of the official repository
(open-trading-api, July 2026). The legacy generation is what the portal listed before: KIS may end it unannounced.
This module imports nothing of ours: the simulator shares it with the client.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """Priority of a call waiting for the rate limit: the lower, the sooner."""

    CANCEL = 0
    ORDER = 1
    FILLS = 2
    QUOTE = 3
    REPORT = 4


@dataclass(frozen=True, slots=True)
class TrIds:
    """The `tr_id` of one call: None if the environment does not offer it, "" if it has none."""

    real: str | None
    paper: str | None
    legacy_real: str | None
    legacy_paper: str | None


@dataclass(frozen=True, slots=True)
class Paging:
    """Rows of a full page on real and paper (0: not documented), and the width of the cursor in characters."""

    real: int
    paper: int
    width: int = 100


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call of the KIS REST API.

    Attributes:
        name: our name for it, in errors and logs.
        method: HTTP method.
        path: path below the REST host.
        tr: TR ids by environment and generation.
        lane: its priority at the rate limit.
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
_QUOTATIONS = "/uapi/domestic-stock/v1/quotations/"
_RANKING = "/uapi/domestic-stock/v1/ranking/"

TOKEN = Endpoint("token", "POST", "/oauth2/tokenP", _everywhere(""), Lane.ORDER, source="KIS portal, 접근토큰발급(P)")
REVOKE = Endpoint(
    "revoke",
    "POST",
    "/oauth2/revokeP",
    _everywhere(""),
    Lane.REPORT,
    source="KIS portal, 접근토큰폐기(P)",
)
APPROVAL = Endpoint(
    "approval",
    "POST",
    "/oauth2/Approval",
    _everywhere(""),
    Lane.QUOTE,
    source="KIS portal, 실시간 접속키 발급",
)
HASHKEY = Endpoint("hashkey", "POST", "/uapi/hashkey", _everywhere(""), Lane.ORDER, source="KIS portal, Hashkey")

# Only the TR id tells the side: 0012 (formerly 0802) buys, 0011 (0801) sells.
BUY = Endpoint(
    "buy",
    "POST",
    _TRADING + "order-cash",
    TrIds("TTTC0012U", "VTTC0012U", "TTTC0802U", "VTTC0802U"),
    Lane.ORDER,
    writes=True,
    source="KIS portal, 주식주문(현금)",
)
SELL = Endpoint(
    "sell",
    "POST",
    _TRADING + "order-cash",
    TrIds("TTTC0011U", "VTTC0011U", "TTTC0801U", "VTTC0801U"),
    Lane.ORDER,
    writes=True,
    source="KIS portal, 주식주문(현금)",
)
REVISE_CANCEL = Endpoint(
    "revise_cancel",
    "POST",
    _TRADING + "order-rvsecncl",
    TrIds("TTTC0013U", "VTTC0013U", "TTTC0803U", "VTTC0803U"),
    Lane.CANCEL,
    writes=True,
    source="KIS portal, 주식주문(정정취소)",
)
BALANCE = Endpoint(
    "balance",
    "GET",
    _TRADING + "inquire-balance",
    TrIds("TTTC8434R", "VTTC8434R", "TTTC8434R", "VTTC8434R"),
    Lane.REPORT,
    Paging(50, 20),
    ledger=True,
    source="KIS portal, 주식잔고조회",
)
BUYING_POWER = Endpoint(
    "buying_power",
    "GET",
    _TRADING + "inquire-psbl-order",
    TrIds("TTTC8908R", "VTTC8908R", "TTTC8908R", "VTTC8908R"),
    Lane.QUOTE,
    ledger=True,
    source="KIS portal, 매수가능조회",
)
EXECUTIONS = Endpoint(
    "executions",
    "GET",
    _TRADING + "inquire-daily-ccld",
    TrIds("TTTC0081R", "VTTC0081R", "TTTC8001R", "VTTC8001R"),
    Lane.FILLS,
    Paging(100, 15),
    ledger=True,
    source="KIS portal, 주식일별주문체결조회 (3개월 이내)",
)
EXECUTIONS_OLDER = Endpoint(
    "executions_older",
    "GET",
    _TRADING + "inquire-daily-ccld",
    TrIds("CTSC9215R", "VTSC9215R", "CTSC9115R", "VTSC9115R"),
    Lane.REPORT,
    Paging(100, 15),
    ledger=True,
    source="KIS portal, 주식일별주문체결조회 (3개월 이전)",
)
OPEN_ORDERS = Endpoint(
    "open_orders",
    "GET",
    _TRADING + "inquire-psbl-rvsecncl",
    _real_only("TTTC0084R", "TTTC8036R"),
    Lane.FILLS,
    Paging(50, 50),
    ledger=True,
    source="KIS portal, 주식정정취소가능주문조회",
    alternative="executions()",
)
SELLABLE = Endpoint(
    "sellable",
    "GET",
    _TRADING + "inquire-psbl-sell",
    _real_only("TTTC8408R"),
    Lane.QUOTE,
    ledger=True,
    source="KIS portal, 매도가능수량조회",
    alternative="balance(), whose holdings bear `sellable`",
)
PERIOD_PROFIT = Endpoint(
    "period_profit",
    "GET",
    _TRADING + "inquire-period-profit",
    _real_only("TTTC8708R"),
    Lane.REPORT,
    Paging(0, 0),
    ledger=True,
    source="KIS portal, 기간별손익일별합산조회",
    alternative="executions() of the days, and balance() for what is held",
)
PRICE = Endpoint(
    "price",
    "GET",
    _QUOTATIONS + "inquire-price",
    _everywhere("FHKST01010100"),
    Lane.QUOTE,
    source="KIS portal, 주식현재가 시세",
)
ORDER_BOOK = Endpoint(
    "order_book",
    "GET",
    _QUOTATIONS + "inquire-asking-price-exp-ccn",
    _everywhere("FHKST01010200"),
    Lane.QUOTE,
    source="KIS portal, 주식현재가 호가/예상체결",
)
DAILY_BARS = Endpoint(
    "daily_bars",
    "GET",
    _QUOTATIONS + "inquire-daily-itemchartprice",
    _everywhere("FHKST03010100"),
    Lane.REPORT,
    source="KIS portal, 국내주식기간별시세",
)
MINUTE_BARS = Endpoint(
    "minute_bars",
    "GET",
    _QUOTATIONS + "inquire-time-itemchartprice",
    _everywhere("FHKST03010200"),
    Lane.REPORT,
    source="KIS portal, 주식당일분봉조회",
)
VOLUME_RANK = Endpoint(
    "volume_rank",
    "GET",
    _QUOTATIONS + "volume-rank",
    _real_only("FHPST01710000"),
    Lane.REPORT,
    source="KIS portal, 거래량순위",
    alternative="price() of each symbol you watch",
)
FLUCTUATION_RANK = Endpoint(
    "fluctuation_rank",
    "GET",
    _RANKING + "fluctuation",
    _real_only("FHPST01700000"),
    Lane.REPORT,
    source="KIS portal, 국내주식 등락률 순위",
    alternative="price() of each symbol you watch",
)
# Some documents list FHKUP03500100 for this path; it belongs to inquire-daily-indexchartprice.
INDEX = Endpoint(
    "index",
    "GET",
    _QUOTATIONS + "inquire-index-price",
    _real_only("FHPUP02100000"),
    Lane.QUOTE,
    source="KIS portal, 국내업종 현재지수",
    alternative='index_bars(), whose last bar is today, or price("069500"), an ETF that follows the KOSPI 200',
)
INDEX_BARS = Endpoint(
    "index_bars",
    "GET",
    _QUOTATIONS + "inquire-daily-indexchartprice",
    _everywhere("FHKUP03500100"),
    Lane.QUOTE,
    source="KIS portal, 국내주식업종기간별시세",
)
HOLIDAYS = Endpoint(
    "holidays",
    "GET",
    _QUOTATIONS + "chk-holiday",
    _real_only("CTCA0903R"),
    Lane.REPORT,
    source="KIS portal, 국내휴장일조회",
    alternative="kis.krx.is_trading_day(), from a calendar that comes with this package",
)
STOCK_INFO = Endpoint(
    "stock_info",
    "GET",
    _QUOTATIONS + "search-stock-info",
    _real_only("CTPF1002R"),
    Lane.REPORT,
    source="KIS portal, 주식기본조회",
    alternative="kis.symbols, made from KIS's master files",
)

ENDPOINTS: tuple[Endpoint, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Endpoint))
