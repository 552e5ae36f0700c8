"""Pre-trade checks: made for the ticket and again before an order is sent. Pure: facts in, reasons out.

`check` gives refusals, `cautions` what needs a second, different tap, `notes` what the ticket only mentions. What could
not be read is a refusal too. A reason is a code and the values of its sentence, which `chat/i18n/catalogue.py` has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from itertools import islice
from math import ceil

from bot.orders.model.order import OrderRequest
from bot.orders.model.reason import Reason
from bot.orders.risk.day_totals import DayTotals
from bot.orders.risk.trading_halt import HaltLevel
from kis.krx import sell_tax_rate, tick_neighbours
from kis.models import MarketWarning, OrderKind, Quote, Side, StockStatus


@dataclass(frozen=True)
class Limits:
    """Our own limits, from the settings: won, shares, and percents as percents."""

    max_quantity: int = 1_000
    soft_value: int = 1_000_000
    """An order above it needs a second tap."""
    max_value: int = 5_000_000
    day_value_user: int = 10_000_000
    day_value_account: int = 30_000_000
    day_orders_user: int = 20
    """0: any number."""
    orders_per_minute: int = 5
    """Of one person; 0: any number."""
    volume_percent: Decimal = Decimal(1)
    """Of today's volume that one order may be; checked only above `soft_value`, as every day begins without volume."""
    requote_percent: Decimal = Decimal(1)
    collar_note: Decimal = Decimal(2)
    collar_confirm: Decimal = Decimal(3)
    collar_deny: Decimal = Decimal(5)
    market_orders: bool = True
    restricted: bool = False
    """Whether stocks under an exchange warning, leveraged and inverse ETFs, ETNs and ELWs may be bought."""
    auctions: bool = False
    """Whether orders are sent during the opening and the closing auction."""
    duplicate_minutes: int = 10
    """How long the same order again needs a second tap; 0: never."""
    near_seconds: float = 30
    cool_off_rejects: int = 3
    """This many rejections by the broker in a row make the person wait; 0: never."""
    cool_off_minutes: int = 5
    quote_seconds_send: float = 3
    clock_warn: float = 3.0
    clock_stop: float = 10.0
    fee_percent: Decimal = Decimal("0.0142")
    ticket_seconds: float = 60.0


@dataclass(frozen=True)
class Facts:
    """What was read: of the account `buyable` (won, without credit) for a buy, `sellable` (shares) for a sell."""

    quote: Quote
    open_now: bool
    next_open: datetime | None
    edge: bool = False
    """Whether the session is about to change, or just has."""
    expected: int | None = None
    """The average price a market order would find in the order book, won."""
    buyable: int | None = None
    sellable: int | None = None
    reserved_won: int = 0
    """Won that our orders in doubt may have taken."""
    reserved_shares: int = 0
    """Shares of this stock that our orders in doubt may have taken."""
    symbol_in_doubt: bool = False
    halt_level: HaltLevel = HaltLevel.OFF
    halt_why: str = ""
    """The code of why trading is halted."""
    recovering: bool = False
    conflict: str = ""
    """The code of why nothing new may go out for the moment, or empty."""
    offset: float = 0.0
    """KIS's clock minus ours, seconds."""
    day_totals: DayTotals = field(default_factory=DayTotals)


@dataclass(frozen=True)
class Estimate:
    """What the order would cost or bring, in won; commission differs by account."""

    unit: int
    reserve_unit: int
    fee: int
    tax: int
    cash_after: int | None
    sellable_after: int | None


def commission(amount: int, percent: Decimal) -> int:
    """Commission on an amount in won, rounded down as brokers do."""
    return int((Decimal(amount) * percent / 100).to_integral_value(ROUND_DOWN))


