"""What KIS answers, as frozen values with English names.

Money is whole won, averages and rates are Decimal, rates are percent, times are KST. KIS's changes carry their sign.
"""

from kis.fields import MarketWarning as MarketWarning
from kis.fields import Model as Model
from kis.fields import OrderKind as OrderKind
from kis.fields import Side as Side
from kis.fields import StockStatus as StockStatus
from kis.models.account import Balance as Balance
from kis.models.account import BuyingPower as BuyingPower
from kis.models.account import DayProfit as DayProfit
from kis.models.account import Holding as Holding
from kis.models.account import PeriodProfit as PeriodProfit
from kis.models.account import Sellable as Sellable
from kis.models.charts import Bar as Bar
from kis.models.charts import DailyBars as DailyBars
from kis.models.charts import IndexBar as IndexBar
from kis.models.charts import IndexBars as IndexBars
from kis.models.charts import MinuteBar as MinuteBar
from kis.models.charts import MinuteBars as MinuteBars
from kis.models.orders import OpenOrder as OpenOrder
from kis.models.orders import OrderList as OrderList
from kis.models.orders import OrderReport as OrderReport
from kis.models.orders import PlacedOrder as PlacedOrder
from kis.models.orders import UnreadableRow as UnreadableRow
from kis.models.quotes import IndexQuote as IndexQuote
from kis.models.quotes import Level as Level
from kis.models.quotes import MarketDay as MarketDay
from kis.models.quotes import Mover as Mover
from kis.models.quotes import OrderBook as OrderBook
from kis.models.quotes import Quote as Quote
from kis.models.quotes import RankedStock as RankedStock
from kis.models.quotes import StockInfo as StockInfo
