"""A client of the KIS (한국투자증권) REST API for Korean stocks; it knows nothing of chats.

`KisClient` is for asyncio, `KisApi` for scripts that wait. A name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kis.blocking import KisApi, OrderType
    from kis.client import KisClient
    from kis.config import KisConfig, config_from_env, kst_now
    from kis.endpoints import Env, Generation
    from kis.errors import (
        Advice,
        BadAnswer,
        BadRequest,
        KisError,
        Misconfigured,
        NotSent,
        Refused,
        Throttled,
        TokenRejected,
        Unavailable,
        Unknown,
        Unsupported,
    )
    from kis.executions import ExecutionsPoll
    from kis.models import (
        Balance,
        Bar,
        BuyingPower,
        DailyBars,
        Holding,
        IndexQuote,
        Level,
        MarketWarning,
        OpenOrder,
        OrderBook,
        OrderKind,
        OrderReport,
        PlacedOrder,
        Quote,
        RankedStock,
        Side,
        StockStatus,
    )
    from kis.models.account import DayProfit, PeriodProfit, Sellable
    from kis.models.charts import IndexBar, IndexBars, MinuteBar, MinuteBars
    from kis.models.listings import MarketDay, Mover, StockInfo
    from kis.outcome import Outcome
    from kis.receipts import Receipt, Written
    from kis.records import to_records
    from kis.symbols import Stock, Symbols

__all__ = [
    "Advice",
    "BadAnswer",
    "BadRequest",
    "Balance",
    "Bar",
    "BuyingPower",
    "DailyBars",
    "DayProfit",
    "Env",
    "ExecutionsPoll",
    "Generation",
    "Holding",
    "IndexBar",
    "IndexBars",
    "IndexQuote",
    "KisApi",
    "KisClient",
    "KisConfig",
    "KisError",
    "Level",
    "MarketDay",
    "MarketWarning",
    "MinuteBar",
    "MinuteBars",
    "Misconfigured",
    "Mover",
    "NotSent",
    "OpenOrder",
    "OrderBook",
    "OrderKind",
    "OrderReport",
    "OrderType",
    "Outcome",
    "PeriodProfit",
    "PlacedOrder",
    "Quote",
    "RankedStock",
    "Receipt",
    "Refused",
    "Sellable",
    "Side",
    "Stock",
    "StockInfo",
    "StockStatus",
    "Symbols",
    "Throttled",
    "TokenRejected",
    "Unavailable",
    "Unknown",
    "Unsupported",
    "Written",
    "config_from_env",
    "kst_now",
    "to_records",
]

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
        "kis.models": "Balance Bar BuyingPower DailyBars Holding IndexQuote Level MarketWarning OpenOrder OrderBook "
        "OrderKind OrderReport PlacedOrder Quote RankedStock Side StockStatus",
        "kis.models.charts": "IndexBar IndexBars MinuteBar MinuteBars",
        "kis.models.listings": "MarketDay Mover StockInfo",
        "kis.models.account": "DayProfit PeriodProfit Sellable",
        "kis.outcome": "Outcome",
        "kis.receipts": "Receipt Written",
        "kis.records": "to_records",
        "kis.symbols": "Stock Symbols",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> object:
    """A public name, from its module (PEP 562)."""
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