def estimate(request: OrderRequest, facts: Facts, limits: Limits, now: datetime) -> Estimate:
    """Price a market order at what the book promises, else at the last price; a market buy reserves the upper limit."""
    unit = _unit(request, facts)
    reserve = _reserve(request, facts)
    amount = unit * request.quantity
    tax = 0
    if request.side is Side.SELL:
        tax = int(amount * sell_tax_rate(now.date(), etf=request.etf))
    set_aside = reserve * request.quantity
    set_aside += commission(set_aside, limits.fee_percent)
    cash, shares = _cash(facts), _shares(facts)
    return Estimate(
        unit=unit,
        reserve_unit=reserve,
        fee=commission(amount, limits.fee_percent),
        tax=tax,
        cash_after=None if cash is None else cash - set_aside,
        sellable_after=None if shares is None else shares - request.quantity,
    )


def check(
    request: OrderRequest, facts: Facts, limits: Limits, now: datetime, *, quote_seconds: float | None = None
) -> list[Reason]:
    """Every refusal of the order, those a person cannot mend first; of its size only the first, and of its price.

    `quote_seconds`: how old the quote may be; None for a ticket.
    """
    return [
        *_state(request, facts, limits),
        *_session(facts),
        *_symbol(request, facts, limits),
        *([] if _readable(facts.quote) else [Reason("FACTS_MISSING", {"what": "QUOTE"})]),
        *islice(_size(request, facts, limits), 1),
        *_pace(facts, limits, now),
        *islice(_price(request, facts, limits), 1),
        *_stale(facts, now, quote_seconds),
        *_means(request, facts, limits, now),
    ]


def cautions(request: OrderRequest, facts: Facts, limits: Limits, now: datetime) -> list[Reason]:
    """What is unusual enough to be confirmed by a second, different tap."""
    found = []
    value = _reserve(request, facts) * request.quantity
    if value > limits.soft_value:
        found.append(Reason("SOFT_VALUE", {"value": value, "max": limits.soft_value}))
    away = _against_us(request, facts)
    if away is not None and away >= limits.collar_confirm:
        found.append(Reason("COLLAR_CONFIRM", _collar(request, facts, away)))
    if _doubled(facts, limits, now):
        found.append(Reason("DUP_EXACT", {"name": request.name, "at": facts.day_totals.identical_at}))
    return found


def notes(request: OrderRequest, facts: Facts, limits: Limits, now: datetime) -> list[Reason]:
    """What the ticket says beside its figures and `cautions`."""
    found = []
    away = _against_us(request, facts)
    if away is not None and (limits.collar_note <= away < limits.collar_confirm or -away > limits.collar_deny):
        found.append(Reason("COLLAR_NOTE", _collar(request, facts, away)))
    last = facts.day_totals.near_at
    if last is not None and not _doubled(facts, limits, now):
        ago = (now - last).total_seconds()
        if ago <= limits.near_seconds:
            found.append(Reason("DUP_NEAR", {"name": request.name, "seconds": max(0, round(ago))}))
    if limits.clock_warn < abs(facts.offset):
        found.append(Reason("CLOCK_WARN", {"offset": f"{facts.offset:+.1f}"}))
    return found


def moved(then: int, now: int, percent: Decimal) -> bool:
    """Whether the price moved by more than so many percent since the ticket was shown."""
    return then > 0 and abs(now - then) * 100 > percent * then


# --- figures ----------------------------------------------------------------------------------------------------------


def _unit(request: OrderRequest, facts: Facts) -> int:
    return request.price if request.price is not None else facts.expected or facts.quote.price


def _reserve(request: OrderRequest, facts: Facts) -> int:
    market_buy = request.side is Side.BUY and (request.kind is OrderKind.MARKET or request.price is None)
    return facts.quote.upper_limit if market_buy else _unit(request, facts)


def _cash(facts: Facts) -> int | None:
    return None if facts.buyable is None else facts.buyable - facts.reserved_won


def _shares(facts: Facts) -> int | None:
    return None if facts.sellable is None else facts.sellable - facts.reserved_shares


