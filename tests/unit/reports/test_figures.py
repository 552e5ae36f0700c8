"""Fills, average cost and what they come to, without a broker."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.hours import report_moments
from bot.reports.cost import CostBase, Doubt, ExecutedTrade, Lot, cost_base, cost_of_sales, replay
from bot.reports.model import by_stock, estimated_result, filled, still_open
from kis.krx import KST, is_trading_day
from kis.models import Holding, Side
from tests.support.report_rows import DAY, buy, sell

BEFORE = DAY - timedelta(days=1)
EVENING = datetime(2026, 11, 23, 20, 10, tzinfo=KST)
NIGHT = datetime(2026, 11, 24, 20, 10, tzinfo=KST)
CODES = ("005930", "000660", "069500")


def figures(bases, rows, held, first=DAY, last=DAY, today=DAY, **rates):
    costs, doubts = cost_of_sales(bases, rows, held, today)
    rates = {"fee_percent": Decimal("0.0142"), "etf": lambda code: code == "069500", **rates}
    return estimated_result(first, last, rows, costs, doubts, **rates)


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "times"),
    [
        ("2026-11-24", ["15:40", "20:10"]),
        ("2026-11-19", ["16:40", "20:10"]),  # exam day ends an hour late
        ("2026-01-02", ["15:40"]),  # begins late, ends as ever
        ("2026-09-11", ["15:40"]),  # the last day before there was an after-market
        ("2026-09-14", ["15:40", "20:10"]),
        ("2026-11-22", []),  # a Sunday
        ("2026-12-25", []),
        ("2026-12-31", []),
    ],
)
def test_reports_are_due_ten_minutes_after_each_end_of_a_session(day, times):
    moments = report_moments(date.fromisoformat(day))
    assert [f"{one:%H:%M}" for one in moments] == times
    assert all(one.tzinfo is KST and one.date().isoformat() == day for one in moments)


@given(st.dates(date(2025, 1, 1), date(2027, 12, 31)))
def test_a_day_has_reports_exactly_if_the_exchange_is_open(day):
    assert bool(report_moments(day)) == is_trading_day(day)
    assert list(report_moments(day)) == sorted(report_moments(day))


# --- fills ------------------------------------------------------------------------------------------------------------


def test_fills_are_summed_by_stock_and_side_with_what_was_made_elsewhere():
    rows = [buy(1, 3, 100), buy(2, 1, 200), sell(3, 2, 150), buy(4, 5, 10, code="000660")]
    ours = {rows[0].order_no, rows[2].order_no}
    found = {
        (one.code, one.side): (one.quantity, one.amount, one.orders, one.elsewhere) for one in by_stock(rows, ours)
    }
    assert found == {
        ("005930", Side.BUY): (4, 500, 2, 1),
        ("005930", Side.SELL): (2, 300, 1, 0),
        ("000660", Side.BUY): (5, 50, 1, 1),
    }


def test_a_revised_order_and_its_child_each_count_what_they_filled_themselves():
    parent = buy(1, 10, 100, filled=4, filled_amount=400, remaining=0)
    child = buy(2, 6, 110, original_no="1", side_name="매수정정*")
    assert sum(one.quantity for one in by_stock([parent, child], set())) == 10


def test_a_request_to_cancel_is_no_fill_even_if_its_row_repeats_one():
    order = sell(1, 10, 100, filled=4, filled_amount=400, cancelled=6, is_cancelled=True)
    request = sell(2, 6, 0, original_no="1", side_name="매도취소*", filled=4, filled_amount=400)
    assert filled([request, order]) == [order]


def test_open_orders_are_those_that_may_still_fill():
    waiting = buy(1, 10, 100, filled=0, filled_amount=0, remaining=10)
    cancelled = buy(2, 10, 100, filled=0, remaining=10, is_cancelled=True)
    refused = buy(3, 10, 100, filled=0, remaining=10, rejected=10)
    assert still_open([waiting, cancelled, refused, buy(4, 1, 1)]) == 1


# --- average cost -----------------------------------------------------------------------------------------------------


def test_a_buy_moves_the_average_and_a_sale_does_not():
    done = replay({"A": Lot(10, Fraction(100))}, [_trade("A", Side.BUY, 10, 2_000), _trade("A", Side.SELL, 5, 1_000)])
    assert done.lots == {"A": Lot(15, Fraction(150))}
    assert done.cost == {DAY: 750}


def _trade(code, side, quantity, amount):
    return ExecutedTrade(DAY, code, side, quantity, amount)


trades = st.lists(
    st.builds(
        ExecutedTrade,
        day=st.dates(DAY, DAY + timedelta(days=4)),
        code=st.sampled_from(CODES),
        side=st.sampled_from(Side),
        quantity=st.integers(1, 1_000),
        amount=st.integers(1, 10**9),
    ),
    max_size=30,
)
lots = st.dictionaries(
    st.sampled_from(CODES), st.builds(Lot, st.integers(1, 1_000), st.fractions(1, 10**6, max_denominator=10_000))
)


@given(lots, trades, st.dictionaries(st.sampled_from(CODES), st.integers(1, 10**6)))
def test_whatever_is_traded_nothing_is_made_or_lost(start, wanted, prices):
    """Realised and unrealised together are the cash that flowed and the value held, less the cost of the base."""
    held = {code: lot.quantity for code, lot in start.items()}
    carried = []
    for one in wanted:
        there = held.get(one.code, 0)
        if one.side is Side.SELL and one.quantity > there:
            continue
        held[one.code] = there + (one.quantity if one.side is Side.BUY else -one.quantity)
        carried.append(one)
    done = replay(start, carried)

    def total(side):
        return sum(one.amount for one in carried if one.side is side)

    value = sum(lot.quantity * prices.get(code, 0) for code, lot in done.lots.items())
    realised = total(Side.SELL) - sum(done.cost.values())
    unrealised = value - sum(lot.quantity * lot.average for lot in done.lots.values())
    base_cost = sum(lot.quantity * lot.average for lot in start.values())
    assert realised + unrealised == total(Side.SELL) - total(Side.BUY) + value - base_cost
    assert {code: lot.quantity for code, lot in done.lots.items()} == {code: n for code, n in held.items() if n}
    assert not done.short


@given(
    lots,
    st.lists(st.tuples(st.sampled_from(CODES), st.integers(1, 500), st.integers(1, 10**6)), max_size=12),
    st.data(),
)
def test_a_base_taken_at_any_moment_gives_the_same_profit(start, buys, data):
    """Where one base ends and the next begins, also amid an order's fills, nothing is counted twice or left out."""
    rows = [buy(n, quantity, price, code=code) for n, (code, quantity, price) in enumerate(buys)]
    held = {code: lot.quantity for code, lot in start.items()}
    for one in rows:
        held[one.code] = held.get(one.code, 0) + one.filled
    rows += [sell(100 + n, quantity, 777, code=code) for n, (code, quantity) in enumerate(held.items())]
    seen_to = data.draw(st.integers(0, len(rows)))
    part = data.draw(st.integers(0, rows[seen_to].filled)) if seen_to < len(rows) else 0
    seen = {f"{one.branch}:{one.order_no}": (one.filled, one.filled_amount) for one in rows[:seen_to]}
    before = [_of(one, one.filled) for one in rows[:seen_to]]
    if part:
        one = rows[seen_to]
        seen[f"{one.branch}:{one.order_no}"] = (part, part * one.price)
        before.append(_of(one, part))
    first = CostBase(EVENING, start)
    middle = CostBase(NIGHT.replace(hour=11), replay(start, before).lots, seen)
    once, doubts = cost_of_sales([first], rows, {}, DAY)
    twice, doubts_too = cost_of_sales([first, middle], rows, {}, DAY)
    assert (doubts, doubts_too) == ({}, {})
    assert once == twice


