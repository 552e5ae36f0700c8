"""What the day before an order adds up to: what counts, what does not, and when the like of it was sent."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.model.order import Order, OrderRequest, OrderState
from bot.orders.risk.day_totals import DayTotals, day_totals
from kis.krx import KST
from kis.models import OrderKind, OrderReport, Side
from tests.support.order_events import report

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
ME, YOU = 1, 2
ASK = OrderRequest(Side.BUY, "005930", "삼성전자", etf=False, quantity=10, kind=OrderKind.LIMIT, price=71_000)
MARKET = replace(ASK, kind=OrderKind.MARKET, price=None)
COUNTED = [
    OrderState.SUBMITTING, OrderState.WAITING, OrderState.UNKNOWN, OrderState.OPEN, OrderState.PARTIAL, OrderState.FILLED, OrderState.CANCELLED,
    OrderState.REPLACED, OrderState.LAPSED,
]  # fmt: skip


def order(state: OrderState = OrderState.OPEN, **changes: object) -> Order:
    made = Order(
        id=1, version=3, state=state, side=Side.BUY, code="005930", name="삼성전자", etf=False, quantity=10,
        kind=OrderKind.LIMIT, price=71_000, user_id=ME, chat_id=ME, user_name="", origin=1, created_at=NOW,
        expires_at=NOW, quote=71_000, quote_at=NOW, quote_change=Decimal(0), unit=71_000, reserve_unit=71_000, fee=100,
        tax=0, cash_after=0, sellable_after=None, attempt=1, sent_at=NOW,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]  # a test names the fields it means


def summed(*orders: Order, external_orders: tuple[OrderReport, ...] = (), request: OrderRequest = ASK) -> DayTotals:
    return day_totals(request, ME, orders, external_orders, NOW)


def test_a_day_that_has_just_begun_is_empty():
    assert summed() == DayTotals()


@pytest.mark.parametrize("state", OrderState)
def test_whatever_may_be_at_the_broker_counts_and_nothing_else(state):
    day = summed(order(state))

    counts = state in COUNTED
    assert (day.user_value, day.account_value, day.user_orders) == ((710_000, 710_000, 1) if counts else (0, 0, 0))
    assert (day.identical_at == day.near_at == NOW) is (counts or state is OrderState.ABSENT)


def test_what_was_never_attempted_is_no_history():
    assert summed(order(OrderState.CONFIRMED, attempt=0, sent_at=None), order(attempt=0)) == DayTotals()


def test_buys_and_sells_add_up_gross_as_they_were_submitted():
    """Neither a fill at a better price nor a cancelled remainder gives any of the day back."""
    day = summed(
        order(OrderState.FILLED, filled=10, filled_amount=690_000),
        order(OrderState.CANCELLED, cancelled=10),
        order(side=Side.SELL),
        order(kind=OrderKind.MARKET, price=None, reserve_unit=92_300),
    )

    assert day.user_value == 3 * 710_000 + 923_000


def test_another_persons_orders_are_the_accounts_and_not_mine():
    day = summed(order(user_id=YOU))

    assert (day.user_value, day.user_orders, day.user_last_minute) == (0, 0, 0)
    assert (day.account_value, day.identical_at) == (710_000, NOW)


@pytest.mark.parametrize(
    ("changes", "identical", "near"),
    [
        ({}, True, True),
        ({"quantity": 11}, False, True),
        ({"price": 71_100}, False, True),
        ({"price": None}, False, True),
        ({"side": Side.SELL}, False, False),
        ({"code": "000660"}, False, False),
    ],
)
def test_identical_is_every_term_and_near_is_stock_and_side(changes, identical, near):
    for day in (summed(order(**changes)), summed(external_orders=(row(**{k: v or 0 for k, v in changes.items()}),))):
        assert (day.identical_at is not None, day.near_at is not None) == (identical, near)


def test_the_latest_of_several_counts():
    times = [NOW - timedelta(minutes=n) for n in (9, 2, 5)]

    day = summed(*(order(sent_at=at) for at in times), order(quantity=1, sent_at=NOW - timedelta(minutes=1)))

    assert (day.identical_at, day.near_at) == (times[1], NOW - timedelta(minutes=1))


@pytest.mark.parametrize(("seconds", "count"), [(59.9, 1), (60, 0), (-5, 1)])
def test_a_minute_is_sixty_seconds(seconds, count):
    assert summed(order(sent_at=NOW - timedelta(seconds=seconds))).user_last_minute == count


def test_a_refused_order_took_its_turn_and_one_that_never_left_did_not():
    assert summed(order(OrderState.REJECTED), order(OrderState.NOT_SENT)).user_last_minute == 1


# --- refusals in a row ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "count"),
    [
        ([OrderState.REJECTED] * 3, 3),
        ([OrderState.FILLED, OrderState.REJECTED, OrderState.REJECTED], 2),
        ([OrderState.REJECTED, OrderState.REJECTED, OrderState.OPEN], 0),
        (
            [
                OrderState.REJECTED,
                OrderState.NOT_SENT,
                OrderState.UNKNOWN,
                OrderState.ABSENT,
                OrderState.NEVER_BOOKED,
                OrderState.REJECTED,
            ],
            2,
        ),
    ],
)
def test_refusals_in_a_row_end_with_an_order_that_was_taken(states, count):
    assert summed(*map(order, states)).rejects == count


def test_a_row_of_refusals_is_as_old_as_its_latest_and_each_persons_own():
    early, late = NOW - timedelta(minutes=9), NOW - timedelta(minutes=1)

    day = summed(
        order(OrderState.REJECTED, finished_at=early),
        order(OrderState.REJECTED, finished_at=late),
        order(OrderState.REJECTED, finished_at=NOW, user_id=YOU),
    )

    assert (day.rejects, day.rejected_at) == (2, late)
    assert summed(order(OrderState.REJECTED, finished_at=None)).rejected_at == NOW


# --- orders made elsewhere --------------------------------------------------------------------------------------------


def row(**changes: object) -> OrderReport:
    return report(**{"time": "095930", **changes})


def test_an_order_from_a_phone_is_the_accounts_and_can_be_the_like_of_mine():
    day = summed(external_orders=(row(),))

    assert (day.account_value, day.user_value, day.user_orders, day.user_last_minute) == (710_000, 0, 0, 0)
    assert day.identical_at == day.near_at == NOW - timedelta(seconds=30)


def test_a_market_order_from_a_phone_counts_at_its_average():
    filled = row(kind=OrderKind.MARKET, price=0, average_price=Decimal("70950.5"))

    assert summed(external_orders=(filled,)).account_value == 709_505
    assert summed(external_orders=(filled,), request=MARKET).identical_at is not None
    assert summed(external_orders=(filled,)).identical_at is None


@pytest.mark.parametrize(
    "changes", [{"original_no": "0000000001"}, {"rejected": 10}, {"day": date(2026, 11, 20)}], ids=str
)
def test_requests_refusals_and_other_days_in_the_list_are_left_out(changes):
    assert summed(external_orders=(row(**changes),)) == DayTotals()


def test_a_row_whose_time_cannot_be_read_counts_as_just_now():
    assert summed(external_orders=(row(time="soon"),)).identical_at == NOW


def test_an_etn_is_the_same_with_and_without_its_q():
    etn = replace(ASK, code="Q500001")

    for code in ("500001", "Q500001"):
        assert summed(external_orders=(row(code=code),), request=etn).identical_at is not None


# --- whatever came ----------------------------------------------------------------------------------------------------

times = st.timedeltas(timedelta(hours=-3), timedelta(seconds=5)).map(lambda away: NOW + away)
orders = st.builds(
    order,
    st.sampled_from(OrderState),
    user_id=st.sampled_from([ME, YOU]), side=st.sampled_from(Side), code=st.sampled_from(["005930", "000660"]),
    quantity=st.sampled_from([1, 10]), price=st.sampled_from([None, 71_000]), reserve_unit=st.integers(1, 10**6),
    attempt=st.integers(0, 2), sent_at=times, finished_at=st.none() | times,
)  # fmt: skip
rows = st.builds(
    row,
    side=st.sampled_from(Side), code=st.sampled_from(["005930", "000660"]), quantity=st.sampled_from([1, 10]),
    price=st.sampled_from([0, 71_000]), average_price=st.sampled_from([Decimal(0), Decimal("70000.25")]),
    rejected=st.sampled_from([0, 1]), original_no=st.sampled_from(["", "1"]), time=st.sampled_from(["", "093000"]),
)  # fmt: skip


@given(mine=st.lists(orders, max_size=8), others=st.lists(rows, max_size=4))
def test_the_sums_are_what_adding_one_by_one_gives(mine, others):
    value = {ME: 0, YOU: 0}
    count = minute = 0
    like: list[datetime] = []
    for one in mine:
        if one.attempt and one.state in COUNTED:
            value[one.user_id] += one.quantity * one.reserve_unit
            count += one.user_id == ME
        if one.attempt and one.state is not OrderState.NOT_SENT and one.user_id == ME:
            minute += one.sent_at > NOW - timedelta(seconds=60)
        if one.attempt and one.state in {*COUNTED, OrderState.ABSENT} and (one.code, one.side) == ("005930", Side.BUY):
            like.append(one.sent_at)
    external_orders = 0
    for one in others:
        if not one.is_revision and one.rejected < one.quantity:
            external_orders += int(one.quantity * (one.price or one.average_price))
            if (one.code, one.side) == ("005930", Side.BUY):
                like.append(NOW.replace(hour=9, minute=30) if one.time else NOW)

    day = day_totals(ASK, ME, mine, others, NOW)

    assert (day.user_value, day.user_orders, day.user_last_minute) == (value[ME], count, minute)
    assert day.account_value == sum(value.values()) + external_orders
    assert day.near_at == max(like, default=None)
    assert day.identical_at is None or day.identical_at <= day.near_at
    assert (day.rejected_at is None) == (day.rejects == 0)
    assert day == day_totals(ASK, ME, mine, reversed(others), NOW)
