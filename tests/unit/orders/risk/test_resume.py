"""Resuming takes two people: whoever asked for it does not agree to it, whichever button they get hold of."""

import pytest

from bot.orders.access.roles import Actor, Role
from bot.orders.model.button import AgreeResume
from bot.orders.model.tap_result import TapOutcome
from bot.orders.risk.trading_halt import HaltLevel, Resume, TradingHalt
from bot.store.audit.log import AuditLog
from bot.store.journal import SqliteJournal
from bot.store.outbox import Outbox
from tests.support.databases import memory_database
from tests.support.members import notifications
from tests.support.virtual_time import MONDAY_MORNING

ASKER, OTHER = (Actor(number, number, f"관리{number}", Role.ADMIN) for number in (1, 2))


@pytest.fixture
def house():
    db = memory_database()
    outbox = Outbox(db, lambda: MONDAY_MORNING)
    journal = SqliteJournal(db, AuditLog(db, lambda: MONDAY_MORNING), outbox, clock=lambda: MONDAY_MORNING)
    told = notifications(outbox, ASKER.user_id, OTHER.user_id)
    halt = TradingHalt(journal, told, clock=lambda: MONDAY_MORNING)
    tokens = iter(f"{n:022}" for n in range(9))
    resume = Resume(journal, halt, told, clock=lambda: MONDAY_MORNING, token=lambda: next(tokens), pause=0)
    halt.halt(HaltLevel.NEW, "BY_HAND", OTHER)
    assert resume.request(HaltLevel.OFF, ASKER).code == "RELEASE_ASKED"
    return db, halt, resume


def test_only_the_others_are_asked(house):
    db, _, _ = house
    assert [row["chat_id"] for row in db.table("outbox").rows_where("kind = 'release'")] == [OTHER.user_id]
    (button,) = db.table("buttons").rows
    assert button["user_id"] == OTHER.user_id


def test_the_person_who_asked_does_not_agree_and_another_administrator_does(house):
    db, halt, resume = house
    (button,) = db.table("buttons").rows
    asked = AgreeResume(int(HaltLevel.OFF), ASKER.user_id, halt.now().seq)

    assert resume.agree(button["id"], asked, ASKER).verdict is TapOutcome.NOT_YOURS
    assert halt.now().level is HaltLevel.NEW
    assert resume.agree(button["id"], asked, OTHER).verdict is TapOutcome.SETTLED
    assert halt.now().level is HaltLevel.OFF
