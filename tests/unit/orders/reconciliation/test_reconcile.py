"""The broker's list against our memory: the same list twice is no news, and a stranger's row is never ours."""

from dataclasses import replace
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.model.events import ExecutionReported, ReadBack, ReadBackResult, ReplacedBy
from bot.orders.model.order import FINAL, WORKING, ImpossibleEvent, OrderAction, OrderState, apply
from bot.orders.reconciliation.reconcile import is_cancel, news, own_channel, read_back, row_of
from kis.krx import KST
from kis.models import OrderKind, Side
from tests.support.order_events import grown, report
from tests.unit.orders.model.test_order import order

NOW = datetime(2026, 11, 23, 10, 0, 5, tzinfo=KST)
DAY = date(2026, 11, 23)
FRESH = order(OrderState.OPEN, day=DAY, order_no="0000000007", branch="06010")
"""Accepted a moment ago: its row was not held against the ticket yet."""
OPEN = replace(FRESH, checked=ReadBackResult.SAME)


def told(one, *rows):
    """What a list tells of one order."""
    return [event for _, events in news([one], rows) for event in events]


# --- which row is ours ------------------------------------------------------------------------------------------------


@given(st.permutations([report(), report(order_no="0000000008", filled=5), report(day=date(2026, 11, 20), filled=9)]))
def test_rows_of_other_numbers_and_other_days_are_not_ours(rows):
    assert news([OPEN], rows) == []
    assert row_of(OPEN, rows) == report()


def test_an_order_is_known_by_its_number_also_under_a_branch_of_another_name():
    assert row_of(OPEN, [report(branch="91252")]) == report(branch="91252")


def test_a_number_used_again_in_another_branch_is_told_by_the_orders_terms():
    ours, other = report(), report(branch="06011", code="000660")

    assert row_of(OPEN, [other, ours]) == row_of(OPEN, [ours, other]) == ours
    assert row_of(OPEN, [report(branch="06011", side=Side.SELL), ours]) == ours
    assert row_of(OPEN, [other, report(branch="91252")]) == report(branch="91252"), "under a branch of another name"
    assert told(OPEN, other.model_copy(update={"filled": 9, "filled_amount": 9}), ours) == []


def test_a_number_used_again_on_other_terms_is_told_by_its_branch():
    changed, other = report(code="000660"), report(branch="06011", code="035720")

    assert row_of(OPEN, [other, changed]) == row_of(OPEN, [changed, other]) == changed
    assert row_of(OPEN, [other, report(branch="06012", code="035720")]) is None, "neither bears our branch"


def test_a_row_of_our_number_alone_is_ours_whatever_it_says_and_the_read_back_tells():
    wrong = report(branch="06011", code="000660")

    assert row_of(OPEN, [wrong]) == wrong
    assert row_of(OPEN, []) is None


def test_of_two_rows_on_our_terms_the_one_of_our_branch_is_ours():
    ours, other = report(), report(branch="06011", filled=9, filled_amount=639_000)

    assert row_of(OPEN, [other, ours]) == ours


@pytest.mark.parametrize("state", sorted(set(OrderState) - WORKING))
def test_only_what_works_at_the_broker_has_news(state):
    assert told(replace(OPEN, state=state), grown(3)) == []


def test_news_is_told_of_each_order_apart():
    other = replace(FRESH, id=2, order_no="0000000008")
    third = replace(OPEN, id=3, order_no="0000000006")

    found = news([third, other, OPEN], [grown(3), report(order_no="0000000008"), report(order_no="0000000006")])

    assert [(one.id, events) for one, events in found] == [
        (2, [ReadBack(ReadBackResult.SAME, 10)]),
        (1, [ExecutionReported(3, 213_000, 0, 0, 7)]),
    ]


def test_an_order_that_the_list_does_not_show_hides_no_other():
    assert [one.id for one, _ in news([replace(OPEN, id=2, order_no="0000000099"), OPEN], [grown(3)])] == [1]


# --- read-back --------------------------------------------------------------------------------------------------------


def test_a_row_like_its_ticket_is_held_against_it_once():
    assert told(FRESH, report()) == [ReadBack(ReadBackResult.SAME, 10)]
    assert told(OPEN, report(quantity=3)) == []
    assert told(replace(FRESH, checked=ReadBackResult.DIFFERENT), report(price=1)) == []


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"code": "000660"}, "code 005930 / 000660"),
        ({"side": Side.SELL}, "side buy / sell"),
        ({"kind": OrderKind.MARKET}, "kind limit / market"),
        ({"price": 71_100}, "price 71000 / 71100"),
        ({"quantity": 9}, "quantity 10 / 9"),
        ({"quantity": 11}, "quantity 10 / 11"),
    ],
)
def test_each_field_that_differs_is_named_alone(changes, differs):
    assert read_back(FRESH, report(**changes)) == ReadBack(ReadBackResult.DIFFERENT, 10, differs)


def test_all_that_differs_is_named_at_once():
    assert read_back(FRESH, report(price=1, quantity=2)).differs == "price 71000 / 1, quantity 10 / 2"


