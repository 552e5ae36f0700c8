"""What an outbox spares a chat, and what it keeps for one that refuses us."""

from datetime import timedelta

import pytest
from sqlite_utils import Database

from bot.store.outbox import STOPPED_RETRY_INTERVAL, TROUBLE_INTERVAL, Outbox
from tests.support.outbox import OWNER, TRADER, Clock, delivered, empty_database, fill, states


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def db() -> Database:
    opened = empty_database()
    yield opened
    opened.close()


@pytest.fixture
def box(db, clock) -> Outbox:
    return Outbox(db, clock)


# --- the same trouble -----------------------------------------------------------------------------------------------------


def test_the_same_trouble_is_counted_on_the_letter_that_waits(box, db, clock):
    for _ in range(37):
        box.put("trouble", TRADER, {"code": "LIST_STALE"})
        clock.forward(timedelta(seconds=5))
    box.put("trouble", TRADER, {"code": "DISK"})
    box.put("trouble", OWNER, {"code": "LIST_STALE"})

    letter = box.next(TRADER)
    assert (letter.data["code"], letter.repeats, f"{letter.last_at:%H:%M:%S}") == ("LIST_STALE", 37, "10:03:00")
    assert len(states(db, "trouble")) == 3


def test_trouble_told_just_now_is_counted_and_told_again_after_ten_minutes(box, clock):
    box.put("trouble", TRADER, {"code": "LIST_STALE"})
    delivered(box)
    for _ in range(4):
        clock.forward(timedelta(minutes=1))
        box.put("trouble", TRADER, {"code": "LIST_STALE"})
    assert box.next(TRADER) is None

    clock.forward(TROUBLE_INTERVAL)
    letter = box.next(TRADER)

    assert (letter.repeats, f"{letter.last_at:%H:%M}") == (4, "10:04")


def test_trouble_long_past_is_news_again(box, clock):
    box.put("trouble", TRADER, {"code": "LIST_STALE"})
    delivered(box)
    clock.forward(TROUBLE_INTERVAL)
    box.put("trouble", TRADER, {"code": "LIST_STALE"})

    assert (box.next(TRADER).repeats, box.next(TRADER).last_at) == (1, None)


def test_trouble_of_one_key_counts_once(box):
    for key in ("a", "a", "b", "b", "a"):
        box.put("trouble", TRADER, {"code": "LIST_STALE"}, key)

    assert box.next(TRADER).repeats == 2
    delivered(box)
    box.put("trouble", TRADER, {"code": "LIST_STALE"}, "b")
    assert box.next(TRADER) is None


# --- a chat that refuses us -----------------------------------------------------------------------------------------------


def refused(box: Outbox, chat: int = TRADER) -> None:
    letter = box.next(chat)
    box.sending(letter)
    box.stopped(letter, "Forbidden: bot was blocked by the user")


def test_a_chat_that_refuses_us_keeps_its_news_and_loses_its_answers(box, db, clock):
    fill(box, 1)
    box.put("reply", TRADER, {"text": "x"})
    refused(box)

    assert (states(db), states(db, "reply")) == (["pending"], ["failed"])
    assert box.ready() == [OWNER]
    clock.forward(STOPPED_RETRY_INTERVAL)
    assert TRADER in box.ready()
    assert not box.next(TRADER).resent, "a refusal is certain"


def test_the_owners_learn_of_it_once_and_again_only_after_it_had_let_us_in(box, db, clock):
    for number in range(1, 4):
        fill(box, number)
        clock.forward(STOPPED_RETRY_INTERVAL)
        refused(box)
    (told,) = db.execute("SELECT data FROM outbox WHERE kind = 'stopped' AND chat_id = ?", [OWNER]).fetchall()
    assert "7" in told[0]

    delivered(box)
    refused(box)
    assert len(states(db, "stopped")) == 2


def test_a_chat_whose_person_writes_is_tried_at_once(box):
    fill(box, 1)
    refused(box)
    assert TRADER not in box.ready()

    box.put("reply", TRADER, {"text": "안녕하세요"})

    assert TRADER in box.ready()


def test_an_owner_who_refuses_us_is_not_told_so(box, db):
    fill(box, 1, chat=OWNER)
    refused(box, OWNER)

    assert states(db, "stopped") == []


def test_after_a_month_a_chat_that_refuses_us_is_owed_nothing(box, db, clock):
    fill(box, 1)
    refused(box)
    fill(box, 1, chat=OWNER)
    clock.forward(timedelta(days=31))
    box.tidy()

    assert states(db) == ["failed", "pending"]
