"""A client of the KIS (한국투자증권) REST API for Korean stocks; it knows nothing of chats.

`KisClient` is for asyncio, `KisApi` for scripts that wait. A name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `as` marks a name as public
    from kis.blocking import KisApi as KisApi
    from kis.blocking import OrderType as OrderType
    from kis.client import KisClient as KisClient
    from kis.config import KisConfig as KisConfig
    from kis.config import config_from_env as config_from_env
    from kis.config import kst_now as kst_now
    from kis.endpoints import Env as Env
    from kis.endpoints import Generation as Generation
    from kis.errors import Advice as Advice
    from kis.errors import BadAnswer as BadAnswer
    from kis.errors import BadRequest as BadRequest
    from kis.errors import KisError as KisError
    from kis.errors import Misconfigured as Misconfigured
    from kis.errors import NotSent as NotSent
    from kis.errors import Refused as Refused
    from kis.errors import Throttled as Throttled
    from kis.errors import TokenRejected as TokenRejected
    from kis.errors import Unavailable as Unavailable
    from kis.errors import Unknown as Unknown
    from kis.errors import Unsupported as Unsupported
    from kis.executions import ExecutionsPoll as ExecutionsPoll
    from kis.models import Balance as Balance
    from kis.models import Bar as Bar
    from kis.models import BuyingPower as BuyingPower
    from kis.models import DailyBars as DailyBars
    from kis.models import DayProfit as DayProfit
    from kis.models import Holding as Holding
    from kis.models import IndexBar as IndexBar
    from kis.models import IndexBars as IndexBars
    from kis.models import IndexQuote as IndexQuote
    from kis.models import Level as Level
    from kis.models import MarketDay as MarketDay
    from kis.models import MarketWarning as MarketWarning
    from kis.models import MinuteBar as MinuteBar
    from kis.models import MinuteBars as MinuteBars
    from kis.models import Mover as Mover
    from kis.models import OpenOrder as OpenOrder
    from kis.models import OrderBook as OrderBook
    from kis.models import OrderKind as OrderKind
    from kis.models import OrderReport as OrderReport
    from kis.models import PeriodProfit as PeriodProfit
    from kis.models import PlacedOrder as PlacedOrder
    from kis.models import Quote as Quote
    from kis.models import RankedStock as RankedStock
    from kis.models import Sellable as Sellable
    from kis.models import Side as Side
    from kis.models import StockInfo as StockInfo
    from kis.models import StockStatus as StockStatus
    from kis.outcome import Outcome as Outcome
    from kis.receipts import Receipt as Receipt
    from kis.receipts import Written as Written
    from kis.records import to_records as to_records
    from kis.symbols import Stock as Stock
    from kis.symbols import Symbols as Symbols

_MODULE_OF = {
    name: module
    for module, names in {
        "kis.blocking": "KisApi OrderType",
        "kis.client": "KisClient",
        "kis.config": "KisConfig config_from_env kst_now",
        "kis.endpoints": "Env Generation",
        "kis.errors": "Advice BadAnswer BadRequest KisError Misconfigured NotSent Refused Throttled TokenRejected "
        "Unavailable Unknown Unsupported",
        "kis.executions": "ExecutionsPoll",
        "kis.models": "Balance Bar BuyingPower DailyBars DayProfit Holding IndexBar IndexBars IndexQuote Level "
        "MarketDay MarketWarning MinuteBar MinuteBars Mover OpenOrder OrderBook OrderKind OrderList OrderReport "
        "PeriodProfit PlacedOrder Quote RankedStock Sellable Side StockInfo StockStatus UnreadableRow",
        "kis.outcome": "Outcome",
        "kis.receipts": "Receipt Written",
        "kis.records": "to_records",
        "kis.symbols": "Stock Symbols",
    }.items()
    for name in names.split()
}
__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> object:
    """A public name, from its module (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
