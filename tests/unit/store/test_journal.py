"""What is on disk: private, durable, all or nothing, and only ever added to where that is promised."""

import os
import sqlite3
import stat
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot.orders.access.membership import LastOwner
from bot.orders.access.roles import Role
from bot.orders.model.button import ButtonToken, TapAction
from bot.orders.model.events import Accepted, Confirmed, Submitting
from bot.orders.model.notice import Notice
from bot.orders.model.order import Attempt, OrderState, apply
from bot.orders.ports import Stale
from bot.store.audit.log import AuditLog
from bot.store.database import backup, claim, open_database
from bot.store.inbox import Inbox
from bot.store.journal import SqliteJournal
from bot.store.outbox import Outbox
from bot.store.private_files import BadDatabase
from kis.krx import KST
from tests.support.members import members
from tests.support.outbox import waiting
from tests.unit.orders.model.test_order import NOW, order


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 10, 0, tzinfo=KST)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def db(tmp_path: Path) -> Database:
    opened = open_database(tmp_path / "home" / "kisbot.db")
    yield opened
    opened.close()


@pytest.fixture
def journal(db, clock) -> SqliteJournal:
    return SqliteJournal(db, AuditLog(db, clock), Outbox(db, clock), clock=clock)


BUTTON = ButtonToken("secret-token-of-the-button", TapAction.CONFIRM, 1, NOW + timedelta(seconds=60))


# --- the file -------------------------------------------------------------------------------------------------------------


