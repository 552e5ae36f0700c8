"""What a person silenced is withheld or soundless, nothing else is; and nothing that was withheld is lost."""

from datetime import datetime, time, timedelta

import pytest

from bot.orders.access.preferences import Preferences, Quiet, Ring, Topic
from bot.services.delivery import Delivery
from bot.store.audit.log import AuditLog
from bot.store.message_kinds import KINDS, topic_of
from bot.store.outbox import DIGEST_LINES, Outbox
from bot.store.preferences import PreferenceStore
from kis.krx import KST
from tests.support.outbox import TRADER, Clock, delivered, delivery_policy, empty_database, fill, states
from tests.support.telegram_wire import ONE, delivery_harness

NIGHT = datetime(2026, 11, 24, 3, 0, tzinfo=KST)
ALL_OFF = Preferences(rings=dict.fromkeys(Topic, Ring.OFF), quiet=Quiet(time(0), time(23, 59)))
LOCKED = (
    "found", "absent", "late", "ambiguous", "manual", "contradiction", "mismatch", "trouble", "brake", "blind", "release",
    "heard", "heard_shown", "recovering", "recovered", "stopped", "audit_key", "stepup", "join", "joined", "people",
    "stranger", "unreadable", "limits", "card", "reply", "edit", "digest",
)  # fmt: skip
"""Doubt about orders, security, halts, and what a person asked for."""


@pytest.fixture
def box():
    db = empty_database()
    yield Outbox(db, Clock())
    db.close()


def ring(box, kind, wanted, data=None, now=NIGHT):
    box.put(kind, TRADER, {"order": 1, **(data or {})})
    message = box.next(TRADER)
    box.sent(message, 1)
    PreferenceStore(box._db, AuditLog(box._db, Clock()), Clock()).keep(TRADER, wanted)
    return delivery_policy(box._db, lambda: now).ring(message)


# --- what can be silenced -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LOCKED)
def test_doubt_security_and_brakes_ring_whatever_a_person_wants_and_at_any_hour(box, kind):
    assert ring(box, kind, ALL_OFF) is Ring.ON


def test_every_kind_is_either_locked_or_of_a_topic():
    """A new kind is a decision: whether somebody may silence it."""
    topics = {kind for kind, one in KINDS.items() if one.topic is not None}
    soundless = {kind for kind, one in KINDS.items() if not one.sounds}
    groups, answers = {"group_fill"}, {"invite", "chart", "chart_edit", "look"}

    assert topics == {"fill", "ended", "corrected", "external_fill", "alert", "report"}
    assert set(KINDS) - topics - soundless - groups - answers == set(LOCKED)


@pytest.mark.parametrize("kind", [kind for kind, one in KINDS.items() if one.topic is not None])
def test_each_topic_rings_is_soundless_or_does_not_come(box, kind):
    topic = topic_of(kind, {})
    for wanted in Ring:
        assert ring(box, kind, Preferences().having(topic, wanted)) is wanted
        assert ring(box, kind, Preferences(rings={one: wanted for one in Topic if one is not topic})) is Ring.ON


def test_somebody_elses_order_is_a_topic_of_its_own(box):
    wanted = Preferences().having(Topic.OTHERS, Ring.OFF)

    assert ring(box, "fill", wanted, {"others": True}) is Ring.OFF
    assert ring(box, "ended", wanted, {"others": True}) is Ring.OFF
    assert ring(box, "fill", wanted) is Ring.ON
    assert ring(box, "mismatch", wanted, {"others": True}) is Ring.ON


def test_quiet_hours_take_the_sound_and_nothing_else(box):
    wanted = Preferences(quiet=Quiet(time(22), time(7))).having(Topic.ALERTS, Ring.OFF)

    assert ring(box, "fill", wanted) is Ring.SILENT
    assert ring(box, "alert", wanted) is Ring.OFF, "what is off stays off"
    assert ring(box, "fill", wanted, now=NIGHT.replace(hour=7)) is Ring.ON
    assert ring(box, "fill", wanted, now=NIGHT.replace(hour=22)) is Ring.SILENT


