"""A client of the KIS (한국투자증권) REST API for Korean stocks; it knows nothing of chats.

`KisClient` is for asyncio, `KisApi` for scripts that wait.
"""

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