def _against_us(request: OrderRequest, facts: Facts) -> Decimal | None:
    """Percent by which a buy pays more, or a sell takes less, than the last price; negative for a patient price."""
    last = facts.quote.price
    if last <= 0:
        return None
    worse = _unit(request, facts) - last if request.side is Side.BUY else last - _unit(request, facts)
    return Decimal(worse) * 100 / last


def _collar(request: OrderRequest, facts: Facts, away: Decimal) -> dict[str, object]:
    return {"price": _unit(request, facts), "last": facts.quote.price, "percent": f"{abs(away):.1f}"}


def _doubled(facts: Facts, limits: Limits, now: datetime) -> bool:
    again = facts.day_totals.identical_at
    within = timedelta(minutes=limits.duplicate_minutes)
    return bool(limits.duplicate_minutes) and again is not None and now - again <= within


def _readable(quote: Quote) -> bool:
    return min(quote.price, quote.upper_limit, quote.lower_limit) > 0


# --- refusals, in the order of `check` -----------------------------------------------------------------------------


def _state(request: OrderRequest, facts: Facts, limits: Limits) -> Iterator[Reason]:
    if facts.halt_level >= HaltLevel.NEW:
        yield Reason("TRADING_HALTED", {"why": facts.halt_why})
    elif facts.halt_level is HaltLevel.BUYS and request.side is Side.BUY:
        yield Reason("BUYS_HALTED", {"why": facts.halt_why})
    if facts.recovering:
        yield Reason("RECOVERING")
    if facts.conflict:
        yield Reason(facts.conflict)
    if not abs(facts.offset) <= limits.clock_stop:  # so that no number is refused as well
        yield Reason("CLOCK", {"offset": f"{facts.offset:+.1f}", "max": f"{limits.clock_stop:g}"})


def _session(facts: Facts) -> Iterator[Reason]:
    if not facts.open_now:
        yield Reason("SESSION_CLOSED", {"next_open": facts.next_open})
    elif facts.edge:
        yield Reason("SESSION_EDGE")


_GEARED = ("레버리지", "인버스", "LEVERAGE", "INVERSE", "2X", "3X")
"""What is in the name of a fund that multiplies or inverts its index; KIS's quote has no field for it."""
_STATUSES = {StockStatus.MANAGED: "MANAGED", StockStatus.RISK: "RISK", StockStatus.WARNING: "WARNING"}
_WARNINGS = {MarketWarning.RISK: "RISK", MarketWarning.WARNING: "WARNING"}


def _symbol(request: OrderRequest, facts: Facts, limits: Limits) -> Iterator[Reason]:
    quote = facts.quote
    if quote.halted:
        yield Reason("SYMBOL_HALTED", {"name": request.name})
    what = _restriction(request, quote)
    if what and request.side is Side.BUY and not limits.restricted:  # who holds one must be able to leave
        yield Reason("SYMBOL_RESTRICTED", {"name": request.name, "what": what})
    crossing = request.price is None or (
        request.price >= quote.price if request.side is Side.BUY else request.price <= quote.price
    )
    if quote.vi and crossing:
        yield Reason("VI_ACTIVE", {"name": request.name})
    if facts.symbol_in_doubt:
        yield Reason("UNKNOWN_OPEN", {"name": request.name})


def _restriction(request: OrderRequest, quote: Quote) -> str:
    """Which kind of stock that takes experience it is, or empty."""
    name, market = request.name.upper(), quote.market_name.upper()
    if "ELW" in market:
        return "ELW"
    if request.code.startswith("Q") or "ETN" in market or (request.etf and "ETN" in name):
        return "ETN"
    if request.etf and any(word in name for word in _GEARED):
        return "GEARED"
    return _STATUSES.get(quote.status) or _WARNINGS.get(quote.warning, "")