def test_heads_of_the_log_and_round_ups_never_ring(box):
    assert ring(box, "anchor", Preferences()) is Ring.SILENT
    assert ring(box, "roundup", Preferences()) is Ring.SILENT
    assert ring(box, "report", Preferences(), {"quiet": True}) is Ring.SILENT


# --- what becomes of it ---------------------------------------------------------------------------------------------------


def test_what_is_withheld_is_named_in_the_round_up_and_nowhere_else(box):
    for number in (1, 2):
        fill(box, number)
        box.withhold(box.next(TRADER), listed=True)
    box.put("roundup", TRADER, {})
    message = box.next(TRADER)

    assert [part.data["filled"] for part in message.parts] == [1, 2]
    assert message.data["count"] == 2
    delivered(box)
    assert states(box._db) == ["digested", "digested"]
    assert box.withheld(TRADER) == 0


def test_many_bundled_fills_are_withheld_together(box):
    for number in range(1, 9):
        fill(box, number)
    message = box.next(TRADER)
    box.withhold(message, listed=True)

    assert len(message.parts) == 8
    assert states(box._db) == ["withheld"] * 8


def test_a_round_up_names_the_newest_and_counts_the_rest(box):
    for number in range(1, DIGEST_LINES + 6):
        fill(box, number, order=number)
        box.withhold(box.next(TRADER), listed=True)
    box.put("roundup", TRADER, {})
    message = box.next(TRADER)

    assert (message.data["count"], len(message.parts)) == (DIGEST_LINES + 5, DIGEST_LINES)
    assert message.parts[-1].order_id == DIGEST_LINES + 5
    delivered(box)
    assert sorted(set(states(box._db))) == ["digested", "muted"]


def test_a_round_up_that_did_not_arrive_names_the_same_again(box):
    fill(box, 1)
    box.withhold(box.next(TRADER), listed=True)
    box.put("roundup", TRADER, {})
    for _ in range(2):
        message = box.next(TRADER)
        box.sending(message)
        box.doubt(message)
    assert states(box._db, "roundup") == ["failed"]

    box.put("roundup", TRADER, {})
    assert [part.order_id for part in box.next(TRADER).parts] == [1]


def test_who_wants_no_round_up_has_nothing_kept_for_one(box):
    fill(box, 1)
    box.withhold(box.next(TRADER), listed=False)

    assert states(box._db) == ["muted"]
    assert box.withheld(TRADER) == 0


def test_withheld_letters_are_forgotten_after_a_month_like_any_other():
    db, clock = empty_database(), Clock()
    box = Outbox(db, clock)
    fill(box, 1)
    box.withhold(box.next(TRADER), listed=True)
    clock.forward(timedelta(days=31))
    box.tidy()

    assert states(db) == []
    db.close()


# --- in the chat ----------------------------------------------------------------------------------------------------------


@pytest.mark.virtual_time
async def test_off_does_not_arrive_silent_arrives_without_a_sound_and_on_rings(tmp_path, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    async with delivery_harness(tmp_path) as post:
        book = PreferenceStore(post.db, AuditLog(post.db, post.time), post.time)
        for number, wanted in enumerate((Ring.ON, Ring.SILENT, Ring.OFF), start=1):
            book.keep(ONE, Preferences().having(Topic.FILLS, wanted))
            post.fill(number)
            await post.quiet()
        post.box.put("brake", ONE, {"level": 2, "was": 0, "why": "BY_PERSON", "name": "김관리"})
        await post.quiet()

        calls = [call.params for call in post.telegram.calls if call.method == "sendMessage"]
        told = zip(("1/50주", "2/50주", "신규중지"), calls, strict=True)
        assert all(words in call["text"] for words, call in told)
        assert [str(call.get("disable_notification", "false")).lower() for call in calls] == ["false", "true", "false"]

        post.box.put("roundup", ONE, {})
        await post.quiet()
        assert "꺼 둔 알림 모음" in post.said()[-1]
        assert "3/50" not in "".join(post.said()[:-1])
        assert "삼성전자 매수 3/50주" in post.said()[-1]


async def test_without_wishes_of_anybody_everything_rings(box):
    fill(box, 1)
    delivery = Delivery(box, delivery_policy(box._db, Clock()), None, None)

    assert delivery._pick(TRADER).silent is False
