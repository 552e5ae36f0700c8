"""What an order may become: the table decides, and whatever is not in it raises."""

from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.model import events
from bot.orders.model.events import (
    Accepted,
    CancelState,
    CancelStep,
    ExecutionReported,
    FoundAtBroker,
    ManuallyLinked,
    ReadBack,
    ReadBackResult,
    Submitting,
)
from bot.orders.model.order import (
    AT_BROKER,
    FINAL,
    IN_DOUBT,
    ON_ITS_WAY,
    TRANSITIONS,
    UNDECIDED,
    WATCHED,
    WORKING,
    ImpossibleEvent,
    Link,
    Order,
    OrderAction,
    OrderRequest,
    OrderState,
    apply,
)
from kis.krx import KST
from kis.models import OrderKind, Side
from tests.support.order_events import report, sample

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
LATER = NOW + timedelta(seconds=5)


def order(state: OrderState = OrderState.PROPOSED, **changes: object) -> Order:
    made = Order(
        id=1, version=1, state=state, side=Side.BUY, code="005930", name="삼성전자", etf=False, quantity=10,
        kind=OrderKind.LIMIT, price=71_000, user_id=1, chat_id=1, user_name="", origin=1, created_at=NOW,
        expires_at=NOW + timedelta(seconds=60), quote=71_000, quote_at=NOW, quote_change=Decimal(0), unit=71_000,
        reserve_unit=71_000, fee=100, tax=0, cash_after=0, sellable_after=None,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]  # a test names the fields it means


# --- the table --------------------------------------------------------------------------------------------------------

MOVES = {
    "order.confirmed": {"proposed": "confirmed"},
    "order.warned": {"proposed": "proposed"},
    "order.awaits": {"proposed": "pending"},
    "order.deputised": {"pending": "pending"},
    "order.voted": {"pending": "confirmed"},  # the sample's, which needs no other; by votes below
    "order.voided": {"proposed": "blocked", "pending": "blocked"},
    "order.requoted": {"confirmed": "proposed", "waiting": "proposed"},
    "order.timed_out": {"proposed": "expired", "pending": "expired", "confirmed": "expired", "waiting": "expired"},
    "order.discarded": {"proposed": "discarded", "pending": "discarded"},
    "order.blocked": {"confirmed": "blocked", "waiting": "blocked"},
    "order.submitting": {"confirmed": "submitting", "waiting": "submitting"},
    "order.accepted": {"submitting": "open"},
    "order.refused": {"submitting": "rejected"},
    "order.never_left": {"submitting": "not_sent", "waiting": "not_sent"},
    "order.deferred": {"submitting": "waiting"},
    "order.lost": {"submitting": "unknown", "waiting": "unknown"},
    "order.doubted": {"submitting": "unknown"},
    "order.found": {"unknown": "open", "absent": "open"},
    "order.not_found": {"unknown": "absent"},
    "order.claimed": {"unknown": "open", "absent": "open"},
    "order.disowned": {"unknown": "never_booked", "absent": "never_booked"},
    "order.checked": {"open": "open", "partial": "partial"},
    "order.moved": {"open": "open", "partial": "partial"},
    "order.reported": {"open": "open", "partial": "open"},  # the sample's; by quantities below
    "order.day_ended": {"open": "lapsed", "partial": "lapsed", "absent": "never_booked"},
    "order.cancel_step": {"open": "open", "partial": "partial"},
}
"""Said once more, in words: the table in the code must not change by a slip."""


def test_the_table_knows_every_event():
    assert (
        set(MOVES) == {kind.action for kind in TRANSITIONS} == {kind.action for kind in events.Event.__subclasses__()}
    )


