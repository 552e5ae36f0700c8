"""Limits of a person and of the account: raising waits for the next trading day and is announced, lowering does not."""

import json
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.orders.access.roles import Actor, Role
from bot.orders.model.reason import Reason
from bot.orders.risk.checks import Limits
from bot.orders.risk.limit_overrides import ACCOUNT, BY_WORD, ITEMS, may_set, with_overrides
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.limits import LimitStore
from bot.store.outbox import Outbox
from kis.krx import KST, next_trading_day

HOUSE = Limits()
ANNA = Actor(1, 1, "김관리", Role.OWNER)
EVERYBODY = [1, 2, 3]
FRIDAY = datetime(2026, 11, 20, 14, 0, tzinfo=KST)


class Clock:
    def __init__(self):
        self.now = FRIDAY

    def __call__(self):
        return self.now

    @property
    def day(self):
        return self.now.date()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def db(tmp_path):
    opened = open_database(tmp_path / "kisbot.db")
    yield opened
    opened.close()


@pytest.fixture
def book(db, clock):
    return LimitStore(db, AuditLog(db, clock), Outbox(db, clock), HOUSE, clock)


def put(book, name, value, user=2):
    return book.set(user, "이매매", ITEMS[name], value, by=ANNA, everybody=EVERYBODY)


def notices(db):
    rows = db.query("SELECT chat_id, kind, data FROM outbox ORDER BY id")
    return [(row["chat_id"], json.loads(row["data"])["code"]) for row in rows if row["kind"] == "limits"]


def test_without_overrides_the_settings_hold(book, clock):
    assert book.limits_of(2, clock.day) == HOUSE


def test_lowering_counts_at_once_and_for_that_person_alone(book, clock, db):
    change = put(book, "max_value", 1_500_000)
    assert (change.was, change.now, change.raised, change.day) == (5_000_000, 1_500_000, False, clock.day)
    assert book.limits_of(2, clock.day) == replace(HOUSE, max_value=1_500_000)
    assert book.limits_of(3, clock.day) == HOUSE
    assert notices(db) == [(2, "LIMIT_LOWERED"), (1, "LIMIT_LOWERED")]


def test_raising_counts_from_the_next_trading_day_and_everybody_hears_of_it(book, clock, db):
    change = put(book, "max_value", 9_000_000)
    monday = FRIDAY.date() + timedelta(days=3)
    assert (change.raised, change.day) == (True, monday)
    for days, value in ((0, 5_000_000), (2, 5_000_000), (3, 9_000_000), (30, 9_000_000)):
        assert book.limits_of(2, clock.day + timedelta(days=days)).max_value == value
    assert notices(db) == [(chat, "LIMIT_RAISED") for chat in EVERYBODY]


@pytest.mark.parametrize("day", [20, 21, 22])
def test_over_a_weekend_the_next_trading_day_is_monday(book, clock, day):
    clock.now = FRIDAY.replace(day=day)
    assert put(book, "max_quantity", 2_000).day == FRIDAY.date().replace(day=23)


def test_lowering_takes_back_a_raise_that_waits(book, clock):
    put(book, "max_value", 9_000_000)
    put(book, "max_value", 2_000_000)
    for days in (0, 3, 30):
        assert book.limits_of(2, clock.day + timedelta(days=days)).max_value == 2_000_000
    assert [one.value for one in book.overrides(2)] == [2_000_000]


def test_a_raise_is_measured_against_what_holds_today_and_not_against_one_that_waits(book, clock):
    put(book, "max_value", 9_000_000)
    assert put(book, "max_value", 7_000_000).raised
    assert book.limits_of(2, clock.day).max_value == 5_000_000
    assert book.limits_of(2, next_trading_day(clock.day)).max_value == 7_000_000


def test_the_same_value_again_takes_a_waiting_raise_back_and_else_is_nothing(book, clock):
    assert put(book, "max_value", 5_000_000) == Reason("LIMIT_SAME", {})
    put(book, "max_value", 9_000_000)
    assert not put(book, "max_value", 5_000_000).raised
    assert book.limits_of(2, clock.day + timedelta(days=9)).max_value == 5_000_000


def test_going_back_to_the_settings_is_a_raise_where_they_are_looser(book, clock):
    put(book, "max_value", 1_000_000)
    back = put(book, "max_value", None)
    assert (back.raised, back.now) == (True, 5_000_000)
    assert book.limits_of(2, clock.day).max_value == 1_000_000
    assert book.limits_of(2, back.day) == HOUSE
    clock.now += timedelta(days=7)
    assert book.overrides() == []


@pytest.mark.parametrize(
    ("name", "looser", "tighter"),
    [
        ("max_quantity", 1_001, 999), ("soft_value", 1_000_001, 1), ("day_value_user", 10_000_001, 1),
        ("day_orders_user", 0, 19), ("day_orders_user", 21, 1), ("orders_per_minute", 0, 4),
        ("collar_deny", Decimal(6), Decimal("4.5")),
    ],
)  # fmt: skip
def test_what_lets_more_through_is_a_raise(book, clock, name, looser, tighter):
    assert book.raises(2, ITEMS[name], looser)
    assert not book.raises(2, ITEMS[name], tighter)
    assert put(book, name, looser).raised
    assert not put(book, name, tighter).raised
    assert getattr(book.limits_of(2, clock.day), name) == tighter


