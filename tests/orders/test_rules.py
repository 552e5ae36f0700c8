"""Checks before an order: each reason has its code, its values, and an edge where it begins."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.model import OrderRequest
from bot.orders.rules import Facts, Limits, check, commission, estimate, moved
from kis.krx import KST
from kis.models import MarketWarning, OrderKind, Quote, Side, StockStatus

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
QUOTE = Quote(
    code="005930", price=71_000, change=0, change_rate=Decimal(0), volume=1, value=1, open=71_000, high=71_000,
    low=71_000, upper_limit=92_300, lower_limit=49_700, base_price=71_000, tick=100, market_name="KOSPI200",
    status=StockStatus.ORDINARY, warning=MarketWarning.NONE, halted=False, vi=False, at=NOW,
)  # fmt: skip
FACTS = Facts(quote=QUOTE, open_now=True, next_open=None, buyable=10_000_000, sellable=None)
BUY = OrderRequest(Side.BUY, "005930", "삼성전자", etf=False, quantity=10, kind=OrderKind.LIMIT, price=71_000)
MARKET_BUY = replace(BUY, kind=OrderKind.MARKET, price=None)
SELL = replace(BUY, side=Side.SELL)
SELL_FACTS = replace(FACTS, buyable=None, sellable=10)
LIMITS = Limits()


def codes(ask: OrderRequest, facts: Facts = FACTS, limits: Limits = LIMITS) -> list[str]:
    return [one.code for one in check(ask, facts, limits, NOW)]


def test_a_plain_order_has_nothing_against_it():
    assert codes(BUY) == codes(MARKET_BUY) == codes(SELL, SELL_FACTS) == []


@pytest.mark.parametrize(
    ("ask", "facts", "code"),
    [
        (BUY, replace(FACTS, open_now=False, next_open=NOW), "SESSION_CLOSED"),
        (BUY, replace(FACTS, held="TELEGRAM_CONFLICT"), "TRADING_HALTED"),
        (BUY, replace(FACTS, symbol_in_doubt=True), "UNKNOWN_OPEN"),
        (BUY, replace(FACTS, quote=QUOTE.model_copy(update={"halted": True})), "SYMBOL_HALTED"),
        (replace(BUY, quantity=1_001, price=50_000), replace(FACTS, buyable=10**9), "QTY_MAX"),
        (replace(BUY, quantity=71), replace(FACTS, buyable=10**9), "ORDER_VALUE_MAX"),
        (replace(BUY, price=71_050), FACTS, "TICK"),
        (replace(BUY, price=92_400), FACTS, "PRICE_LIMIT"),
        (replace(BUY, price=49_600), FACTS, "PRICE_LIMIT"),
        (BUY, replace(FACTS, buyable=710_099), "CASH"),
        (replace(SELL, quantity=11), SELL_FACTS, "SELLABLE"),
    ],
)
def test_each_reason_stands_alone(ask, facts, code):
    assert codes(ask, facts) == [code]


def test_an_off_tick_price_is_answered_with_its_neighbours():
    (reason,) = check(replace(BUY, price=71_030), FACTS, LIMITS, NOW)

    assert reason.values == {"below": 71_000, "above": 71_100, "nearest": 71_000}


def test_a_market_buy_must_be_covered_at_the_upper_limit_price():
    """KIS sets cash aside at the upper limit: 10 x 92,300 and the commission on it."""
    need = 923_000 + commission(923_000, LIMITS.fee_percent)

    assert codes(MARKET_BUY, replace(FACTS, buyable=need)) == []
    assert codes(MARKET_BUY, replace(FACTS, buyable=need - 1)) == ["CASH"]
    assert estimate(MARKET_BUY, FACTS, LIMITS, NOW).unit == 71_000


def test_the_number_that_would_fit_really_fits():
    (reason,) = check(replace(BUY, quantity=20), replace(FACTS, buyable=1_000_000), LIMITS, NOW)

    fits = int(str(reason.values["fits"]))
    assert codes(replace(BUY, quantity=fits), replace(FACTS, buyable=1_000_000)) == []
    assert codes(replace(BUY, quantity=fits + 1), replace(FACTS, buyable=1_000_000)) == ["CASH"]


def test_only_sells_of_stocks_are_taxed():
    assert estimate(SELL, SELL_FACTS, LIMITS, NOW).tax == 1_420
    assert estimate(replace(SELL, etf=True), SELL_FACTS, LIMITS, NOW).tax == 0
    assert estimate(BUY, FACTS, LIMITS, NOW).tax == 0


@pytest.mark.parametrize(("now", "again"), [(71_000, False), (71_710, False), (71_720, True), (70_200, True)])
def test_a_price_that_moved_more_than_told_asks_again(now, again):
    assert moved(71_000, now, Decimal(1)) is again


@given(
    quantity=st.integers(1, 10_000),
    price=st.none() | st.integers(1, 200_000),
    side=st.sampled_from(Side),
    buyable=st.integers(0, 10**10),
    sellable=st.integers(0, 10_000),
)
def test_what_passes_is_covered_on_the_tick_and_inside_the_band(quantity, price, side, buyable, sellable):
    kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    ask = replace(BUY, side=side, quantity=quantity, price=price, kind=kind)
    facts = replace(
        FACTS, buyable=buyable if side is Side.BUY else None, sellable=sellable if side is Side.SELL else None
    )

    if codes(ask, facts):
        return

    if price is not None:
        assert price % 100 == 0 or price < 50_000
        assert 49_700 <= price <= 92_300
    worst = 92_300 if price is None else price
    if side is Side.BUY:
        assert worst * quantity <= buyable
        assert worst * quantity <= LIMITS.max_value
    else:
        assert quantity <= sellable
