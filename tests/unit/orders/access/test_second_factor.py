"""When a second factor is asked, what answers do, and how lock-outs grow. No clock but the one handed in."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders.access.notifications import Notifications
from bot.orders.access.roles import Actor, Role
from bot.orders.access.second_factor import (
    CHALLENGE_TTL,
    LOCK_TIMES,
    MAX_WRONG,
    ChallengeResult,
    FactorKind,
    ProtectedAction,
    SecondFactor,
    SecondFactorPolicy,
    Tries,
    judged,
    trivial,
)
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.second_factors import FactorKey, SecondFactors
from kis.krx import KST
from tests.support.members import FixedRoster

MORNING = datetime(2026, 11, 23, 9, 30, tzinfo=KST)
ANNA, BEN = Actor(1, 1, "김관리", Role.OWNER), Actor(2, 2, "이매매", Role.TRADER)
PIN, WRONG = "402958", "000007"


@dataclass
class Harness:
    """The rules over a real store, with a clock that moves when told."""

    stepup: SecondFactor
    factors: SecondFactors
    notices: list = field(default_factory=list)
    now: datetime = MORNING

    def tell(self, notices):
        self.notices.extend(notices)

    def after(self, **by):
        self.now += timedelta(**by)
        return self.now

    def ask(self, who=BEN, action=ProtectedAction.CONFIRM, subject="order:1"):
        return self.stepup.begin(who, action, subject, self.now)

    def answer(self, code, who=BEN):
        return self.stepup.answer(who, code, self.now)

    def needs(self, value=0, action=ProtectedAction.CONFIRM, who=BEN, subject=""):
        return self.stepup.needs(who, action, value, self.now, subject)


@pytest.fixture
def make(tmp_path):
    opened = []

    def made(policy=None, *, again=False):
        db = open_database(tmp_path / "kisbot.db")
        opened.append(db)
        harness = Harness(None, None)
        clock = lambda: harness.now  # noqa: E731  # this harness's clock
        harness.factors = SecondFactors(db, AuditLog(db, clock), FactorKey(tmp_path), clock, work=16)
        harness.stepup = SecondFactor(
            harness.factors, policy or SecondFactorPolicy(), Notifications(harness, FixedRoster(ANNA.user_id))
        )
        if not again:
            harness.factors.put_pin(BEN.user_id, PIN)
        return harness

    yield made
    for db in opened:
        db.close()


# --- when -----------------------------------------------------------------------------------------------------------------


def test_without_a_value_only_those_who_chose_a_factor_are_asked(make):
    harness = make()
    assert harness.needs(10**9)
    assert not harness.needs(10**9, who=ANNA)
    assert not harness.needs(action=ProtectedAction.RESUME, who=ANNA)


def test_with_a_value_everybody_is_and_who_has_none_cannot_go_on(make):
    harness = make(SecondFactorPolicy(value=100))
    assert harness.needs(101, who=ANNA)
    assert harness.ask(ANNA).state is ChallengeResult.NOT_ENROLLED
    assert harness.answer(PIN, ANNA).state is ChallengeResult.GONE


def test_an_order_is_asked_about_only_above_the_value(make):
    harness = make(SecondFactorPolicy(usual=500_000))
    assert not harness.needs(500_000)
    assert harness.needs(500_001)
    assert make(SecondFactorPolicy(value=0)).needs(1)


@pytest.mark.parametrize("action", [ProtectedAction.RESUME, ProtectedAction.PEOPLE, ProtectedAction.LIMITS])
def test_brakes_people_and_limits_are_always_asked_about(make, action):
    assert make().needs(action=action)


def test_after_a_pause_the_first_order_is_asked_about_and_the_next_is_not(make):
    harness = make(SecondFactorPolicy(idle=timedelta(hours=12)))
    harness.after(hours=11, minutes=59)
    assert not harness.needs(1)
    harness.after(hours=12)
    assert harness.needs(1)
    assert harness.needs(1), "asking is no activity"
    harness.ask()
    harness.answer(PIN)
    assert not harness.needs(1)


def test_who_is_at_work_is_written_down_once_a_minute_at_most(make):
    """A tap on the way to the exchange does not wait for the disk."""
    harness = make()
    for _ in range(5):
        harness.needs(1)
    harness.after(seconds=59)
    harness.needs(1)
    assert harness.factors.active_at(BEN.user_id) == MORNING
    harness.after(seconds=1)
    harness.needs(1)
    assert harness.factors.active_at(BEN.user_id) == MORNING + timedelta(minutes=1)


def test_a_clock_set_back_by_hours_is_no_activity(make):
    harness = make()
    assert not harness.needs(1)
    harness.after(hours=-3)
    assert harness.needs(1)


def test_pauses_may_be_left_out(make):
    harness = make(SecondFactorPolicy(idle=None))
    harness.after(days=30)
    assert not harness.needs(1)


def test_no_such_deed_is_an_error_and_not_a_yes(make):
    with pytest.raises(ValueError, match="dance"):
        make().stepup.needs(BEN, "dance", 0, MORNING)


# --- answers --------------------------------------------------------------------------------------------------------------


def test_a_right_answer_is_good_for_that_person_deed_and_subject_for_two_minutes(make):
    harness = make()
    harness.ask(subject="order:1")
    assert harness.answer(PIN).state is ChallengeResult.PASSED
    assert not harness.needs(10**9, subject="order:1")
    for other in ({"subject": "order:2"}, {"subject": ""}, {"subject": "order:1", "action": ProtectedAction.APPROVE}):
        assert harness.needs(10**9, **other)
    harness.factors.put_pin(ANNA.user_id, "719283")
    assert harness.needs(10**9, who=ANNA, subject="order:1")
    harness.after(seconds=CHALLENGE_TTL.total_seconds())
    assert harness.needs(10**9, subject="order:1")


def test_a_question_is_answered_once_and_in_time(make):
    harness = make()
    assert harness.answer(PIN).state is ChallengeResult.GONE
    harness.ask()
    harness.answer(PIN)
    assert harness.answer(PIN).state is ChallengeResult.GONE
    harness.ask()
    harness.after(seconds=CHALLENGE_TTL.total_seconds())
    assert harness.answer(PIN).state is ChallengeResult.GONE


def test_nobody_answers_for_another(make):
    harness = make()
    harness.factors.put_pin(ANNA.user_id, PIN)
    harness.ask(BEN)
    assert harness.answer(PIN, ANNA).state is ChallengeResult.GONE


def test_a_newer_question_replaces_the_older(make):
    harness = make()
    harness.ask(subject="order:1")
    harness.ask(subject="order:2")
    harness.answer(PIN)
    assert harness.stepup.granted(BEN.user_id, "confirm", "order:2", harness.now)
    assert not harness.stepup.granted(BEN.user_id, "confirm", "order:1", harness.now)


# --- lock-out -------------------------------------------------------------------------------------------------------------


def brute(harness, times=MAX_WRONG):
    harness.ask()
    return [harness.answer(WRONG) for _ in range(times)]


def test_five_wrong_in_a_row_lock_and_even_the_right_code_is_not_heard(make):
    harness = make()
    said = brute(harness)
    assert [one.left for one in said[:4]] == [4, 3, 2, 1]
    assert [one.state for one in said] == [ChallengeResult.WRONG] * 4 + [ChallengeResult.LOCKED]
    assert harness.answer(PIN).state is ChallengeResult.GONE
    assert harness.ask().state is ChallengeResult.LOCKED
    assert harness.needs(0), "a locked person confirms nothing, however small"
    assert harness.needs(0, action=ProtectedAction.APPROVE)
    assert {one.chat_id for one in harness.notices} == {ANNA.user_id, BEN.user_id}
    assert harness.notices[0].data["code"] == "STEPUP_LOCKED"


def test_locks_last_1_5_30_minutes_and_then_until_an_owner_unlocks(make):
    harness = make()
    for lock in LOCK_TIMES:
        assert brute(harness)[-1].until == harness.now + lock
        harness.after(seconds=lock.total_seconds() - 1)
        assert harness.ask().state is ChallengeResult.LOCKED
        harness.after(seconds=1)
    assert brute(harness)[-1].until is None
    harness.after(days=365)
    assert harness.ask().state is ChallengeResult.LOCKED
    assert harness.notices[-1].data["code"] == "STEPUP_BARRED"
    assert harness.stepup.unlock(BEN.user_id, by=ANNA)
    harness.ask()
    assert harness.answer(PIN).state is ChallengeResult.PASSED


def test_a_lock_and_its_back_off_survive_a_restart(make):
    harness = make()
    brute(harness)
    again = make(again=True)
    assert again.ask().state is ChallengeResult.LOCKED
    again.after(minutes=1)
    assert brute(again)[-1].until == again.now + LOCK_TIMES[1]


def test_wrong_answers_count_across_questions_and_a_right_one_clears_them(make):
    harness = make()
    for _ in range(MAX_WRONG - 1):
        brute(harness, 1)
    harness.ask()
    assert harness.answer(PIN).state is ChallengeResult.PASSED
    assert harness.factors.tries(BEN.user_id) == Tries()


def test_a_lock_takes_back_what_was_proved_before(make):
    harness = make()
    harness.ask(subject="order:1")
    harness.answer(PIN)
    brute(harness)
    assert harness.needs(10**9, subject="order:1")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4000)), max_size=60))
def test_no_more_than_five_answers_are_heard_between_two_locks(course):
    """Over any course of answers and pauses: 20 guesses at most, then a person decides."""
    tries, now, heard = Tries(), MORNING, 0
    for right, pause in course:
        now += timedelta(seconds=pause)
        if tries.locked(now):
            continue
        heard = 0 if right else heard + 1
        tries = judged(tries, now, right=right)
    assert heard <= MAX_WRONG * (len(LOCK_TIMES) + 1)
    assert tries.wrong < MAX_WRONG


# --- the PIN --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pin",
    ["000000", "111111", "123456", "654321", "890123", "135790", "121212", "123123", "112233", "123321", "111222",
     "112211", "850214", "991231", "000229", "010203"],
)  # fmt: skip
def test_what_everybody_would_try_first_is_no_pin(make, pin):
    assert trivial(pin)
    assert make().stepup.set_pin(ANNA, pin, MORNING).code == "PIN_TRIVIAL"


def test_most_numbers_are_good_pins():
    taken = sum(trivial(f"{number:06}") for number in range(0, 1_000_000, 97))
    assert taken / (1_000_000 / 97) < 0.06


@pytest.mark.parametrize("pin", ["40295", "4029588", "40295a", "４０２９５８", ""])
def test_a_pin_is_six_plain_digits(make, pin):
    assert make().stepup.set_pin(ANNA, pin, MORNING).code == "PIN_FORM"


def test_the_first_pin_is_chosen_freely_and_told_and_another_needs_the_one_before(make):
    harness = make()
    assert harness.stepup.set_pin(ANNA, "719283", harness.now) is None
    assert harness.notices[-1].data["code"] == "STEPUP_PIN_SET"
    assert harness.stepup.set_pin(BEN, "719283", harness.now).code == "PIN_UNPROVED"
    harness.ask(action=ProtectedAction.PIN, subject="pin")
    harness.answer(PIN)
    assert harness.stepup.set_pin(BEN, "719283", harness.now) is None
    assert harness.stepup.set_pin(BEN, "528174", harness.now).code == "PIN_UNPROVED", "one proof, one change"
    harness.ask()
    assert harness.answer(PIN).state is ChallengeResult.WRONG
    assert harness.answer("719283").state is ChallengeResult.PASSED


def test_a_locked_person_cannot_get_out_by_choosing_a_new_pin(make):
    harness = make()
    brute(harness)
    assert harness.stepup.set_pin(BEN, "719283", harness.now).code == "STEPUP_LOCKED_YOU"


def test_a_factor_whose_key_is_gone_lets_nobody_through(make, tmp_path):
    harness = make()
    (tmp_path / "stepup-key.txt").unlink()
    harness.ask()
    assert harness.answer(PIN).state is ChallengeResult.UNREADABLE
    assert harness.factors.kind(BEN.user_id) is FactorKind.PIN
    assert harness.notices[-1].data["code"] == "STEPUP_UNREADABLE"
    assert harness.needs(10**9)