def test_a_market_order_has_no_price_to_differ_in():
    market = replace(FRESH, kind=OrderKind.MARKET, price=None)

    assert read_back(market, report(kind=OrderKind.MARKET, price=71_300)) == ReadBack(ReadBackResult.SAME, 10)
    assert read_back(market, report()).differs == "kind market / limit"


@pytest.mark.parametrize(("quantity", "to"), [(0, "different"), (1, "same"), (6, "same"), (10, "same"), (11, "different")])  # fmt: skip
def test_a_revision_may_be_smaller_than_its_ticket_and_never_larger(quantity, to):
    revision = replace(FRESH, act=OrderAction.REVISE)

    checked = read_back(revision, report(quantity=quantity))

    assert checked.to == to
    assert checked.quantity == (quantity if to == "same" else 10)


def test_a_smaller_revision_must_be_the_same_in_all_else():
    assert read_back(replace(FRESH, act=OrderAction.REVISE), report(quantity=6, price=1)).differs == "price 71000 / 1"


def test_a_row_of_another_stock_or_side_never_fills_our_order():
    for changes in ({"code": "000660"}, {"side": Side.SELL}):
        (checked,) = told(FRESH, grown(3, **changes))
        assert checked.to is ReadBackResult.DIFFERENT
        assert told(OPEN, grown(3, **changes)) == []


def test_a_row_that_differs_in_price_or_quantity_still_tells_its_fills():
    """It is our order gone wrong: people are alarmed, and must see what it does."""
    checked, grew = told(FRESH, grown(3, price=1, quantity=9).model_copy(update={"price": 1}))

    assert checked.to is ReadBackResult.DIFFERENT
    assert grew == ExecutionReported(3, 3, 0, 0, 7)


# --- growth -----------------------------------------------------------------------------------------------------------


def test_only_growth_is_news():
    assert told(OPEN, grown(3)) == [ExecutionReported(3, 213_000, 0, 0, 7)]
    assert told(replace(OPEN, state=OrderState.PARTIAL, filled=3, filled_amount=213_000), grown(3)) == []


def test_a_corrected_price_without_growth_is_news():
    known = replace(OPEN, state=OrderState.PARTIAL, filled=3, filled_amount=213_000)

    assert told(known, grown(3, 71_100)) == [ExecutionReported(3, 213_300, 0, 0, 7)]


def test_a_late_refusal_is_news():
    assert told(OPEN, report(rejected=10, remaining=0)) == [ExecutionReported(0, 0, 0, 10, 0)]


def test_a_part_that_was_refused_is_told_once():
    row = report(rejected=4, remaining=6)
    (event,) = told(OPEN, row)

    assert told(apply(OPEN, event, NOW), row) == []


def test_a_list_that_shrank_is_passed_on_and_taken_by_no_order():
    known = replace(OPEN, state=OrderState.PARTIAL, filled=3, filled_amount=213_000)
    (event,) = told(known, grown(2))

    with pytest.raises(ImpossibleEvent):
        apply(known, event, NOW)


# --- cancels and revisions --------------------------------------------------------------------------------------------


def test_a_cancel_takes_the_shares_that_the_row_names():
    assert told(OPEN, report(filled=4, filled_amount=284_000, remaining=0, cancelled=6)) == [
        ExecutionReported(4, 284_000, 6, 0, 0)
    ]
    assert told(OPEN, report(remaining=8, cancelled=2)) == [ExecutionReported(0, 0, 2, 0, 8)]


def test_a_cancel_told_only_by_a_flag_counts_the_remainder():
    assert told(OPEN, report(filled=4, filled_amount=284_000, remaining=0, is_cancelled=True)) == [
        ExecutionReported(4, 284_000, 6, 0, 0)
    ]


def test_neither_the_flag_nor_an_empty_remainder_alone_is_a_cancel():
    assert told(OPEN, report(is_cancelled=True)) == []
    assert told(OPEN, report(remaining=0)) == []
    assert told(OPEN, report(remaining=1, is_cancelled=True)) == []


def test_what_was_cancelled_stays_so_in_a_row_that_no_longer_says_it():
    known = replace(OPEN, cancelled=2)

    assert told(known, report(remaining=8)) == []
    assert told(known, grown(3, cancelled=0)) == [ExecutionReported(3, 213_000, 2, 0, 7)]


def test_what_was_cancelled_never_shrinks():
    assert told(replace(OPEN, cancelled=2), report(remaining=9, cancelled=1)) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"original_no": "0000000007", "side_name": "매수취소"}, True),
        ({"original_no": "0000000007", "side_name": "매수취소*", "filled": 1}, True),
        ({"original_no": "0000000007", "remaining": 0}, True),
        ({"original_no": "0000000007", "remaining": 0, "filled": 10}, False),
        ({"original_no": "0000000007", "remaining": 4, "filled": 6}, False),
        ({"original_no": "0000000007", "side_name": "매수정정"}, False),
        ({"side_name": "매수취소"}, False),
        ({"remaining": 0}, False),
    ],
)
def test_a_request_to_cancel_is_told_by_its_name_or_by_having_nothing_to_fill(changes, expected):
    assert is_cancel(report(**changes)) is expected