@pytest.mark.parametrize("kind", TRANSITIONS, ids=lambda kind: kind.__name__)
def test_an_order_moves_only_along_the_table(kind):
    for state in OrderState:
        before, event = order(state), sample(kind, NOW)
        if state in MOVES[kind.action]:
            after = apply(before, event, LATER)
            assert after.state == MOVES[kind.action][state]
            assert after.version == before.version + 1
            assert after.finished_at == (LATER if after.state in FINAL else None)
        else:
            with pytest.raises(ImpossibleEvent, match=f"{kind.__name__} .* {state}"):
                apply(before, event, LATER)


def test_only_final_states_are_dead_ends():
    leaving = {state for steps in TRANSITIONS.values() for state in steps}
    final = "filled cancelled replaced lapsed rejected never_booked not_sent blocked expired denied discarded"

    assert set(OrderState) - leaving == FINAL == {OrderState(word) for word in final.split()}


def test_an_order_that_may_have_arrived_is_never_sent_again():
    """From UNKNOWN, ABSENT and everything at the broker no way leads back to the wire."""
    reached, seen = {OrderState.UNKNOWN, OrderState.ABSENT, *AT_BROKER}, set()
    while reached - seen:
        state = next(iter(reached - seen))
        seen.add(state)
        reached |= {to for steps in TRANSITIONS.values() if not callable(to := steps.get(state)) and to is not None}

    assert not seen & {OrderState.PROPOSED, *ON_ITS_WAY}


def test_what_the_sets_of_states_mean():
    assert {OrderState("proposed"), OrderState("pending")} == UNDECIDED
    assert {OrderState("open"), OrderState("partial")} == WORKING
    assert {OrderState("confirmed"), OrderState("submitting"), OrderState("waiting")} == ON_ITS_WAY
    assert {OrderState("submitting"), OrderState("unknown")} == IN_DOUBT
    assert WORKING | IN_DOUBT | {OrderState("absent")} == WATCHED
    assert (
        WORKING | {OrderState("filled"), OrderState("cancelled"), OrderState("replaced"), OrderState("lapsed")}
        == AT_BROKER
    )
    assert set(OrderState) - WATCHED - ON_ITS_WAY - {OrderState("proposed"), OrderState("pending")} == FINAL


# --- what each event leaves behind ------------------------------------------------------------------------------------

NUMBER = {"order_no": "0000000007", "branch": "06010", "accepted_time": "100001", "code_word": "", "message": ""}
LEAVES = {
    "order.confirmed": {},
    "order.warned": {"warned": True, "expires_at": NOW},
    "order.awaits": {
        "needed": 2, "expires_at": NOW, "asked": (3,), "held_after": 12, "day_after": 900_000, "asked_at": LATER,
    },
    "order.deputised": {"asked": (3, 4)},
    "order.voted": {"approvals": 1, "approvers": ("김",)},
    "order.voided": {"code_word": "ROLE_LOST"},
    "order.requoted": {
        "round": 2, "needed": 0, "approvals": 0, "approvers": (), "was_quote": 71_000, "warned": False, "quote": 71_900, "quote_at": NOW, "quote_change": Decimal("1.2"),
        "unit": 71_100, "reserve_unit": 92_300, "fee": 101, "tax": 7, "cash_after": 5, "sellable_after": 3,
        "expires_at": NOW, "cautions": ({"code": "CLOCK_WARN", "values": {}},),
    },
    "order.timed_out": {},
    "order.discarded": {},
    "order.blocked": {"code_word": "CASH", "message": "모자랍니다"},
    "order.submitting": {"attempt": 2, "sent_at": NOW, "day": date(2026, 11, 23), "code_word": ""},
    "order.accepted": NUMBER | {"link": Link.DIRECT, "claimed": False},
    "order.refused": {"code_word": "APBK0952", "message": "주문가능금액을 초과 했습니다"},
    "order.never_left": {"code_word": "NOT_SENT"},
    "order.deferred": {"code_word": "EGW00201"},
    "order.lost": {"code_word": "NO_ANSWER"},
    "order.doubted": {"code_word": "APBK9999", "message": "처음 보는 말", "claimed": True},
    "order.found": NUMBER | {"link": Link.MATCHED, "claimed": False, "day": date(2026, 11, 23)},
    "order.not_found": {},
    "order.claimed": NUMBER | {"link": Link.HUMAN, "claimed": False},
    "order.disowned": {},
    "order.checked": {"checked": ReadBackResult.SAME, "quantity": 9},
    "order.moved": {"moved_to": "0000000009"},
    "order.reported": {"filled": 0, "filled_amount": 0, "cancelled": 0},
    "order.day_ended": {},
    "order.cancel_step": {"cancel": CancelState.ASKED, "code_word": "OK", "message": "됐습니다"},
}  # fmt: skip


