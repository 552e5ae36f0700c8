"""The broker's list against our memory: the same list twice is no news, and a stranger's row is never ours."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.events import Found, NotFound, Reported
from bot.orders.model import State
from bot.orders.reconcile import ABSENT_AFTER, Ambiguous, Attempt, Search, candidates, look, news, own_channel
from kis.krx import KST
from tests.orders.events import report
from tests.orders.test_model import order

SENT = datetime(2026, 11, 23, 10, 0, 0, 400_000, tzinfo=KST)
DAY = date(2026, 11, 23)
ATTEMPT = Attempt(1, 1, SENT, frozenset({"0000000001"}))
LOST = order(State.UNKNOWN, day=DAY)
OPEN = order(State.OPEN, day=DAY, order_no="0000000007", branch="06010")


def test_only_growth_is_news():
    row = report(filled=3, filled_amount=213_000, remaining=7)

    ((_, event),) = news([OPEN], [row])
    known = replace(OPEN, state=State.PARTIAL, filled=3, filled_amount=213_000)

    assert event == Reported(3, 213_000, 0, 0)
    assert news([known], [row]) == []


@given(st.permutations([report(), report(order_no="0000000008", filled=5), report(day=date(2026, 11, 20), filled=9)]))
def test_rows_of_other_numbers_and_other_days_are_not_ours(rows):
    assert news([OPEN], rows) == []


def test_a_request_row_of_a_cancel_is_not_the_order():
    rows = [report(order_no="0000000009", original_no="0000000007", quantity=10, cancelled=10), report()]

    assert news([OPEN], rows) == []


def test_a_cancel_told_only_by_a_flag_counts_the_remainder():
    ((_, event),) = news([OPEN], [report(filled=4, filled_amount=284_000, remaining=0, is_cancelled=True)])

    assert event == Reported(4, 284_000, 6, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"order_no": "0000000001"},
        {"order_no": "0000000005"},
        {"original_no": "0000000003"},
        {"day": date(2026, 11, 20)},
        {"code": "000660"},
        {"side": "sell"},
        {"quantity": 11},
        {"kind": "market", "price": 0},
        {"price": 71_100},
        {"time": "095957"},
    ],
    ids=str,
)
def test_a_row_that_differs_in_anything_is_not_the_lost_order(changes):
    if "side" in changes:
        row = report().model_copy(update={"side": type(report().side)("sell")})
    else:
        row = report().model_copy(update={**changes})

    assert candidates(LOST, ATTEMPT, [row], frozenset({"0000000005"})) == ((), ())
    assert candidates(LOST, ATTEMPT, [report()], frozenset()) == ((report(),), ())


def at(seconds: float) -> datetime:
    return SENT + timedelta(seconds=seconds)


def test_a_lone_row_is_believed_only_after_it_has_stood_alone_for_ten_seconds():
    search, found = look(LOST, ATTEMPT, Search(), [report()], frozenset(), at(2))
    assert found is None
    search, found = look(LOST, ATTEMPT, search, [report()], frozenset(), at(11))
    assert found is None
    search, found = look(LOST, ATTEMPT, search, [report()], frozenset(), at(12))
    assert found == Found(report())


def test_two_rows_are_a_question_for_a_person_and_asked_once():
    rows = [report(), report(order_no="0000000008", time="100002")]

    search, found = look(LOST, ATTEMPT, Search(), rows, frozenset(), at(2))
    assert isinstance(found, Ambiguous)
    search, found = look(LOST, ATTEMPT, search, rows, frozenset(), at(60))
    assert found is None


def test_absence_needs_both_time_and_clean_readings():
    search = Search()
    for second in range(0, int(ABSENT_AFTER.total_seconds()), 3):
        search, found = look(LOST, ATTEMPT, search, [], frozenset(), at(second))
        assert found is None
    _, found = look(LOST, ATTEMPT, search, [], frozenset(), at(181))
    assert found == NotFound()
    _, found = look(LOST, ATTEMPT, Search(), [], frozenset(), at(181))
    assert found is None, "one reading after a restart proves nothing"


def test_an_order_thought_absent_is_still_found_when_it_turns_up():
    absent = replace(LOST, state=State.ABSENT)
    row = report(time="100010")

    search, _ = look(absent, ATTEMPT, Search(), [row], frozenset(), at(300))
    _, found = look(absent, ATTEMPT, search, [row], frozenset(), at(311))

    assert found == Found(row)


def test_a_row_stamped_too_late_is_never_linked_by_itself_but_put_to_a_person_once():
    row = report(time="100020")

    search, found = look(LOST, ATTEMPT, Search(), [row], frozenset(), at(21))
    assert found is None
    search, found = look(LOST, ATTEMPT, search, [row], frozenset(), at(45))
    assert found is None, "it may be a newer order of ours that is not written down yet"
    search, found = look(LOST, ATTEMPT, search, [row], frozenset(), at(52))
    assert found == Ambiguous((row,))
    for second in range(60, 600, 10):
        search, found = look(LOST, ATTEMPT, search, [row], frozenset(), at(second))
        assert found is None, "neither asked again nor called absent"


def test_a_row_whose_stamp_cannot_be_read_is_a_question_and_not_a_crash():
    search, _ = look(LOST, ATTEMPT, Search(), [report(time="??")], frozenset(), at(2))
    _, found = look(LOST, ATTEMPT, search, [report(time="??")], frozenset(), at(40))

    assert isinstance(found, Ambiguous)


def test_the_channel_of_our_orders_is_learned_from_three_that_agree():
    ours = [report(order_no=f"000000001{n}", channel="OpnAPI") for n in range(3)]
    numbers = frozenset(row.order_no for row in ours)
    stranger = report(order_no="0000000099", channel="Nsmart")

    assert own_channel([*ours, stranger], numbers) == "OpnAPI"
    assert own_channel([*ours[:2], stranger], numbers) == "", "two are not enough"
    assert own_channel([*ours[:2], report(order_no="0000000012", channel="x")], numbers) == "", "they must agree"


def test_once_the_channel_is_known_an_order_from_elsewhere_is_never_taken_for_ours():
    stranger, ours = report(channel="Nsmart"), report(order_no="0000000008", channel="OpnAPI")

    assert candidates(LOST, ATTEMPT, [stranger, ours], frozenset(), "OpnAPI") == ((ours,), ())
    assert candidates(LOST, ATTEMPT, [stranger, ours], frozenset(), "") == ((stranger, ours), ())
