"""What an order may become: the table decides, and whatever is not in it raises."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.events import Accepted, CancelState, CancelStep, Reported, Submitting
from bot.orders.model import FINAL, TRANSITIONS, ImpossibleEvent, Order, State, apply
from kis.krx import KST
from kis.models import OrderKind, Side
from tests.orders.events import sample

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=KST)


def order(state: State = State.PROPOSED, **changes: object) -> Order:
    made = Order(
        id=1, version=1, state=state, side=Side.BUY, code="005930", name="삼성전자", etf=False, quantity=10,
        kind=OrderKind.LIMIT, price=71_000, user_id=1, chat_id=1, user_name="", origin=1, created_at=NOW,
        expires_at=NOW + timedelta(seconds=60), quote=71_000, quote_at=NOW, quote_change=Decimal(0), unit=71_000,
        reserve_unit=71_000, fee=100, tax=0, cash_after=0, sellable_after=None,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]  # a test names the fields it means


@pytest.mark.parametrize(
    ("state", "kind"), list(product(State, TRANSITIONS)), ids=lambda one: getattr(one, "__name__", str(one))
)
def test_an_order_moves_only_along_the_table(state, kind):
    step = TRANSITIONS[kind].get(state)
    if step is None:
        with pytest.raises(ImpossibleEvent):
            apply(order(state), sample(kind, NOW), NOW)
    else:
        after = apply(order(state), sample(kind, NOW), NOW)
        assert after.version == 2
        assert (after.finished_at is not None) == (after.state in FINAL)


def test_every_state_can_be_reached_and_only_final_ones_are_dead_ends():
    reached = {State.PROPOSED}
    leaving = set()
    for kind, steps in TRANSITIONS.items():
        for state, to in steps.items():
            leaving.add(state)
            reached |= {apply(order(state), sample(kind, NOW), NOW).state} if callable(to) else {to}
    reached |= {State.PARTIAL, State.FILLED, State.CANCELLED}  # by quantities: tested below

    assert reached == set(State)
    assert set(State) - leaving == FINAL


@pytest.mark.parametrize(
    ("filled", "cancelled", "rejected", "state"),
    [
        (0, 0, 0, State.OPEN),
        (3, 0, 0, State.PARTIAL),
        (10, 0, 0, State.FILLED),
        (0, 10, 0, State.CANCELLED),
        (3, 7, 0, State.CANCELLED),
        (3, 2, 0, State.PARTIAL),
        (0, 2, 0, State.OPEN),
        (0, 0, 10, State.REJECTED),
    ],
)
def test_cumulative_quantities_say_what_an_order_is(filled, cancelled, rejected, state):
    after = apply(order(State.OPEN), Reported(filled, filled * 71_000, cancelled, rejected), NOW)

    assert after.state is state
    assert after.remaining == (0 if state in FINAL and state is not State.REJECTED else 10 - filled - cancelled)


@given(st.lists(st.integers(0, 12), max_size=8))
def test_a_fill_never_shrinks_and_never_exceeds_the_order(cumulative):
    now = order(State.OPEN)
    for filled in cumulative:
        before = now.filled
        try:
            now = apply(now, Reported(filled, filled * 71_000, 0, 0), NOW)
        except ImpossibleEvent:
            assert filled < before or filled > 10 or now.state is State.FILLED
            continue
        assert before <= now.filled <= now.quantity


def test_the_day_of_an_order_is_the_day_it_was_sent():
    sent = apply(order(State.CONFIRMED), Submitting(1, NOW), NOW)

    placed = apply(sent, Accepted("0000000007", "06010", "100001"), NOW)

    assert placed.key == (date(2026, 11, 23), "06010", "0000000007")
    assert placed.state is State.OPEN


def test_asking_to_cancel_does_not_cancel():
    asked = apply(order(State.PARTIAL, filled=3), CancelStep(CancelState.ASKED), NOW)

    assert (asked.state, asked.cancel, asked.remaining) == (State.PARTIAL, CancelState.ASKED, 7)