@pytest.mark.parametrize("kind", TRANSITIONS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("claimed", [True, False])
def test_an_event_leaves_its_own_facts_and_touches_nothing_else(kind, claimed):
    """Also what an earlier event left: a number makes an old doubt void, a refusal keeps KIS's words."""
    marks = {
        "code_word": "OLD",
        "message": "옛말",
        "claimed": claimed,
        "warned": not claimed,
        "day": date(2026, 11, 20),
    }
    before = order(next(iter(TRANSITIONS[kind])), **marks)

    after = apply(before, sample(kind, NOW), LATER)

    expected = asdict(before) | LEAVES[kind.action]
    aside = {"state", "version", "finished_at"} | ({"fingerprint"} if kind is events.Requoted else set())
    assert {k: v for k, v in asdict(after).items() if k not in aside} == {
        k: v for k, v in expected.items() if k not in aside
    }


def test_an_order_found_after_it_was_called_absent_is_linked_as_late():
    assert apply(order(OrderState.ABSENT), FoundAtBroker(report()), NOW).link is Link.LATE
    assert apply(order(OrderState.UNKNOWN), FoundAtBroker(report()), NOW).link is Link.MATCHED


def test_an_order_lives_on_the_day_of_the_row_that_it_was_found_in():
    """Sent in the last second of a day, booked in the first of the next."""
    found = apply(order(OrderState.UNKNOWN, day=date(2026, 11, 23)), FoundAtBroker(report(day=date(2026, 11, 24))), NOW)

    assert found.day == date(2026, 11, 24)


def test_a_direct_link_is_told_from_one_that_a_person_made():
    accepted, claimed = Accepted("0000000007", "06010", "100001"), ManuallyLinked("0000000007", "06010", "100001")

    assert apply(order(OrderState.SUBMITTING), accepted, NOW).link is Link.DIRECT
    assert apply(order(OrderState.UNKNOWN), claimed, NOW).link is Link.HUMAN


def test_the_day_of_an_order_is_the_day_it_was_sent():
    sent = apply(order(OrderState.CONFIRMED), Submitting(1, NOW), NOW)
    placed = apply(sent, Accepted("0000000007", "06010", "100001"), NOW)

    assert (placed.day, placed.state) == (date(2026, 11, 23), OrderState.OPEN)


def test_asking_to_cancel_does_not_cancel():
    asked = apply(order(OrderState.PARTIAL, filled=3), CancelStep(CancelState.ASKED), NOW)

    assert (asked.state, asked.cancel, asked.remaining) == (OrderState.PARTIAL, CancelState.ASKED, 7)


def test_the_end_of_an_order_is_dated_once():
    ended = apply(order(OrderState.OPEN), ExecutionReported(10, 710_000, 0, 0, 0), NOW)

    assert ended.finished_at == NOW
    assert apply(order(OrderState.OPEN, finished_at=NOW), CancelStep(CancelState.ASKED), LATER).finished_at == NOW


# --- votes ------------------------------------------------------------------------------------------------------------


def test_an_order_goes_on_once_enough_have_agreed_and_ends_with_the_first_who_refuses():
    pending = order(OrderState.PENDING, needed=2)
    one = apply(pending, events.Voted(3, "김", approve=True), NOW)
    two = apply(one, events.Voted(4, "이", approve=True), NOW)
    no = apply(one, events.Voted(4, "이", approve=False), LATER)

    assert (one.state, one.approvals, one.approvers) == (OrderState.PENDING, 1, ("김",))
    assert (two.state, two.approvals, two.approvers) == (OrderState.CONFIRMED, 2, ("김", "이"))
    assert (no.state, no.approvals, no.approvers, no.finished_at) == (OrderState.DENIED, 1, ("이",), LATER)


def test_new_figures_are_a_new_round_with_its_own_fingerprint_and_no_votes():
    before = order(OrderState.CONFIRMED, needed=2, approvals=2, approvers=("김", "이"))

    anew = apply(before, sample(events.Requoted, NOW), NOW)

    assert (anew.round, anew.needed, anew.approvals, anew.approvers) == (2, 0, 0, ())
    assert anew.fingerprint == anew.terms() != before.terms()


# --- quantities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filled", "cancelled", "rejected", "remaining", "state"),
    [
        (0, 0, 0, 10, OrderState.OPEN),
        (1, 0, 0, 9, OrderState.PARTIAL),
        (9, 0, 0, 1, OrderState.PARTIAL),
        (10, 0, 0, 0, OrderState.FILLED),
        (0, 10, 0, 0, OrderState.CANCELLED),
        (3, 7, 0, 0, OrderState.CANCELLED),
        (3, 2, 0, 5, OrderState.PARTIAL),
        (0, 2, 0, 8, OrderState.OPEN),
        (0, 0, 10, 0, OrderState.REJECTED),
        (0, 0, 9, 1, OrderState.OPEN),
        (3, 2, 5, 0, OrderState.CANCELLED),
    ],
)
def test_cumulative_quantities_say_what_an_order_is(filled, cancelled, rejected, remaining, state):
    after = apply(
        order(OrderState.OPEN), ExecutionReported(filled, filled * 71_000, cancelled, rejected, remaining), NOW
    )

    assert after.state is state
    assert (after.filled, after.filled_amount, after.cancelled) == (filled, filled * 71_000, cancelled)
    assert after.remaining == 10 - filled - cancelled - rejected