def _of(row, quantity):
    return ExecutedTrade(row.day, row.code, row.side, quantity, quantity * row.price)


# --- what it comes to -------------------------------------------------------------------------------------------------


def test_profit_is_what_sales_brought_after_costs_less_what_the_shares_had_cost():
    rows = [sell(1, 10, 70_000), sell(2, 10, 40_000, code="069500"), buy(3, 1, 70_001)]
    start = CostBase(EVENING, {"005930": Lot(10, Fraction(65_000)), "069500": Lot(10, Fraction(39_000))})
    found = figures([start], rows, {"005930": 1})
    assert (found.bought, found.sold) == (70_001, 1_100_000)
    assert found.tax == 1_400, "0.2 % of the stock; an ETF bears none"
    assert found.fee == 99 + 56 + 9
    assert found.profit == (700_000 - 650_000 - 99 - 1_400) + (400_000 - 390_000 - 56)
    assert found.estimated


def test_an_etn_is_known_without_its_q():
    start = cost_base(EVENING, [_holding("Q500001", 10, "100")], [])
    assert figures([start], [sell(1, 10, 120, code="500001")], {}).profit == 200 - 2


def _holding(code, quantity, average):
    values = dict.fromkeys(Holding.model_fields, 0) | {"code": code, "name": "x"}
    return Holding.model_validate(values | {"quantity": quantity, "average_price": Decimal(average)})


