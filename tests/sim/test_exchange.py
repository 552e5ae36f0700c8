"""Matching at the simulated exchange, without any HTTP."""

from __future__ import annotations

import pytest

from kis.sim.exchange.orders import Action, OrderRejected, RejectReason

SAMSUNG = "005930"
KODEX_200 = "069500"


def refused(call, *args, **options):
    with pytest.raises(OrderRejected) as away:
        call(*args, **options)
    return away.value.reason


# --- the book ---------------------------------------------------------------------------------------------


def test_a_book_shows_ten_levels_a_tick_apart_around_the_price(exchange):
    bids, asks = exchange.levels(SAMSUNG, "buy"), exchange.levels(SAMSUNG, "sell")
    assert [level.price for level in bids] == list(range(71000, 70000, -100))
    assert [level.price for level in asks] == list(range(71100, 72100, 100))
    assert all(level.quantity > 0 for level in bids + asks)


def test_the_tick_follows_the_band_on_either_side_of_a_book(exchange):
    exchange.set_price("034220", 12140)
    exchange.issues["034220"].base = exchange.issues["034220"].last = 20000
    exchange.set_price("034220", 20000)
    assert [level.price for level in exchange.levels("034220", "buy")][:3] == [20000, 19990, 19980]
    assert [level.price for level in exchange.levels("034220", "sell")][:3] == [20050, 20100, 20150]


def test_the_book_ends_at_the_price_limits(exchange):
    issue = exchange.quote(SAMSUNG)
    exchange.set_price(SAMSUNG, issue.upper)
    assert exchange.levels(SAMSUNG, "sell") == []
    exchange.set_price(SAMSUNG, issue.lower)
    assert [level.price for level in exchange.levels(SAMSUNG, "buy")] == [issue.lower]


def test_a_limit_order_behind_the_best_price_rests_and_shows_in_the_book(exchange):
    before = exchange.levels(SAMSUNG, "buy")[0].quantity
    order = exchange.submit("buy", SAMSUNG, "00", 10, 71000)
    assert (order.filled, order.open) == (0, 10)
    assert exchange.levels(SAMSUNG, "buy")[0].quantity == before + 10


def test_a_market_order_sweeps_levels_and_what_the_ten_do_not_hold_is_cancelled(opened):
    exchange = opened(cash=100_000_000)
    exchange.books[SAMSUNG].depth = 5
    order = exchange.submit("buy", SAMSUNG, "01", 60)
    assert order.filled == 50
    assert order.filled_amount == 5 * sum(range(71100, 72100, 100))
    assert (order.cancelled, order.open) == (10, 0)
    assert not exchange.ledger.reserved


def test_a_limit_order_fills_at_the_better_prices_of_the_book_and_its_rest_leads_the_new_best(opened):
    exchange = opened(cash=100_000_000)
    exchange.books[SAMSUNG].depth = 5
    order = exchange.submit("buy", SAMSUNG, "00", 12, 71200)
    assert (order.filled, order.filled_amount, order.open) == (10, 5 * 71100 + 5 * 71200, 2)
    assert exchange.levels(SAMSUNG, "buy")[0] == (71200, 7)
    assert exchange.levels(SAMSUNG, "sell")[0].price == 71300
    assert exchange.trade(SAMSUNG, 71200, 2) == 2
    assert order.open == 0


def test_best_limit_03_is_no_market_order_its_rest_stays_at_the_opposite_best(opened):
    exchange = opened(cash=100_000_000)
    exchange.books[SAMSUNG].depth = 5
    order = exchange.submit("buy", SAMSUNG, "03", 8)
    assert (order.price, order.filled, order.open) == (71100, 5, 3)


def test_priority_04_stands_at_the_best_of_its_own_side(exchange):
    assert exchange.submit("buy", SAMSUNG, "04", 1).price == 71000


def test_the_public_ahead_of_an_order_trades_first(opened):
    exchange = opened()
    book = exchange.books[SAMSUNG]
    book.depth = 100
    order = exchange.submit("buy", SAMSUNG, "00", 10, 71000)
    exchange._settle(exchange.issues[SAMSUNG], book.trade(order.side.other, 99))
    assert order.filled == 0
    exchange._settle(exchange.issues[SAMSUNG], book.trade(order.side.other, 5))
    assert (order.filled, order.open) == (4, 6)
    assert exchange.levels(SAMSUNG, "buy")[0] == (71000, 6)


def test_orders_of_the_same_price_fill_first_come_first_served(exchange):
    first = exchange.submit("buy", SAMSUNG, "00", 5, 70500)
    second = exchange.submit("buy", SAMSUNG, "00", 5, 70500)
    better = exchange.submit("buy", SAMSUNG, "00", 5, 70600)
    assert exchange.trade(SAMSUNG, 70500, 12) == 12
    assert [order.filled for order in (better, first, second)] == [5, 5, 2]
    assert better.filled_amount == 5 * 70600


def test_trade_stops_where_the_quantity_does(exchange):
    better = exchange.submit("buy", SAMSUNG, "00", 5, 70600)
    exchange.trade(SAMSUNG, 70000, 3)
    assert (better.filled, exchange.quote(SAMSUNG).last) == (3, 70600)
    assert exchange.levels(SAMSUNG, "buy")[0].price == 70600


def test_trade_beyond_the_best_ask_reaches_resting_sales(opened):
    exchange = opened(holdings={SAMSUNG: (10, 60000)})
    sale = exchange.submit("sell", SAMSUNG, "00", 10, 71500)
    assert exchange.trade(SAMSUNG, 71500, 4) == 4
    assert (sale.filled, sale.open) == (4, 6)
    assert exchange.levels(SAMSUNG, "sell")[0].price == 71500
    assert exchange.trade(SAMSUNG, 71600, 100) == 6
    assert exchange.quote(SAMSUNG).last == 71600