def test_more_than_all_of_it_is_all_of_it():
    """A sum over the order is a list that contradicts itself in the order's favour: it can fill no more."""
    assert apply(order(OrderState.OPEN), ExecutionReported(0, 0, 0, 11, 0), NOW).state is OrderState.REJECTED
    over = apply(order(OrderState.OPEN), ExecutionReported(4, 284_000, 7, 0, 0), NOW)
    assert (over.state, over.remaining) == (OrderState.CANCELLED, 0)


@pytest.mark.parametrize(
    ("moved_to", "filled", "remaining", "state"),
    [
        ("0000000009", 0, 0, OrderState.REPLACED),
        ("0000000009", 3, 0, OrderState.REPLACED),
        ("0000000009", 3, 1, OrderState.PARTIAL),
        ("0000000009", 0, 1, OrderState.OPEN),
        ("0000000009", 10, 0, OrderState.FILLED),
        ("", 0, 0, OrderState.OPEN),
        ("", 3, 0, OrderState.PARTIAL),
    ],
)
def test_what_was_left_goes_on_under_another_number_once_nothing_remains(moved_to, filled, remaining, state):
    before = order(OrderState.OPEN, moved_to=moved_to)

    assert apply(before, ExecutionReported(filled, filled * 71_000, 0, 0, remaining), NOW).state is state


@given(st.lists(st.integers(0, 12), max_size=8))
def test_a_fill_never_shrinks_and_never_exceeds_the_order(cumulative):
    now = order(OrderState.OPEN)
    for filled in cumulative:
        before = now
        try:
            now = apply(now, ExecutionReported(filled, filled * 71_000, 0, 0, max(0, 10 - filled)), NOW)
        except ImpossibleEvent:
            assert filled < before.filled or filled > 10 or before.state is OrderState.FILLED
            continue
        assert before.filled <= now.filled <= now.quantity
        assert now.growths == before.growths + (now.filled > before.filled)