def test_commits_survive_a_power_cut(db):
    assert db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_only_the_owner_may_read_the_file_and_its_folder(tmp_path, db):
    assert stat.S_IMODE((tmp_path / "home" / "kisbot.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "kisbot.db"
    path.write_bytes(b"this is not a database" * 100)

    with pytest.raises(BadDatabase, match="데이터베이스를 열 수 없습니다"):
        open_database(path)


def test_a_database_of_a_newer_version_is_refused(tmp_path, db):
    db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('kisbot', 'm999_future', '')")

    with pytest.raises(BadDatabase, match="m999_future"):
        open_database(tmp_path / "home" / "kisbot.db")


def test_a_backup_is_whole_and_replaces_nothing(tmp_path, db, journal):
    journal.add(order(), [], [])

    backup(tmp_path / "home" / "kisbot.db", tmp_path / "copy.db")

    copy = open_database(tmp_path / "copy.db")
    assert copy.execute("SELECT count(*) FROM orders").fetchone() == (1,)
    copy.close()
    with pytest.raises(FileExistsError):
        backup(tmp_path / "home" / "kisbot.db", tmp_path / "copy.db")


def test_audit_rows_are_only_ever_added(db, clock):
    AuditLog(db, clock).add("command", user_id=1, text="/price")

    for change in ("UPDATE audit SET detail = ''", "DELETE FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
            db.execute(change)
    (row,) = AuditLog(db, clock).rows()
    assert row["at"] == "2026-11-23T10:00:00.000+09:00"


def test_a_database_serves_one_account(db, clock):
    """The same order number is another order in another account: paper and real never share a folder."""
    claim(db, mode="paper", account="…78-01", now=clock())
    claim(db, mode="paper", account="…78-01", now=clock())

    for mode, account in (("real", "…78-01"), ("paper", "…99-01")):
        with pytest.raises(BadDatabase, match="다른 계좌"):
            claim(db, mode=mode, account=account, now=clock())


# --- orders ---------------------------------------------------------------------------------------------------------------


def test_an_order_comes_back_as_it_was_written(journal):
    made = journal.add(order(), [BUTTON], [Notice("card", 1, {"confirm": BUTTON.token})])

    assert journal.get(made.id) == replace(order(), id=made.id)
    assert journal.of_origin(1) == made


def test_one_update_proposes_one_order(journal):
    journal.add(order(), [], [])

    with pytest.raises(sqlite3.IntegrityError):
        journal.add(order(), [], [])


def test_a_change_by_somebody_else_wins_and_nothing_of_ours_is_written(journal, db):
    made = journal.add(order(), [BUTTON], [])
    after = apply(made, Confirmed(), NOW)
    journal.save(after, Confirmed())

    with pytest.raises(Stale):
        journal.save(after, Confirmed(), notices=[Notice("card", 1, {})])
    assert db.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM audit WHERE action = 'order.confirmed'").fetchone() == (1,)


def test_a_button_works_once_and_its_second_use_undoes_the_change_with_it(journal):
    made = journal.add(order(), [BUTTON], [])
    button = journal.button(BUTTON.digest)
    confirmed = apply(made, Confirmed(), NOW)
    journal.save(confirmed, Confirmed(), uses=button.id)
    sent = apply(confirmed, Submitting(1, NOW), NOW)

    with pytest.raises(Stale):
        journal.save(sent, Submitting(1, NOW), uses=button.id)
    assert journal.get(made.id) == confirmed
    assert journal.button(BUTTON.digest).used


def test_tokens_of_buttons_are_not_kept(tmp_path, db, journal, clock):
    """The journal keeps a hash; the outbox forgets the token when the message was delivered."""
    journal.add(order(), [BUTTON], [Notice("card", 1, {"confirm": BUTTON.token, "discard": "other-token"})])
    box = Outbox(db, clock)
    (letter,) = waiting(box)
    assert letter.data["confirm"] == BUTTON.token
    box.sending(letter)
    box.sent(letter, 77)
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    assert BUTTON.token.encode() not in (tmp_path / "home" / "kisbot.db").read_bytes()
    assert box.card_message(1, 1) == 77


def test_the_attempt_is_written_with_the_state_that_speaks_of_it(journal):
    made = journal.add(order(), [], [])
    confirmed = apply(made, Confirmed(), NOW)
    journal.save(confirmed, Confirmed())
    attempt = Attempt(made.id, 1, NOW, frozenset({"0000000001"}))
    sent = apply(confirmed, Submitting(1, NOW), NOW)
    journal.save(sent, Submitting(1, NOW), attempt=attempt)

    assert journal.attempt(made.id) == attempt
    assert journal.in_state({OrderState.SUBMITTING}) == [sent]


def test_two_orders_cannot_claim_one_number(journal):
    for origin in (1, 2):
        made = journal.add(order(origin=origin), [], [])
        confirmed = apply(made, Confirmed(), NOW)
        journal.save(confirmed, Confirmed())
        sent = apply(confirmed, Submitting(1, NOW), NOW)
        journal.save(sent, Submitting(1, NOW))
        event = Accepted("0000000007", "06010", "100001")
        if origin == 1:
            journal.save(apply(sent, event, NOW), event)
        else:
            with pytest.raises(sqlite3.IntegrityError):
                journal.save(apply(sent, event, NOW), event)


# --- messages -------------------------------------------------------------------------------------------------------------


def test_a_notice_of_one_key_is_queued_once_however_often_it_comes(db, clock):
    box = Outbox(db, clock)
    for _ in range(5):
        box.put("fill", 1, {"order": 1}, "fill:1")
        (letter,) = waiting(box) or [None]
        if letter is not None:
            box.sending(letter)
            box.sent(letter, 1)

    assert db.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


def test_what_was_leaving_when_we_stopped_goes_again_and_is_marked(db, clock):
    box = Outbox(db, clock)
    box.put("reply", 1, {"text": "a", "keys": []})
    box.sending(waiting(box)[0])
    assert waiting(box) == []

    box.recover()

    assert waiting(box)[0].resent


def test_doubt_goes_before_fills_and_fills_before_the_rest_within_a_chat(db, clock):
    box = Outbox(db, clock)
    for kind in ("reply", "fill", "ambiguous"):
        box.put(kind, 1, {"order": 1})
    box.put("reply", 2, {"order": 1})

    assert [(one.chat_id, one.kind) for one in waiting(box)] == [(1, "ambiguous"), (2, "reply")]
    assert [one.chat_id for one in waiting(box, [1])] == [2]


def test_an_update_is_new_once_and_open_until_it_is_done(db, clock):
    box = Inbox(db, clock)
    assert box.next_offset() is None
    assert box.keep([(7, {"update_id": 7}), (8, {"update_id": 8})]) == [7, 8]
    assert box.keep([(8, {"update_id": 8})]) == []
    box.done(7)

    assert box.open() == [(8, {"update_id": 8})]
    assert box.next_offset() == 9


def test_tidying_keeps_the_offset_and_what_is_open(db, clock):
    box = Inbox(db, clock)
    box.keep([(7, {}), (8, {}), (9, {})])
    box.done(7)
    box.done(9)
    clock.now += timedelta(days=8)
    box.tidy()

    assert [update_id for update_id, _ in box.open()] == [8]
    assert box.next_offset() == 10


# --- people ---------------------------------------------------------------------------------------------------------------


def test_a_trader_added_before_the_first_start_does_not_lock_the_owner_out(db, clock):
    people = members(db, AuditLog(db, clock), clock)
    people.put(7, "셋째", Role.TRADER)

    people.welcome_owners([5])

    assert people.owners() == [5]


def test_the_owners_of_the_settings_are_let_in_only_when_nobody_is_in_charge(db, clock):
    people = members(db, AuditLog(db, clock), clock)
    people.welcome_owners([5, 6])
    people.put(7, "셋째", Role.TRADER, by=5)
    people.remove(6)
    people.welcome_owners([5, 6])

    assert [(one.user_id, one.role) for one in people.all()] == [(5, Role.OWNER), (7, Role.TRADER)]


def test_the_last_owner_stays(db, clock):
    people = members(db, AuditLog(db, clock), clock)
    people.put(5, "하나", Role.OWNER)

    with pytest.raises(LastOwner):
        people.remove(5)
    with pytest.raises(LastOwner):
        people.put(5, "하나", Role.VIEWER)
    assert people.owners() == [5]
