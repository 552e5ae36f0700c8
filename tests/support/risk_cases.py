"""Examples of what the rules say: refused, just not refused, asked twice, noted. Each case is a code and its order."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from bot.orders.model.order import OrderRequest
from bot.orders.risk.checks import Facts, Limits
from bot.orders.risk.day_totals import DayTotals
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import KST
from kis.models import MarketWarning, OrderKind, Quote, Side, StockStatus

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
QUOTE = Quote(
    code="005930", price=71_000, change=0, change_rate=Decimal(0), volume=1_000_000, value=1, open=71_000,
    high=71_000, low=71_000, upper_limit=92_300, lower_limit=49_700, base_price=71_000, tick=100,
    market_name="KOSPI200", status=StockStatus.ORDINARY, warning=MarketWarning.NONE, halted=False, vi=False, at=NOW,
)  # fmt: skip
FACTS = Facts(quote=QUOTE, open_now=True, next_open=None, buyable=10**9, sellable=10**6)
BUY = OrderRequest(Side.BUY, "005930", "Samsung", etf=False, quantity=10, kind=OrderKind.LIMIT, price=71_000)
MARKET_BUY = replace(BUY, kind=OrderKind.MARKET, price=None)
SELL = replace(BUY, side=Side.SELL)
MARKET_SELL = replace(MARKET_BUY, side=Side.SELL)
FUND = replace(BUY, etf=True, name="KODEX 200")
LIMITS = Limits()
ANY_SIZE = Limits(max_quantity=10**6, max_value=10**12, day_value_user=10**12, day_value_account=10**12)
"""Where size is not the matter."""


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def quoted(facts: Facts = FACTS, **fields: object) -> Facts:
    return replace(facts, quote=facts.quote.model_copy(update=fields))


def past(**fields: object) -> Facts:
    return replace(FACTS, day_totals=DayTotals(**fields))  # type: ignore[arg-type]  # a test names the fields it means


Case = tuple[str, OrderRequest, Facts, Limits]


def case(code: str, ask: OrderRequest = BUY, facts: Facts = FACTS, limits: Limits = LIMITS) -> Case:
    return code, ask, facts, limits


REFUSED = [
    case("TRADING_HALTED", facts=replace(FACTS, halt_level=HaltLevel.NEW, halt_why="TWO_UNKNOWN")),
    case("TRADING_HALTED", SELL, replace(FACTS, halt_level=HaltLevel.NEW)),
    case("TRADING_HALTED", SELL, replace(FACTS, halt_level=HaltLevel.FREEZE, halt_why="BY_PERSON")),
    case("BUYS_HALTED", facts=replace(FACTS, halt_level=HaltLevel.BUYS, halt_why="UNCLEAN_STOP")),
    case("RECOVERING", SELL, replace(FACTS, recovering=True)),
    case("LIST_STALE", SELL, replace(FACTS, conflict="LIST_STALE")),
    case("CLOCK", facts=replace(FACTS, offset=10.01)),
    case("CLOCK", facts=replace(FACTS, offset=-10.01)),
    case("CLOCK", facts=replace(FACTS, offset=float("nan"))),
    case("SESSION_CLOSED", facts=replace(FACTS, open_now=False, next_open=NOW)),
    case("SESSION_CLOSED", facts=replace(FACTS, open_now=False, edge=True, next_open=NOW)),
    case("SESSION_EDGE", facts=replace(FACTS, edge=True)),
    case("SYMBOL_HALTED", facts=quoted(halted=True)),
    case("SYMBOL_RESTRICTED", facts=quoted(status=StockStatus.MANAGED)),
    case("SYMBOL_RESTRICTED", facts=quoted(status=StockStatus.RISK)),
    case("SYMBOL_RESTRICTED", facts=quoted(status=StockStatus.WARNING)),
    case("SYMBOL_RESTRICTED", facts=quoted(warning=MarketWarning.WARNING)),
    case("SYMBOL_RESTRICTED", facts=quoted(warning=MarketWarning.RISK)),
    case("SYMBOL_RESTRICTED", facts=quoted(market_name="ELW")),
    case("SYMBOL_RESTRICTED", facts=quoted(market_name="ETN")),
    case("SYMBOL_RESTRICTED", replace(BUY, code="Q500001")),
    case("SYMBOL_RESTRICTED", replace(FUND, name="KODEX 레버리지")),
    case("SYMBOL_RESTRICTED", replace(FUND, name="KODEX 200선물인버스2X")),
    case("VI_ACTIVE", MARKET_BUY, quoted(vi=True)),
    case("VI_ACTIVE", MARKET_SELL, quoted(vi=True)),
    case("VI_ACTIVE", BUY, quoted(vi=True)),
    case("VI_ACTIVE", SELL, quoted(vi=True)),
    case("UNKNOWN_OPEN", SELL, replace(FACTS, symbol_in_doubt=True)),
    case("FACTS_MISSING", facts=quoted(price=0)),
    case("FACTS_MISSING", facts=quoted(upper_limit=0)),
    case("FACTS_MISSING", facts=quoted(lower_limit=0)),
    case("FACTS_MISSING", BUY, replace(FACTS, buyable=None)),
    case("FACTS_MISSING", SELL, replace(FACTS, sellable=None)),
    case("QUANTITY_ZERO", replace(BUY, quantity=0)),
    case("QTY_MAX", replace(BUY, quantity=1_001)),
    case("VOLUME_SHARE", replace(BUY, quantity=15), quoted(volume=1_499)),
    case("VOLUME_SHARE", replace(BUY, quantity=15), quoted(volume=0)),
    case("ORDER_VALUE_MAX", replace(BUY, quantity=71)),
    case("ORDER_VALUE_MAX", replace(MARKET_BUY, quantity=55)),
    case("DAY_VALUE_USER", facts=past(user_value=9_290_001)),
    case("DAY_VALUE_ACCOUNT", SELL, past(account_value=29_290_001)),
    case("DAY_ORDERS_USER", facts=past(user_orders=20)),
    case("RATE_USER", SELL, past(user_last_minute=5)),
    case("COOL_OFF", facts=past(rejects=3, rejected_at=ago(minutes=5, seconds=-1))),
    case("MARKET_ORDER_OFF", MARKET_BUY, limits=replace(LIMITS, market_orders=False)),
    case("PRICE_LIMIT", replace(BUY, price=92_400)),
    case("PRICE_LIMIT", replace(BUY, price=49_600)),
    case("TICK", replace(BUY, price=71_050)),
    case("COLLAR", replace(BUY, price=74_600)),
    case("COLLAR", replace(SELL, price=67_400)),
    case("COLLAR", MARKET_BUY, replace(FACTS, expected=74_551)),
    case("CASH", facts=replace(FACTS, buyable=710_099)),
    case("CASH", facts=replace(FACTS, buyable=800_000, reserved_won=89_901)),
    case("SELLABLE", SELL, replace(FACTS, sellable=9)),
    case("SELLABLE", SELL, replace(FACTS, sellable=14, reserved_shares=5)),
]  # fmt: skip
JUST_TAKEN = [
    case("brake on buys", SELL, replace(FACTS, halt_level=HaltLevel.BUYS)),
    case("clock", facts=replace(FACTS, offset=-10)),
    case("held restricted stock", SELL, quoted(status=StockStatus.MANAGED)),
    case("restricted allowed", facts=quoted(status=StockStatus.RISK), limits=replace(LIMITS, restricted=True)),
    case("lesser marks", facts=quoted(status=StockStatus.CAUTION, warning=MarketWarning.CAUTION)),
    case("short-term heat", facts=quoted(status=StockStatus.OVERHEATED)),
    case("a plain fund", FUND),
    case("the word in a stock's name", replace(BUY, name="인버스제약")),
    case("waiting buy in a VI", replace(BUY, price=70_900), quoted(vi=True)),
    case("waiting sell in a VI", replace(SELL, price=71_100), quoted(vi=True)),
    case("quantity", replace(BUY, quantity=1_000), limits=replace(ANY_SIZE, max_quantity=1_000)),
    case("volume", replace(BUY, quantity=15), quoted(volume=1_500)),
    case("small order in a new day", replace(BUY, quantity=14), quoted(volume=0)),
    case("value", replace(BUY, quantity=70)),
    case("value to the won", replace(BUY, quantity=100, price=50_000), quoted(price=50_000)),
    case("value of a market buy", replace(MARKET_BUY, quantity=54)),
    case("value of a market sell", replace(MARKET_SELL, quantity=70)),
    case("day of a person", facts=past(user_value=9_290_000)),
    case("day of the account", facts=past(account_value=29_290_000)),
    case("orders of a day", facts=past(user_orders=19)),
    case("orders without end", facts=past(user_orders=10**6), limits=replace(LIMITS, day_orders_user=0)),
    case("rate", facts=past(user_last_minute=4)),
    case("rate off", facts=past(user_last_minute=10**6), limits=replace(LIMITS, orders_per_minute=0)),
    case("rested", facts=past(rejects=3, rejected_at=ago(minutes=5))),
    case("two rejects", facts=past(rejects=2, rejected_at=NOW)),
    case("no cool-off", facts=past(rejects=9, rejected_at=NOW), limits=replace(LIMITS, cool_off_rejects=0)),
    case("lower limit", replace(BUY, price=49_700)),
    case("upper limit for a sell", replace(SELL, price=92_300)),
    case("collar of a buy", replace(BUY, price=74_500)),
    case("collar of a sell", replace(SELL, price=67_500)),
    case("collar of a market buy", MARKET_BUY, replace(FACTS, expected=74_550)),
    case("exactly five percent", replace(BUY, price=52_500), quoted(price=50_000)),
    case("cash", facts=replace(FACTS, buyable=710_100)),
    case("cash beside a doubt", facts=replace(FACTS, buyable=800_000, reserved_won=89_900)),
    case("shares", SELL, replace(FACTS, sellable=15, reserved_shares=5)),
    case("the other side's means", SELL, replace(FACTS, buyable=None)),
]  # fmt: skip
ASKED_TWICE = [
    case("SOFT_VALUE", replace(BUY, quantity=15)),
    case("COLLAR_CONFIRM", replace(BUY, price=51_500), quoted(price=50_000)),
    case("COLLAR_CONFIRM", replace(SELL, price=67_500)),
    case("COLLAR_CONFIRM", MARKET_BUY, replace(FACTS, expected=73_130)),
    case("DUP_EXACT", facts=past(identical_at=ago(minutes=10), near_at=ago(seconds=1))),
    case("DUP_EXACT", facts=past(identical_at=ago(seconds=-1))),
]
NOTED = [
    case("COLLAR_NOTE", replace(BUY, price=51_000), quoted(price=50_000)),
    case("COLLAR_NOTE", replace(SELL, price=69_100)),
    case("COLLAR_NOTE", replace(BUY, price=67_400)),
    case("COLLAR_NOTE", replace(SELL, price=74_600)),
    case("DUP_NEAR", facts=past(near_at=ago(seconds=30))),
    case("DUP_NEAR", facts=past(near_at=ago(seconds=-1), identical_at=ago(minutes=10, seconds=1))),
    case("CLOCK_WARN", facts=replace(FACTS, offset=-3.1)),
]
UNREMARKABLE = [
    case("plain"),
    case("below the soft value", replace(BUY, quantity=14)),
    case("exactly the soft value", replace(BUY, quantity=20, price=50_000), quoted(price=50_000)),
    case("waiting exactly five percent away", replace(BUY, price=47_500), quoted(price=50_000)),
    case("just below two percent", replace(BUY, price=72_400)),
    case("waiting within five percent", replace(BUY, price=67_500)),
    case("ordered before", facts=past(identical_at=ago(minutes=10, seconds=1), near_at=ago(seconds=31))),
    case("clock", facts=replace(FACTS, offset=3.0)),
    case("nothing known of the market", facts=quoted(price=0)),
]