def test_what_contradicts_is_said_with_both_figures():
    """People are told the sentence, and each contradiction once: its figures tell one from another."""
    with pytest.raises(ImpossibleEvent, match=r"shrank from 3 to 2\b"):
        apply(order(OrderState.PARTIAL, filled=3), ExecutionReported(2, 142_000, 0, 0, 8), NOW)
    with pytest.raises(ImpossibleEvent, match=r"fills 11 of 10\b"):
        apply(order(OrderState.OPEN), ExecutionReported(11, 781_000, 0, 0, 0), NOW)


def test_pushes_are_numbered_by_growth_not_by_news():
    now = order(OrderState.OPEN)
    for filled, amount, number in [(3, 213_000, 1), (3, 213_300, 1), (5, 355_300, 2), (5, 355_300, 2)]:
        now = apply(now, ExecutionReported(filled, amount, 0, 0, 10 - filled), NOW)
        assert (now.growths, now.filled_amount) == (number, amount)


def test_a_revision_is_as_large_as_what_the_broker_took():
    taken = apply(order(OrderState.OPEN, act=OrderAction.REVISE), ReadBack(ReadBackResult.SAME, 6), NOW)

    assert (taken.quantity, taken.remaining, taken.checked) == (6, 6, ReadBackResult.SAME)
    assert apply(taken, ExecutionReported(6, 426_000, 0, 0, 0), NOW).state is OrderState.FILLED


# --- what is told of an order -----------------------------------------------------------------------------------------


def test_figures_of_an_order():
    one = order(filled=4, filled_amount=283_000, cancelled=1, unit=71_100)

    assert (one.amount, one.remaining, one.average) == (711_000, 5, Decimal(70_750))
    assert order().average is None
    assert one.request == OrderRequest(Side.BUY, "005930", "삼성전자", False, 10, OrderKind.LIMIT, 71_000)


TERMS = {
    "act": OrderAction.REVISE, "parent": 4, "round": 2, "user_id": 2, "side": Side.SELL, "code": "000660", "quantity": 1,
    "kind": OrderKind.MARKET, "price": 71_100,
}  # fmt: skip


@pytest.mark.parametrize("name", TERMS)
def test_an_approval_is_for_these_terms_and_no_others(name):
    assert replace(order(), **{name: TERMS[name]}).terms() != order().terms()


def test_terms_do_not_run_into_one_another():
    assert order(code="00593", quantity=10).terms() != order(code="0059310", quantity=0).terms()
    assert order(user_id=1, parent=None).terms() != order(user_id=None, parent=1).terms()


def test_what_happens_to_an_order_is_none_of_its_terms():
    lived = order(
        OrderState.PARTIAL, version=9, quote=1, fee=7, attempt=2, order_no="0000000007", filled=3, warned=True
    )

    assert lived.terms() == order().terms()


def test_an_approval_outlives_a_new_version_of_this_program():
    """The fingerprint is stored: another way to make it would stop every order that waits at that moment."""
    assert order().terms() == "7f1474e8d89934fc6c18812b5a4f06b5"


def test_an_order_begins_without_anybody_to_ask():
    fresh = order()

    assert (fresh.needed, fresh.approvals, fresh.approvers, fresh.asked, fresh.round) == (0, 0, (), (), 1)


@pytest.mark.parametrize("cancel", CancelState)
@pytest.mark.parametrize("state", OrderState)
def test_an_order_may_be_changed_while_it_may_fill_and_no_cancel_of_it_is_under_way(state, cancel):
    one = replace(order(OrderState.OPEN), state=state, cancel=cancel)
    at_broker = state in {OrderState.OPEN, OrderState.PARTIAL}
    assert one.changeable is (at_broker and cancel not in {CancelState.SUBMITTING, CancelState.ASKED})
