"""Money, days and hours at the simulated exchange, without any HTTP."""

from __future__ import annotations

from datetime import date

import pytest

from kis.sim.api.responses import decimals
from kis.sim.exchange.orders import OrderRejected, RejectReason

SAMSUNG = "005930"
KODEX_200 = "069500"


def refused(call, *args, **options):
    with pytest.raises(OrderRejected) as away:
        call(*args, **options)
    return away.value.reason


# --- money ------------------------------------------------------------------------------------------------


def test_buying_costs_the_commission_cut_to_the_won(exchange):
    exchange.submit("buy", SAMSUNG, "00", 10, 71000)
    assert exchange.ledger.buying_power == 10_000_000 - 710_000 - 100
    assert exchange.cash == 10_000_000
    exchange.trade(SAMSUNG, 71000, 10)
    assert exchange.cash == exchange.ledger.buying_power == 10_000_000 - 710_100


def test_selling_costs_commission_and_the_tax_of_2026(opened):
    exchange = opened(cash=0, holdings={SAMSUNG: (10, 60000)})
    exchange.submit("sell", SAMSUNG, "00", 10, 71000)
    assert exchange.cash == 710_000 - 100 - 1_420


def test_an_etf_sale_bears_no_tax(opened):
    exchange = opened(cash=0, holdings={KODEX_200: (10, 40000)})
    order = exchange.submit("sell", KODEX_200, "01", 10)
    assert (order.tax, order.fee) == (0, 61)
    assert exchange.cash == 10 * 43295 - 61


def test_many_small_fills_cost_what_one_fill_would(opened):
    exchange = opened(cash=0, holdings={SAMSUNG: (20, 60000)})
    order = exchange.submit("sell", SAMSUNG, "00", 10, 71500)
    for _ in range(10):
        exchange.trade(SAMSUNG, 71500, 1)
    assert (order.fee, order.tax) == (101, 1_430)


def test_a_market_order_is_checked_at_the_upper_price_limit(opened):
    upper = 92_300
    enough = 10 * upper + int(10 * upper * 0.000142)
    assert refused(opened(cash=enough - 1).submit, "buy", SAMSUNG, "01", 10) is RejectReason.CASH
    exchange = opened(cash=enough)
    assert exchange.submit("buy", SAMSUNG, "01", 10).filled == 10
    assert exchange.ledger.buying_power == enough - 711_000 - 100


def test_shares_promised_to_a_sale_cannot_be_sold_twice(opened):
    exchange = opened(holdings={SAMSUNG: (10, 60000)})
    exchange.submit("sell", SAMSUNG, "00", 7, 72000)
    assert exchange.ledger.sellable(SAMSUNG) == 3
    assert refused(exchange.submit, "sell", SAMSUNG, "00", 4, 72000) is RejectReason.HOLDING


def test_the_average_price_has_four_decimals_and_survives_a_sale(opened):
    exchange = opened(holdings={SAMSUNG: (2, 60000)})
    exchange.submit("buy", SAMSUNG, "00", 1, 71100)
    position = exchange.ledger.positions[SAMSUNG]
    assert decimals(position.average, 4) == "63700.0000"
    exchange.submit("sell", SAMSUNG, "01", 1)
    assert decimals(position.average, 4) == "63700.0000"
    exchange.submit("buy", SAMSUNG, "00", 1, 71100)
    assert decimals(position.average, 4) == "66166.6667"


def test_money_settles_on_the_second_trading_day_and_sold_out_issues_are_listed_until_then(opened, clock):
    exchange = opened(cash=1_000_000, holdings={SAMSUNG: (10, 60000)})
    exchange.submit("sell", SAMSUNG, "00", 10, 71000)
    proceeds = 710_000 - 100 - 1_420
    assert exchange.ledger.deposit == 1_000_000
    assert exchange.ledger.cash_on(date(2026, 11, 23)) == 1_000_000
    assert exchange.ledger.cash_on(date(2026, 11, 24)) == 1_000_000 + proceeds
    clock.move(days=3)
    exchange.roll()
    assert (exchange.ledger.deposit, exchange.ledger.positions[SAMSUNG].sold_before) == (1_000_000, 10)
    clock.move(days=1)
    exchange.roll()
    assert exchange.ledger.deposit == 1_000_000 + proceeds
    assert SAMSUNG not in exchange.ledger.positions


# --- days and hours ---------------------------------------------------------------------------------------


def test_at_midnight_orders_lapse_numbers_restart_and_the_close_becomes_the_base(exchange, clock):
    order = exchange.submit("buy", SAMSUNG, "00", 10, 70000)
    exchange.set_price(SAMSUNG, 70700)
    clock.move(days=1)
    assert exchange.quote(SAMSUNG).base == 70700
    assert (order.open, order.cancelled) == (0, 10)
    assert exchange.ledger.buying_power == 10_000_000
    assert exchange.quote(SAMSUNG).bars[-1][:5] == (date(2026, 11, 20), 71000, 71000, 70700, 70700)
    assert exchange.find(order.number) is None
    assert exchange.find(order.number, date(2026, 11, 20)) is order
    assert int(exchange.submit("buy", SAMSUNG, "00", 1, 70000).number) < 10


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        ((2026, 11, 20, 8, 0), RejectReason.NOT_YET_OPEN),
        ((2026, 11, 20, 15, 35), RejectReason.CLOSED),
        ((2026, 11, 20, 17, 0), RejectReason.AFTER_MARKET),
        ((2026, 11, 20, 21, 0), RejectReason.CLOSED),
        ((2026, 11, 21, 10, 0), RejectReason.HOLIDAY),
        ((2026, 12, 25, 10, 0), RejectReason.HOLIDAY),
    ],
)
def test_outside_the_order_sessions_orders_are_turned_away(opened, clock, moment, reason):
    clock.at = clock.at.replace(year=moment[0], month=moment[1], day=moment[2], hour=moment[3], minute=moment[4])
    assert refused(opened(always_open=False).submit, "buy", SAMSUNG, "00", 1, 71000) is reason


def test_orders_of_the_opening_auction_wait_for_the_opening(opened, clock):
    clock.at = clock.at.replace(hour=8, minute=40)
    exchange = opened(always_open=False)
    market, limit = exchange.submit("buy", SAMSUNG, "01", 3), exchange.submit("buy", SAMSUNG, "00", 3, 70000)
    gone = exchange.submit("buy", SAMSUNG, "00", 3, 75000)
    exchange.cancel(gone.number)
    assert [order.filled for order in (market, limit)] == [0, 0]
    assert exchange.ledger.reserved[market] == exchange.ledger.cost(3 * 92_300)
    clock.move(minutes=20)
    assert exchange.open_orders() == [limit]
    assert (market.filled, gone.filled) == (3, 0)