def test_a_request_row_of_a_cancel_is_not_the_order():
    request = report(order_no="0000000009", original_no="0000000007", remaining=0, cancelled=10)

    assert told(OPEN, request, report()) == []


CHILD = {"order_no": "0000000009", "original_no": "0000000007", "price": 71_100, "time": "100004"}


def test_what_a_revision_moved_was_not_cancelled():
    """Where KIS books the moved shares as cancelled, the order was replaced all the same."""
    for marks in ({"cancelled": 10}, {"is_cancelled": True}, {"cancelled": 10, "is_cancelled": True}, {}):
        events = told(OPEN, report(remaining=0, **marks), report(**CHILD))
        assert events == [ReplacedBy("0000000009"), ExecutionReported(0, 0, 0, 0, 0)]
        after = OPEN
        for event in events:
            after = apply(after, event, NOW)
        assert (after.state, after.cancelled) == (OrderState.REPLACED, 0)


def test_a_revision_that_was_noticed_before_is_no_news_until_nothing_remains():
    moved = replace(OPEN, moved_to="0000000009")

    assert told(moved, report(), report(**CHILD)) == []
    assert told(moved, report(remaining=0, cancelled=10), report(**CHILD)) == [ExecutionReported(0, 0, 0, 0, 0)]
    assert told(moved, report(remaining=0, is_cancelled=True)) == [ExecutionReported(0, 0, 0, 0, 0)]
    assert told(moved, report(remaining=1, cancelled=9)) == []


def test_what_filled_before_a_revision_is_told_with_it():
    assert told(OPEN, report(filled=4, filled_amount=284_000, remaining=0), report(**CHILD)) == [
        ReplacedBy("0000000009"),
        ExecutionReported(4, 284_000, 0, 0, 0),
    ]


def test_only_a_revision_of_ours_and_of_its_day_moves_the_order():
    for changes in ({"original_no": "0000000006"}, {"day": date(2026, 11, 20)}, {"side_name": "매수취소"}):
        assert told(OPEN, report(), report(**(CHILD | changes))) == []


def test_a_revision_of_an_order_of_our_number_in_another_branch_is_not_ours():
    assert told(OPEN, report(), report(**CHILD, branch="06011", code="000660")) == []


# --- the watermark, however the readings come -------------------------------------------------------------------------


@st.composite
def readings(draw):
    """The readings of one growing row, each any number of times and in any order."""
    fills = sorted(draw(st.lists(st.integers(0, 10), min_size=1, max_size=6)))
    prices = draw(st.lists(st.integers(70_900, 71_100), min_size=10, max_size=10))
    rows = [report(filled=n, filled_amount=sum(prices[:n]), remaining=10 - n) for n in fills]
    if draw(st.booleans()):
        last = rows[-1]
        rows.append(last.model_copy(update={"cancelled": last.remaining, "remaining": 0}))
    more = draw(st.lists(st.sampled_from(rows), max_size=6))
    return rows, draw(st.permutations(rows + more))


@given(readings())
def test_however_readings_are_mixed_and_repeated_the_steps_told_sum_to_the_end(given_):
    rows, mixed = given_
    now, shares, won, pushes = FRESH, 0, 0, 0
    for row in [*mixed, rows[-1], rows[-1]]:
        for event in told(now, row):
            try:
                after = apply(now, event, NOW)
            except ImpossibleEvent:
                assert event.filled < now.filled, "only a reading that lags is not taken"
                break
            assert after.filled >= now.filled
            shares += after.filled - now.filled
            won += after.filled_amount - now.filled_amount
            pushes += after.filled > now.filled
            now = after

    end = rows[-1]
    assert (shares, won, pushes) == (end.filled, end.filled_amount, now.growths)
    assert (now.filled, now.filled_amount) == (end.filled, end.filled_amount)
    assert (now.state in FINAL) == (end.remaining == 0)
    assert told(now, end) == [], "the same list again is no news"


# --- our channel ------------------------------------------------------------------------------------------------------


def test_the_channel_of_our_orders_is_learned_from_three_that_agree():
    ours = [report(order_no=f"000000001{n}", channel="OpnAPI") for n in range(3)]
    numbers = frozenset(row.order_no for row in ours)
    stranger = report(order_no="0000000099", channel="Nsmart")

    assert own_channel([*ours, stranger], numbers) == "OpnAPI"
    assert own_channel([stranger, *ours], numbers) == "OpnAPI"
    assert own_channel([*ours[:2], stranger], numbers) == "", "two are not enough"
    assert own_channel([*ours[:2], report(order_no="0000000012", channel="x")], numbers) == "", "they must agree"
    assert own_channel([*ours, report(order_no="0000000013", channel="x")], numbers | {"0000000013"}) == ""
    assert own_channel([], numbers) == ""


def test_a_revision_that_was_emptied_again_is_no_cancel():
    emptied = report(original_no="0000000007", side_name="매수정정*", remaining=0, cancelled=10)

    assert not is_cancel(emptied)
    assert is_cancel(emptied.model_copy(update={"side_name": "매수취소*"}))
    assert is_cancel(emptied.model_copy(update={"side_name": ""}))
