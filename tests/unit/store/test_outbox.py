"""The outbox: nothing is lost, nothing is shown a third time, and what presses goes first."""

import sqlite3
from datetime import timedelta

import pytest
import structlog
from sqlite_utils import Database

from bot.store.database import open_database
from bot.store.message_kinds import KINDS
from bot.store.migrations.registry import MIGRATIONS
from bot.store.outbox import DIGEST_DELAY, DIGEST_LINES, MAX_SINGLE_FILLS, Outbox
from tests.support.databases import memory_connection
from tests.support.outbox import TRADER, Clock, delivered, doubted, empty_database, fill, states, waiting


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


# --- what goes first ------------------------------------------------------------------------------------------------------


def test_doubt_then_refusals_then_fills_then_cards_then_answers_then_reports(box):
    for kind in ("report", "reply", "card", "fill", "ended", "ambiguous"):
        box.put(kind, TRADER, {"order": len(kind)})
    told = []
    while (letter := box.next(TRADER)) is not None:
        told.append(letter.kind)
        delivered(box)

    assert told == ["ambiguous", "ended", "fill", "card", "reply", "report"]


def test_a_kind_nobody_listed_is_news_as_urgent_as_a_fill(box, db):
    for kind in ("reply", "eclipse", "fill"):
        box.put(kind, TRADER, {"order": 1})

    assert [box.next(TRADER).kind, *delivered(box)] == ["eclipse", 2]
    box.put("eclipse", TRADER, {"order": 2})
    delivered(box)
    for _ in range(2):
        doubted(box)
    assert states(db, "eclipse") == ["sent", "given_up"]


def test_an_orders_figures_stay_in_step_whatever_presses(box):
    """The end of an order is more urgent than a fill, yet its own fills go before it."""
    fill(box, 1, order=2)
    fill(box, 1, order=1)
    fill(box, 2, order=1)
    box.put("ended", TRADER, {"order": 1})
    told = []
    while (letter := box.next(TRADER)) is not None:
        told.append((letter.order_id, letter.kind))
        delivered(box)

    assert told == [(1, "fill"), (1, "fill"), (1, "ended"), (2, "fill")]


# --- many fills as one ----------------------------------------------------------------------------------------------------


def test_a_few_waiting_fills_go_one_by_one_and_more_go_as_one(box, db):
    for number in range(1, MAX_SINGLE_FILLS + 1):
        fill(box, number)
        fill(box, number, order=2)
    assert box.next(TRADER).parts == ()

    fill(box, MAX_SINGLE_FILLS + 1)
    bundle = box.next(TRADER)

    assert [one.data["filled"] for one in bundle.parts] == [1, 2, 3, 4]
    assert bundle.data["filled"] == 4
    box.sending(bundle)
    box.sent(bundle, 42)
    rows = db.execute("SELECT order_id, state, message_id FROM outbox ORDER BY order_id, id").fetchall()
    assert rows == [(1, "sent", 42)] * 4 + [(2, "pending", None)] * 3


