"""Checks made before an order is shown, again at the tap, and again before it is sent. Pure: facts in, reasons out.

A reason has a stable code and the values a sentence needs; `chat/text.py` has the sentence. An input that could not be
read is a reason too: nothing is sent on a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from bot.orders.model import OrderRequest
from kis.krx import sell_tax_rate, tick_neighbours
from kis.models import OrderKind, Quote, Side


@dataclass(frozen=True)
class Reason:
    """Why an order may not go out."""

    code: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """The house's own limits, from the settings. Won and shares; percents as percents."""

    max_quantity: int = 1_000
    max_value: int = 5_000_000
    requote_percent: Decimal = Decimal(1)
    fee_percent: Decimal = Decimal("0.0142")
    ticket_seconds: int = 60


@dataclass(frozen=True)
class Facts:
    """What was read about the market and the account, and when.

    Of `buyable` and `sellable` only the one for the order's side is read: won without margin debt, and shares.
    """

    quote: Quote
    open_now: bool
    next_open: datetime | None
    buyable: int | None = None
    sellable: int | None = None
    symbol_in_doubt: bool = False
    held: str = ""
    """Why trading is held as a whole, or empty."""


@dataclass(frozen=True)
class Estimate:
    """What the order would cost or bring, in won: an estimate, because commission differs by account."""

    unit: int
    reserve_unit: int
    fee: int
    tax: int
    cash_after: int | None
    sellable_after: int | None


def commission(amount: int, percent: Decimal) -> int:
    """Commission on an amount in won, rounded down as brokers do."""
    return int((Decimal(amount) * percent / 100).to_integral_value(ROUND_DOWN))


def estimate(ask: OrderRequest, facts: Facts, limits: Limits, now: datetime) -> Estimate:
    """Price an order from what was read.

    A market buy is priced at the market but set aside at the upper limit price, as KIS does, so that the cash
    shown afterwards is the cash that will really be free.
    """
    unit = ask.price if ask.price is not None else facts.quote.price
    market_buy = ask.side is Side.BUY and ask.kind is OrderKind.MARKET
    reserve = facts.quote.upper_limit if market_buy else unit
    amount = unit * ask.quantity
    tax = 0
    if ask.side is Side.SELL:
        tax = int(amount * sell_tax_rate(now.date(), etf=ask.etf))
    set_aside = reserve * ask.quantity
    set_aside += commission(set_aside, limits.fee_percent)
    return Estimate(
        unit=unit,
        reserve_unit=reserve,
        fee=commission(amount, limits.fee_percent),
        tax=tax,
        cash_after=None if facts.buyable is None else facts.buyable - set_aside,
        sellable_after=None if facts.sellable is None else facts.sellable - ask.quantity,
    )


def check(ask: OrderRequest, facts: Facts, limits: Limits, now: datetime) -> list[Reason]:
    """Every reason against the order, the ones a person cannot mend first."""
    found: list[Reason] = []
    if facts.held:
        found.append(Reason("TRADING_HALTED", {"why": facts.held}))
    if not facts.open_now:
        found.append(Reason("SESSION_CLOSED", {"next_open": facts.next_open}))
    if facts.quote.halted:
        found.append(Reason("SYMBOL_HALTED", {"name": ask.name}))
    if facts.symbol_in_doubt:
        found.append(Reason("UNKNOWN_OPEN", {"name": ask.name}))
    return found + _size(ask, facts, limits) + _price(ask, facts) + _means(ask, facts, limits, now)


def moved(then: int, now: int, percent: Decimal) -> bool:
    """Whether the market moved further than the person was told while the ticket stood there."""
    return then > 0 and abs(now - then) * 100 > percent * then


def _size(ask: OrderRequest, facts: Facts, limits: Limits) -> list[Reason]:
    if ask.quantity > limits.max_quantity:
        return [Reason("QTY_MAX", {"max": limits.max_quantity})]
    worst = facts.quote.upper_limit if ask.price is None and ask.side is Side.BUY else (ask.price or facts.quote.price)
    value = worst * ask.quantity
    if value > limits.max_value:
        return [
            Reason(
                "ORDER_VALUE_MAX",
                {"value": value, "max": limits.max_value, "fits": limits.max_value // worst},
            )
        ]
    return []


def _price(ask: OrderRequest, facts: Facts) -> list[Reason]:
    if ask.price is None:
        return []
    low, high = facts.quote.lower_limit, facts.quote.upper_limit
    if not low <= ask.price <= high:
        return [Reason("PRICE_LIMIT", {"low": low, "high": high})]
    below, above = tick_neighbours(ask.price, etf=ask.etf)
    if ask.price not in (below, above):
        nearest = below if ask.price - below <= above - ask.price else above
        return [Reason("TICK", {"below": below, "above": above, "nearest": nearest})]
    return []


def _means(ask: OrderRequest, facts: Facts, limits: Limits, now: datetime) -> list[Reason]:
    figures = estimate(ask, facts, limits, now)
    if ask.side is Side.BUY:
        if figures.cash_after is not None and figures.cash_after < 0:
            assert facts.buyable is not None  # noqa: S101  # cash_after is made from it
            per_share = Decimal(figures.reserve_unit) * (100 + limits.fee_percent) / 100
            fits = int(facts.buyable / per_share) if per_share else 0
            return [Reason("CASH", {"need": facts.buyable - figures.cash_after, "have": facts.buyable, "fits": fits})]
    elif figures.sellable_after is not None and figures.sellable_after < 0:
        return [Reason("SELLABLE", {"have": facts.sellable, "name": ask.name})]
    return []