def test_a_line_without_shares_is_no_lot():
    assert cost_base(EVENING, [_holding("005930", 0, "0")], []).lots == {}


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({"005930": 5}, True),
        ({"005930": 6}, False),  # shares came in from elsewhere: which of them were sold?
        ({"005930": 4}, False),  # a sale that the list does not show
        ({"005930": 5, "000660": 9}, True),  # came in, but was not sold
        ({}, False),
    ],
)
def test_no_figure_is_given_where_the_shares_contradict_it(held, told):
    start = CostBase(EVENING, {"005930": Lot(10, Fraction(100))})
    found = figures([start], [sell(1, 5, 120)], held)
    assert (found.profit is not None) == told
    assert found.doubt is (Doubt.NONE if told else Doubt.SHARES)
    assert found.sold == 600, "what was traded is known all the same"


def test_shares_gone_without_any_fill_leave_the_day_unknown():
    found = figures([CostBase(EVENING, {"005930": Lot(10, Fraction(100))})], [], {"005930": 3})
    assert (found.profit, found.doubt) == (None, Doubt.SHARES)


def test_more_sold_than_held_is_no_profit():
    found = figures([CostBase(EVENING, {"005930": Lot(1, Fraction(100))})], [sell(1, 5, 120)], {})
    assert found.profit is None


def test_a_day_that_contradicts_itself_spoils_no_other():
    bases = [
        CostBase(EVENING - timedelta(days=3), {"005930": Lot(10, Fraction(100))}),
        CostBase(EVENING, {"005930": Lot(20, Fraction(90))}, {"00950:0000000001": (5, 600)}),
    ]
    rows = [sell(1, 5, 120, day=BEFORE), sell(2, 5, 120)]
    found = figures(bases, rows, {"005930": 15}, first=BEFORE)
    assert [(one.day, one.profit is None) for one in found.days] == [(BEFORE, True), (DAY, False)]
    assert found.profit is None
    assert found.days[1].profit == 600 - 450 - 1


def test_what_was_sold_before_there_was_a_base_is_not_known_and_what_came_after_is():
    morning = NIGHT.replace(hour=10)
    start = CostBase(morning, {"005930": Lot(5, Fraction(100))}, {"00950:0000000001": (3, 300)})
    assert figures([start], [sell(1, 3, 100), sell(2, 2, 120)], {"005930": 3}).doubt is Doubt.BASE
    assert figures([start], [buy(1, 3, 100), sell(2, 2, 120)], {"005930": 3}).profit == 240 - 200
    assert figures([], [sell(1, 3, 100)], {}).doubt is Doubt.BASE
    assert figures([], [buy(1, 3, 100)], {"005930": 3}).profit == 0