def test_a_bundle_is_marked_whole_or_not_at_all(box, db):
    for number in range(1, 6):
        fill(box, number)
    bundle = box.next(TRADER)
    box.sending(bundle)
    db.execute(
        "CREATE TRIGGER full BEFORE UPDATE OF message_id ON outbox WHEN new.id = 3 BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError):
        box.sent(bundle, 42)
    assert states(db) == ["sending"] * 5

    db.execute("DROP TRIGGER full")
    box.recover()
    assert box.next(TRADER).resent
    assert len(box.next(TRADER).parts) == 5


def test_a_bundle_ends_where_something_else_was_said_of_the_order(box):
    for number in range(1, 6):
        fill(box, number)
    box.put("corrected", TRADER, {"order": 1})
    for number in range(6, 12):
        fill(box, number)

    assert delivered(box) == [1, 2, 3, 4, 5]
    assert delivered(box) == [6]
    assert delivered(box) == [7, 8, 9, 10, 11, 12]


def test_each_fill_of_a_bundle_keeps_its_own_count_of_doubts(box, db):
    fill(box, 1)
    doubted(box)
    for number in range(2, 6):
        fill(box, number)
    assert box.next(TRADER).resent, "one of them may have been told"

    doubted(box)

    assert states(db) == ["given_up"] + ["pending"] * 4
    doubted(box)
    assert states(db) == ["given_up"] * 5


# --- in doubt -------------------------------------------------------------------------------------------------------------


def test_in_doubt_twice_means_no_third_copy_but_a_digest(box, db, clock):
    fill(box, 1)
    doubted(box)
    assert box.next(TRADER).resent
    doubted(box)
    assert box.next(TRADER) is None

    clock.forward(DIGEST_DELAY)
    digest = box.next(TRADER)

    assert (digest.kind, [one.data["filled"] for one in digest.parts]) == ("digest", [1])
    delivered(box, message_id=77)
    assert db.execute("SELECT state, message_id FROM outbox WHERE kind = 'fill'").fetchone() == ("digested", 77)
    clock.forward(timedelta(days=1))
    assert box.next(TRADER) is None


def test_a_digest_goes_out_until_one_surely_arrived_ever_more_slowly(box, db, clock):
    fill(box, 1)
    doubted(box)
    doubted(box)
    pauses = []
    for _ in range(9):
        began = clock.now
        while box.next(TRADER) is None:
            clock.forward(timedelta(seconds=5))
        pauses.append((clock.now - began).total_seconds())
        doubted(box)

    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert states(db) == ["given_up"]
    clock.forward(timedelta(minutes=5))
    delivered(box)
    assert states(db) == ["digested"]


def test_what_joins_while_a_digest_is_leaving_gets_the_next_one(box, db, clock):
    fill(box, 1)
    doubted(box)
    doubted(box)
    clock.forward(DIGEST_DELAY)
    digest = box.next(TRADER)
    box.sending(digest)
    fill(box, 2)
    doubted(box)
    doubted(box)
    box.sent(digest, 1)

    assert states(db) == ["digested", "given_up"]
    clock.forward(DIGEST_DELAY)
    delivered(box)
    assert states(db) == ["digested", "digested"]
    assert states(db, "digest") == ["sent", "sent"]


def test_more_than_a_digest_holds_goes_into_several(box, db, clock):
    for order in range(1, DIGEST_LINES + 6):
        fill(box, 1, order=order)
        doubted(box)
        doubted(box)
    clock.forward(DIGEST_DELAY)
    assert len(box.next(TRADER).parts) == DIGEST_LINES
    delivered(box)
    clock.forward(DIGEST_DELAY)
    assert len(box.next(TRADER).parts) == 5
    delivered(box)

    assert set(states(db)) == {"digested"}


def test_news_that_telegram_refuses_in_its_form_goes_into_the_digest(box, db):
    fill(box, 1)
    letter = box.next(TRADER)
    box.sending(letter)
    box.failed(letter, "BadRequest: something")

    assert states(db) == ["given_up"]
    assert db.execute("SELECT error FROM outbox WHERE kind = 'fill'").fetchone() == ("BadRequest: something",)
    assert states(db, "digest") == ["pending"]


@pytest.mark.parametrize("kind", ["reply", "card"])
def test_an_answer_is_repeated_once_and_then_dropped_with_a_line_in_the_log(box, db, kind):
    box.put(kind, TRADER, {"order": 1, "text": "5"})
    with structlog.testing.capture_logs() as logs:
        doubted(box)
        doubted(box)

    assert states(db, kind) == ["failed"]
    assert [(line["log_level"], line["kind"]) for line in logs] == [("warning", kind)]
    assert box.next(TRADER) is None


def test_a_change_of_a_message_that_stands_may_be_repeated_freely(box, db):
    box.put("card", TRADER, {"order": 1})
    delivered(box, message_id=3)
    box.put("card", TRADER, {"order": 1})
    for _ in range(5):
        box.sending(box.next(TRADER))
        box.recover()

    assert states(db, "card") == ["sent", "pending"]
    assert not box.next(TRADER).resent


def test_a_restart_makes_what_was_leaving_doubtful_and_keeps_what_was_given_up(tmp_path, clock):
    db = open_database(tmp_path / "kisbot.db")
    for order in (1, 2):
        fill(Outbox(db, clock), 1, order=order)
    box = Outbox(db, clock)
    doubted(box)
    doubted(box)
    box.sending(box.next(TRADER))
    db.execute("DELETE FROM outbox WHERE kind = 'digest'")  # as if the process had died before it was queued
    db.close()

    db = open_database(tmp_path / "kisbot.db")
    box = Outbox(db, clock)
    box.recover()

    assert states(db) == ["given_up", "pending"]
    assert (box.next(TRADER).order_id, box.next(TRADER).resent) == (2, True)
    assert states(db, "digest") == ["pending"]
    db.close()


# --- over the days --------------------------------------------------------------------------------------------------------


def test_keys_of_fills_outlive_a_month_and_what_is_in_doubt_is_never_tidied_away(box, db, clock):
    fill(box, 1)
    delivered(box)
    fill(box, 2)
    doubted(box)
    doubted(box)
    clock.forward(timedelta(days=30))
    box.tidy()
    fill(box, 1)
    assert states(db) == ["sent", "given_up"]

    clock.forward(timedelta(days=1))
    box.tidy()
    assert states(db) == ["given_up"]


def test_a_letter_in_doubt_before_the_upgrade_is_in_doubt_after_it():
    db = Database(memory_connection(), execute_plugins=False)
    MIGRATIONS.apply(db, stop_before="m008_outbox")
    db.execute(
        "INSERT INTO outbox (chat_id, kind, data, urgency, state, tries, made_at, error) VALUES "
        "(1, 'fill', '{}', 1, 'pending', 1, '2026-11-23T10:00:00.000+09:00', 'unsure'), "
        "(2, 'fill', '{}', 1, 'pending', 0, '2026-11-23T10:00:00.000+09:00', NULL)"
    )
    MIGRATIONS.apply(db)

    assert [letter.resent for letter in waiting(Outbox(db, Clock()))] == [True, False]
    db.close()


def test_half_a_character_does_not_stop_what_it_stands_in(box):
    box.put("reply", TRADER, {"text": "삼성\ud800전자"})

    assert box.next(TRADER).data["text"] == "삼성?전자"


def test_every_kind_of_the_table_is_queued_with_its_urgency(box, db):
    for kind in KINDS:
        box.put(kind, TRADER, {"code": "X"})

    assert dict(db.execute("SELECT kind, urgency FROM outbox")) == {kind: one.urgency for kind, one in KINDS.items()}
