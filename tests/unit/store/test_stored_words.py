"""What the database keeps outlives a release: its words do not change, and what an old row lacks is nothing."""

from datetime import datetime

import pytest

from bot.orders.access.roles import Actor, Role
from bot.orders.model.attempt import Attempt
from bot.orders.model.events import CancelState, Event, ReadBackResult
from bot.orders.model.order import Link, OrderAction, OrderState
from bot.orders.reconciliation.resolution import AccountEvidence, Resolution
from kis.krx import KST
from kis.models import OrderKind, Side
from kis.outcome import Outcome
from tests.unit.orders.model.test_order import order

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
WORDS = {
    OrderState: (
        "proposed pending confirmed submitting waiting unknown open partial filled cancelled replaced lapsed rejected not_sent "
        "absent never_booked blocked expired denied discarded"
    ),
    Outcome: "placed refused claimed throttled token misconfigured not_sent unknown",
    CancelState: "none submitting asked unknown refused",
    ReadBackResult: "none same different",
    OrderAction: "new revise",
    Side: "buy sell",
    OrderKind: "limit market other",
}


ACTIONS = (
    "confirmed warned awaits deputised voted voided requoted timed_out discarded blocked submitting accepted refused "
    "never_left deferred lost doubted found not_found claimed disowned checked moved reported day_ended cancel_step"
)
"""What the audit log calls each event of an order."""


def test_the_actions_of_events_are_stored_words():
    assert [kind.action for kind in Event.__args__] == [f"order.{word}" for word in ACTIONS.split()]


@pytest.mark.parametrize("kind", WORDS, ids=lambda kind: kind.__name__)
def test_words_that_are_stored_stay_as_they_are(kind):
    assert [one.value for one in kind] == WORDS[kind].split()
    assert [one.name.lower() for one in kind] == WORDS[kind].split()


def test_a_link_that_is_not_there_is_an_empty_word():
    assert [one.value for one in Link] == ["", "direct", "matched", "late", "human"]


def test_what_an_attempt_does_not_say_is_nothing():
    said = Attempt(1, 1, NOW, frozenset())

    assert said == Attempt(1, 1, NOW, frozenset(), None, 0.0, None, "", "", "", 0)
    assert Resolution() == Resolution(0, frozenset(), None, frozenset(), asked=False)
    assert AccountEvidence() == AccountEvidence(None, frozenset())


def test_a_person_of_whom_nothing_is_said_may_only_look():
    assert (Actor(1, 1).role, Actor(1, 1).name) == (Role.VIEWER, "")


def test_a_ticket_knows_nothing_of_the_wire_and_nothing_unusual():
    ticket = order()

    assert not any(
        (ticket.cautions, ticket.notes, ticket.warned, ticket.fingerprint, ticket.attempt, ticket.sent_at, ticket.day),
    )
    assert not any((ticket.order_no, ticket.branch, ticket.accepted_time, ticket.moved_to, ticket.claimed))
    assert not any((ticket.filled, ticket.filled_amount, ticket.growths, ticket.cancelled, ticket.finished_at))
    assert not any((ticket.parent, ticket.was_quote, ticket.code_word, ticket.message))
    assert (ticket.act, ticket.link, ticket.checked, ticket.cancel) == ("new", "", "none", "none")
