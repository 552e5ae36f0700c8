"""What KIS answers, as frozen values with English names.

Money is whole won, averages and rates are Decimal, rates are percent, times are KST. KIS's changes carry their sign.
"""

from kis.fields import MarketWarning, Model, OrderKind, Side, StockStatus
from kis.models.account import Balance, BuyingPower, DayProfit, Holding, PeriodProfit, Sellable
from kis.models.charts import Bar, DailyBars, IndexBar, IndexBars, MinuteBar, MinuteBars
from kis.models.orders import OpenOrder, OrderReport, PlacedOrder
from kis.models.quotes import IndexQuote, Level, MarketDay, Mover, OrderBook, Quote, RankedStock, StockInfo

__all__ = [
    "Balance",
    "Bar",
    "BuyingPower",
    "DailyBars",
    "DayProfit",
    "Holding",
    "IndexBar",
    "IndexBars",
    "IndexQuote",
    "Level",
    "MarketDay",
    "MarketWarning",
    "MinuteBar",
    "MinuteBars",
    "Model",
    "Mover",
    "OpenOrder",
    "OrderBook",
    "OrderKind",
    "OrderReport",
    "PeriodProfit",
    "PlacedOrder",
    "Quote",
    "RankedStock",
    "Sellable",
    "Side",
    "StockInfo",
    "StockStatus",
]