def test_trade_inside_the_market_prints_and_moves_nothing_of_ours(exchange):
    order = exchange.submit("buy", SAMSUNG, "00", 10, 70000)
    volume = exchange.quote(SAMSUNG).volume
    assert exchange.trade(SAMSUNG, 71100, 7) == 0
    assert order.filled == 0
    assert exchange.quote(SAMSUNG).volume == volume + 7
    assert exchange.books[SAMSUNG].bid == 71000


def test_set_price_fills_what_it_reaches_and_nothing_else(exchange):
    near = exchange.submit("buy", SAMSUNG, "00", 5, 70500)
    far = exchange.submit("buy", SAMSUNG, "00", 5, 70000)
    exchange.set_price(SAMSUNG, 70500)
    assert (near.filled, far.filled) == (5, 0)
    assert exchange.quote(SAMSUNG).last == 70500


@pytest.mark.parametrize("price", [71050, 100_000, 100])
def test_set_price_takes_only_prices_that_can_trade(exchange, price):
    with pytest.raises(ValueError, match="trades on tick"):
        exchange.set_price(SAMSUNG, price)


def test_an_order_may_meet_another_of_the_same_account(opened):
    exchange = opened(holdings={SAMSUNG: (10, 60000)})
    exchange.books[SAMSUNG].depth = 1
    sale = exchange.submit("sell", SAMSUNG, "00", 10, 71100)
    buy = exchange.submit("buy", SAMSUNG, "00", 8, 71100)
    assert (buy.filled, sale.filled) == (8, 7)
    assert exchange.ledger.held(SAMSUNG) == 11


# --- requests about orders --------------------------------------------------------------------------------


def test_a_cancel_is_a_row_of_its_own_and_frees_what_was_set_aside(exchange):
    order = exchange.submit("buy", SAMSUNG, "00", 10, 70000)
    request = exchange.cancel(order.number.lstrip("0"))
    assert (order.cancelled, order.open) == (10, 0)
    assert (request.action, request.original, request.quantity) == (Action.CANCEL, order.number, 10)
    assert int(request.number) > int(order.number)
    assert exchange.ledger.buying_power == 10_000_000
    assert exchange.trade(SAMSUNG, 70000, 10) == 0


def test_a_part_can_be_cancelled_and_no_more_than_is_open(exchange):
    order = exchange.submit("buy", SAMSUNG, "00", 10, 70000)
    exchange.cancel(order.number, 4)
    assert (order.open, exchange.ledger.buying_power) == (6, 10_000_000 - 420_059)
    assert refused(exchange.cancel, order.number, 7) is RejectReason.TOO_MANY
    assert exchange.trade(SAMSUNG, 70000, 10) == 6
    assert refused(exchange.cancel, order.number) is RejectReason.NOTHING_LEFT
    assert refused(exchange.cancel, "0000999999") is RejectReason.NO_ORIGINAL


def test_a_revised_order_lives_on_under_a_new_number_at_the_end_of_its_queue(exchange):
    order = exchange.submit("buy", SAMSUNG, "00", 10, 70000)
    waiting = exchange.submit("buy", SAMSUNG, "00", 5, 70500)
    exchange.trade(SAMSUNG, 70500, 0)
    revised = exchange.revise(order.number, 70500, 6)
    assert (order.open, order.moved, order.cancelled) == (4, 6, 0)
    assert (revised.action, revised.original, revised.open) == (Action.REVISE, order.number, 6)
    exchange.trade(SAMSUNG, 70500, 7)
    assert (waiting.filled, revised.filled) == (5, 2)
    assert exchange.ledger.buying_power == exchange.cash - sum(exchange.ledger.reserved.values())


def test_a_revision_may_use_the_money_its_original_held_and_no_more(opened):
    cash = 700_000 + 99
    exchange = opened(cash=cash)
    order = exchange.submit("buy", SAMSUNG, "00", 10, 70000)
    assert refused(exchange.revise, order.number, 70100) is RejectReason.CASH
    assert order.open == 10
    assert exchange.revise(order.number, 69900).open == 10


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (("buy", "999999", "00", 1, 71000), RejectReason.UNKNOWN_CODE),
        (("buy", SAMSUNG, "00", 1, 71050), RejectReason.TICK),
        (("buy", SAMSUNG, "00", 1, 0), RejectReason.TICK),
        (("buy", SAMSUNG, "00", 1, 92400), RejectReason.ABOVE_LIMIT),
        (("buy", SAMSUNG, "00", 1, 49600), RejectReason.BELOW_LIMIT),
        (("buy", SAMSUNG, "99", 1, 71000), RejectReason.KIND),
        (("buy", SAMSUNG, "00", 141, 71000), RejectReason.CASH),
        (("sell", SAMSUNG, "00", 1, 71000), RejectReason.HOLDING),
    ],
)
def test_every_reason_turns_an_order_away_and_leaves_no_trace(exchange, order, reason):
    assert refused(exchange.submit, *order) is reason
    assert exchange.orders == []
    assert exchange.ledger.buying_power == 10_000_000


def test_the_price_limits_themselves_are_taken(exchange):
    issue = exchange.quote(SAMSUNG)
    assert exchange.submit("buy", SAMSUNG, "00", 1, issue.lower).open == 1
    assert exchange.submit("buy", SAMSUNG, "00", 1, issue.upper).filled == 1


def test_a_halted_issue_takes_no_orders(exchange):
    exchange.issues[SAMSUNG].halted = True
    assert refused(exchange.submit, "buy", SAMSUNG, "00", 1, 71000) is RejectReason.HALTED