def test_market_orders_may_be_taken_from_a_person_at_once_and_given_back_tomorrow(book, clock):
    assert not put(book, "market_orders", value=False).raised
    assert book.limits_of(2, clock.day).market_orders is False
    assert put(book, "market_orders", value=True).raised


def test_a_soft_limit_above_a_lowered_hard_one_is_drawn_down_and_its_return_is_no_trick(book, clock):
    put(book, "max_value", 500_000)
    assert book.limits_of(2, clock.day).soft_value == 500_000
    assert put(book, "soft_value", 600_000).raised is False
    put(book, "collar_deny", Decimal(1))
    limits = book.limits_of(2, clock.day)
    assert limits.collar_note == limits.collar_confirm == limits.collar_deny == 1


def test_the_accounts_limit_is_for_everybody_and_everybody_hears_of_it(book, clock, db):
    book.set(ACCOUNT, "계좌", ITEMS["day_value_account"], 1_000_000, by=ANNA, everybody=EVERYBODY)
    assert {book.limits_of(user, clock.day).day_value_account for user in (1, 2, 99)} == {1_000_000}
    assert [chat for chat, _ in notices(db)] == EVERYBODY


def test_rows_are_only_ever_added_and_every_change_is_audited(book, db):
    put(book, "max_value", 9_000_000)
    put(book, "max_value", 1_000_000)
    for change in ("UPDATE limits SET value = '1'", "DELETE FROM limits"):
        with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
            db.execute(change)
    rows = [row for row in db.query("SELECT action, user_id, detail FROM audit") if row["action"].startswith("limits")]
    assert [(row["action"], row["user_id"]) for row in rows] == [("limits.raised", 1), ("limits.lowered", 1)]
    assert json.loads(rows[0]["detail"])["day"] == "2026-11-23"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 5, 8, 13, None]), st.integers(0, 2)), max_size=12))
def test_nothing_that_is_set_today_lets_more_through_today(tmp_path_factory, course):
    """Whatever is set in whatever order: within a day a limit only falls, and never rises before a night is over."""
    clock = Clock()
    db = open_database(tmp_path_factory.mktemp("book") / "kisbot.db")
    book = LimitStore(db, AuditLog(db, clock), Outbox(db, clock), replace(HOUSE, max_quantity=4), clock)
    for value, days in course:
        clock.now += timedelta(days=days)
        before = book.limits_of(2, clock.day).max_quantity
        put(book, "max_quantity", value)
        assert book.limits_of(2, clock.day).max_quantity <= before
    db.close()


# --- who, and how it is written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "whose", "may"),
    [
        (Role.OWNER, Role.OWNER, True), (Role.OWNER, Role.VIEWER, True), (Role.ADMIN, Role.TRADER, True),
        (Role.ADMIN, Role.VIEWER, True), (Role.ADMIN, Role.ADMIN, False), (Role.ADMIN, Role.OWNER, False),
        (Role.TRADER, Role.VIEWER, False), (Role.TRADER, Role.TRADER, False), (Role.VIEWER, Role.VIEWER, False),
    ],
)  # fmt: skip
def test_admins_set_the_limits_of_those_below_and_owners_everybodys(by, whose, may):
    assert may_set(Actor(5, 5, "", by), 9, whose, ITEMS["max_value"]) is may


def test_the_accounts_limit_is_the_owners_and_no_persons_limit_is_the_accounts():
    account = ITEMS["day_value_account"]
    assert may_set(ANNA, ACCOUNT, None, account)
    assert not may_set(replace(ANNA, role=Role.ADMIN), ACCOUNT, None, account)
    assert not may_set(ANNA, 2, Role.TRADER, account)
    assert not may_set(ANNA, ACCOUNT, None, ITEMS["max_value"])


@pytest.mark.parametrize(
    ("item", "text", "value"),
    [
        ("1회금액", "3,000,000원", 3_000_000), ("max_value", "3000000", 3_000_000), ("max_value", "0", None),
        ("max_value", "30,00", None), ("max_value", "-5", None), ("max_value", "1e6", None), ("max_value", "３００", None),
        ("하루건수", "0", 0), ("하루건수", "12건", 12), ("괴리율", "4.5%", Decimal("4.5")), ("괴리율", "NaN", None),
        ("괴리율", "0", None), ("괴리율", "31", None), ("시장가", "끔", False), ("시장가", "ON", True), ("시장가", "아마", None),
        ("max_quantity", "9" * 13, None),
    ],
)  # fmt: skip
def test_values_are_read_strictly(item, text, value):
    assert BY_WORD[item].read(text) == value


def test_each_item_is_a_limit_that_exists():
    for name in ITEMS:
        assert with_overrides(HOUSE, {name: getattr(HOUSE, name)}) == HOUSE