def _size(request: OrderRequest, facts: Facts, limits: Limits) -> Iterator[Reason]:
    if request.quantity < 1:
        yield Reason("QUANTITY_ZERO")
    if request.quantity > limits.max_quantity:
        yield Reason("QTY_MAX", {"max": limits.max_quantity})
    each = max(1, _reserve(request, facts))
    value = each * request.quantity
    most = int(limits.volume_percent * facts.quote.volume / 100)
    if value > limits.soft_value and request.quantity > most:
        yield Reason("VOLUME_SHARE", {"name": request.name, "percent": f"{limits.volume_percent:f}", "max": most})
    if value > limits.max_value:
        yield Reason("ORDER_VALUE_MAX", {"value": value, "max": limits.max_value, "fits": limits.max_value // each})
    for code, used, most in (
        ("DAY_VALUE_USER", facts.day_totals.user_value, limits.day_value_user),
        ("DAY_VALUE_ACCOUNT", facts.day_totals.account_value, limits.day_value_account),
    ):
        if used + value > most:
            fits = max(0, most - used) // each
            yield Reason(code, {"value": value, "used": used, "max": most, "fits": fits})


def _pace(facts: Facts, limits: Limits, now: datetime) -> Iterator[Reason]:
    day = facts.day_totals
    if 0 < limits.day_orders_user <= day.user_orders:
        yield Reason("DAY_ORDERS_USER", {"max": limits.day_orders_user})
    if 0 < limits.orders_per_minute <= day.user_last_minute:
        yield Reason("RATE_USER", {"max": limits.orders_per_minute})
    if 0 < limits.cool_off_rejects <= day.rejects and day.rejected_at is not None:
        left = day.rejected_at + timedelta(minutes=limits.cool_off_minutes) - now
        if left > timedelta():
            yield Reason("COOL_OFF", {"rejects": day.rejects, "minutes": ceil(left / timedelta(minutes=1))})


def _price(request: OrderRequest, facts: Facts, limits: Limits) -> Iterator[Reason]:
    if request.price is None and not limits.market_orders:
        yield Reason("MARKET_ORDER_OFF")
    quote = facts.quote
    if not _readable(quote):
        return
    if request.price is not None:
        if not quote.lower_limit <= request.price <= quote.upper_limit:
            yield Reason("PRICE_LIMIT", {"low": quote.lower_limit, "high": quote.upper_limit})
            return  # a price so far off may not even have neighbours
        below, above = tick_neighbours(request.price, etf=request.etf)
        if request.price not in (below, above):
            nearest = below if request.price - below <= above - request.price else above
            yield Reason("TICK", {"below": below, "above": above, "nearest": nearest})
    away = _against_us(request, facts)
    if away is not None and away > limits.collar_deny:
        yield Reason("COLLAR", {**_collar(request, facts, away), "max": f"{limits.collar_deny:f}"})


def _stale(facts: Facts, now: datetime, most: float | None) -> Iterator[Reason]:
    """A quote from the future is as good as an old one: a clock has jumped."""
    age = abs((now - facts.quote.at).total_seconds())
    if most is not None and age > most:
        yield Reason("QUOTE_STALE", {"age": round(age), "max": f"{most:g}"})


def _means(request: OrderRequest, facts: Facts, limits: Limits, now: datetime) -> Iterator[Reason]:
    figures = estimate(request, facts, limits, now)
    if request.side is Side.BUY:
        cash = _cash(facts)
        if cash is None or figures.cash_after is None:
            yield Reason("FACTS_MISSING", {"what": "BUYABLE"})
        elif figures.cash_after < 0:
            per_share = Decimal(figures.reserve_unit) * (100 + limits.fee_percent) / 100
            fits = int(max(0, cash) / per_share) if per_share else 0
            yield Reason("CASH", {"need": cash - figures.cash_after, "have": max(0, cash), "fits": fits})
    elif figures.sellable_after is None:
        yield Reason("FACTS_MISSING", {"what": "SELLABLE"})
    elif figures.sellable_after < 0:
        yield Reason("SELLABLE", {"have": max(0, _shares(facts) or 0), "name": request.name})
