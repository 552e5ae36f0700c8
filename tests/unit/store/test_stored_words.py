"""What the database keeps outlives a release: its words do not change, and what an old row lacks is nothing."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from bot.alerts.model import AlertKind, AlertState, Comparison, Repeat
from bot.orders.access.membership import MemberAction, MemberStep, Status
from bot.orders.access.preferences import Ring, Topic
from bot.orders.access.roles import Actor, Role
from bot.orders.access.second_factor import FactorKind
from bot.orders.model.button import AgreeResume, ButtonAction, LinkOrder, RejectLink, TapAction, decode, encode
from bot.orders.model.events import CancelState, Deputised, Event, ReadBackResult, Requoted
from bot.orders.model.order import Attempt, Link, OrderAction, OrderState
from bot.orders.model.reason import Reason
from bot.orders.reconciliation.resolution import AccountEvidence, Resolution
from bot.orders.risk.limit_overrides import ITEMS
from bot.orders.risk.trading_halt import HaltLevel
from bot.store.message_kinds import KINDS
from bot.store.rows import JSON_COLUMNS, event_detail, order_of, order_row
from kis.krx import KST
from kis.models import OrderKind, Side
from kis.outcome import Outcome
from tests.support.order_events import sample
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
    Role: "viewer trader admin owner",
    Status: "active suspended removed",
    MemberStep: "role suspend resume remove join refuse",
    TapAction: "confirm discard approve deny cancel cancel_all",
    FactorKind: "totp pin",
    Topic: "fills ends others outside alerts reports",
    Ring: "on silent off",
    AlertKind: "price move volume holdings upper lower halt vi",
    AlertState: "armed beyond resting done expired deleted",
    Repeat: "once repeat daily",
}


ACTIONS = (
    "confirmed warned awaits deputised voted voided requoted timed_out discarded blocked submitting accepted refused "
    "never_left deferred lost doubted found not_found claimed disowned checked moved reported day_ended cancel_step"
)
"""What the audit log calls each event of an order."""
MESSAGE_KINDS = (
    "absent alert ambiguous anchor audit_key blind brake card chart chart_edit contradiction corrected digest edit ended "
    "external_fill fill found group_fill heard heard_shown invite join joined late limits look manual mismatch people "
    "recovered recovering release reply report roundup stepup stopped stranger trouble "
    "unreadable"
)
LIMITS = "collar_deny day_orders_user day_value_account day_value_user market_orders max_quantity max_value orders_per_minute soft_value"


def test_kinds_of_messages_comparisons_halt_levels_and_limits_are_stored_words():
    assert sorted(KINDS) == MESSAGE_KINDS.split()
    assert [one.value for one in Comparison] == [">", ">=", "<", "<="]
    assert [(one.name, one.value) for one in HaltLevel] == [
        ("OFF", 0), ("BUYS", 1), ("NEW", 2), ("CANCEL_ALL", 3), ("FREEZE", 4),
    ]  # fmt: skip
    assert sorted(ITEMS) == LIMITS.split()


def test_the_actions_of_events_are_stored_words():
    assert [kind.action for kind in Event.__subclasses__()] == [f"order.{word}" for word in ACTIONS.split()]


@pytest.mark.parametrize("kind", WORDS, ids=lambda kind: kind.__name__)
def test_words_that_are_stored_stay_as_they_are(kind):
    assert [one.value for one in kind] == WORDS[kind].split()
    assert [one.name.lower() for one in kind] == WORDS[kind].split()


def test_a_link_that_is_not_there_is_an_empty_word():
    assert [one.value for one in Link] == ["", "direct", "matched", "late", "human"]


def test_what_an_attempt_does_not_say_is_nothing():
    said = Attempt(1, 1, NOW, frozenset())

    assert said == Attempt(1, 1, NOW, frozenset(), None, 0.0, None, "", "", "", 0)
    assert Resolution() == Resolution(0, (), frozenset(), None, frozenset(), asked=False)
    assert AccountEvidence() == AccountEvidence(None, frozenset())


def test_a_person_of_whom_nothing_is_said_may_only_look():
    assert (Actor(1, 1).role, Actor(1, 1).name) == (Role.VIEWER, "")


def test_a_ticket_knows_nothing_of_the_wire_and_nothing_unusual():
    ticket = order()

    assert not any(
        (ticket.cautions, ticket.notes, ticket.warned, ticket.fingerprint, ticket.attempt, ticket.sent_at, ticket.day)
    )
    assert not any((ticket.order_no, ticket.branch, ticket.accepted_time, ticket.moved_to, ticket.claimed))
    assert not any((ticket.filled, ticket.filled_amount, ticket.growths, ticket.cancelled, ticket.finished_at))
    assert not any((ticket.parent, ticket.was_quote, ticket.code_word, ticket.message))
    assert (ticket.act, ticket.link, ticket.checked, ticket.cancel) == ("new", "", "none", "none")


BUTTONS = {
    **{action.value: action for action in TapAction},
    "claim:0000000007:06010:100001": LinkOrder("0000000007", "06010", "100001"),
    "claim:none": RejectLink(),
    "release:1:1001:7": AgreeResume(1, 1001, 7),
}


def test_the_actions_of_an_orders_buttons_are_stored_words_and_are_read_back():
    assert {encode(action): decode(text) for text, action in BUTTONS.items()} == BUTTONS
    assert {type(one) for one in BUTTONS.values()} == set(ButtonAction.__args__)


@pytest.mark.parametrize("text", ["release:0", "claim:7", "", "confirm:1", "sell"])
def test_a_button_that_only_an_earlier_version_knew_does_nothing(text):
    assert decode(text) is None


def test_the_actions_of_buttons_about_people_are_stored_words_and_are_read_back():
    texts = [
        *(f"{step}:{role}" for step in ("role", "join") for role in ("viewer", "trader", "admin", "owner")),
        *["suspend", "resume", "remove", "refuse"],
    ]
    assert [str(MemberAction.read(text)) for text in texts] == texts
    assert {MemberAction.read(text).step for text in texts} == set(MemberStep)


def test_tuples_of_an_order_are_json_in_the_row_and_empty_texts_where_there_is_nothing():
    at = datetime(2026, 11, 23, 9, 30, tzinfo=KST)
    reasons = (Reason("DUP_EXACT", {"name": "삼성전자", "at": at}), Reason("COLLAR_NOTE", {"percent": Decimal("1.20")}))
    one = order(asked=(3, 4), approvers=("김", '"이"'), cautions=reasons)
    row = order_row(one)

    assert {name: row[name] for name in JSON_COLUMNS} == {
        "asked": "[3, 4]",
        "approvers": '["김", "\\"이\\""]',
        "cautions": '[{"code": "DUP_EXACT", "values": {"name": "삼성전자", "at": "2026-11-23T09:30:00+09:00"}}, '
        '{"code": "COLLAR_NOTE", "values": {"percent": "1.20"}}]',
        "notes": "",
    }
    assert order_row(order_of(row)) == row
    assert replace(order_of(row), cautions=()) == replace(one, cautions=())


def test_tuples_of_an_event_are_the_same_texts_in_the_audit_log():
    assert event_detail(Deputised((3, 4))) == {"asked": "[3, 4]"}
    assert event_detail(sample(Requoted, NOW))["cautions"] == '[{"code": "CLOCK_WARN", "values": {}}]'
    assert event_detail(replace(sample(Requoted, NOW), cautions=()))["cautions"] == ""
