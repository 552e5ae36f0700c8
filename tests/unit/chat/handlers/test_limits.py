"""/limits: everybody sees their own, admins set those of the people below, and a raise waits for a second factor."""

import json
from datetime import datetime, timedelta

import pytest

from bot.chat.handlers.limits import LimitHandlers
from bot.chat.i18n.catalogue import reason
from bot.chat.i18n.frame import Frame
from bot.chat.types import Request
from bot.orders.access.roles import Actor, Person, Role
from bot.orders.access.second_factor import SecondFactor, SecondFactorPolicy
from bot.orders.risk.checks import Limits
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.limits import LimitStore
from bot.store.outbox import Outbox
from bot.store.second_factors import FactorKey, SecondFactors
from kis.krx import KST
from tests.support.members import notifications

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
PEOPLE = [
    Person(1, "김관리", Role.OWNER, NOW),
    Person(2, "이매매", Role.TRADER, NOW),
    Person(3, "박 대리", Role.ADMIN, NOW),
    Person(4, "이매매", Role.VIEWER, NOW),
    Person(5, "최조회", Role.VIEWER, NOW),
]
OWNER, TRADER, ADMIN = (Actor(one.user_id, one.user_id, one.name, one.role) for one in PEOPLE[:3])


class Asked:
    """Remembers questions; the test answers them."""

    def __init__(self):
        self.open = []

    async def begin(self, who, act, subject, resume, token="", about=""):
        self.open.append((who, act, subject, resume, about))


class Harness:
    def __init__(self, home):
        clock = lambda: NOW  # noqa: E731  # time stands
        self.db = open_database(home / "kisbot.db")
        audit = AuditLog(self.db, clock)
        self.outbox = Outbox(self.db, clock)
        self.people = list(PEOPLE)
        self.book = LimitStore(self.db, audit, self.outbox, Limits(), clock)
        self.factors = SecondFactors(self.db, audit, FactorKey(home), clock, work=16)
        self.stepup = SecondFactor(self.factors, SecondFactorPolicy(), notifications(self.outbox))
        self.asked, self.posted = Asked(), []
        frame = Frame("ko", "practice", "…32-01")
        post = lambda chat, reply: self.posted.append((chat, reply.text))  # noqa: E731
        self.view = LimitHandlers(self.book, lambda: self.people, self.stepup, self.asked, post, frame, clock)

    async def say(self, who, words):
        reply = await self.view.limits(Request(who, words, 1, 1, NOW))
        return reply.text if reply is not None else None

    def notices(self):
        rows = self.db.query("SELECT chat_id, data FROM outbox WHERE kind = 'limits' ORDER BY id")
        found = [(row["chat_id"], json.loads(row["data"])) for row in rows]
        return [(chat, reason(data["code"], data["values"], "ko")) for chat, data in found]


@pytest.fixture
def harness(tmp_path):
    made = Harness(tmp_path)
    yield made
    made.db.close()


async def test_everybody_sees_their_own_and_only_admins_see_others(harness):
    text = await harness.say(TRADER, "")
    assert "1회 금액: <b>5,000,000</b>" in text
    assert "하루 건수: <b>20</b>" in text
    assert "시장가 주문: <b>켬</b>" in text
    assert "바꾸기" not in text
    assert "권한" in await harness.say(TRADER, "김관리")
    assert "권한" in await harness.say(TRADER, "2 1회금액 1")
    assert "최조회" in await harness.say(ADMIN, "5")
    assert "바꾸기" in await harness.say(ADMIN, "박 대리")


async def test_a_lower_limit_counts_at_once_and_is_told_to_whom_it_concerns(harness):
    assert await harness.say(ADMIN, "2 1회금액 3,000,000원") is None
    assert harness.book.limits_of(2, NOW.date()).max_value == 3_000_000
    assert harness.notices() == [
        (chat, "한도 내림: 이매매 · 1회 금액 5,000,000 → 3,000,000, 지금부터 (박 대리)") for chat in (2, 3)
    ]
    assert "3,000,000</b> ✎" in await harness.say(ADMIN, "2")


async def test_a_raise_is_announced_to_all_and_shown_as_waiting(harness):
    await harness.say(OWNER, "2 하루건수 0")
    assert harness.notices() == [
        (one.user_id, "한도 올림: 이매매 · 하루 건수 20 → 무제한, 2026-11-24부터 (김관리)") for one in PEOPLE
    ]
    assert "⏳ 11/24 하루 건수 → 무제한" in await harness.say(OWNER, "2")
    assert "하루 건수: <b>20</b>" in await harness.say(TRADER, "")


@pytest.mark.parametrize(
    ("who", "words", "said"),
    [
        (ADMIN, "1 1회금액 1", "낮은 권한"), (ADMIN, "3 1회금액 1", "낮은 권한"), (ADMIN, "계좌 계좌하루금액 1", "낮은 권한"),
        (OWNER, "2 계좌하루금액 1", "낮은 권한"), (OWNER, "이매매 1회금액 1", "겹칩니다"), (OWNER, "9 1회금액 1", "겹칩니다"),
        (OWNER, "2 이름 1", "그런 항목이"), (OWNER, "2 1회금액 많이", "값을 알아볼"), (OWNER, "2 1회금액 5000000", "이미 그 값"),
        (OWNER, "<b>x</b>", "&lt;b&gt;"),
    ],
)  # fmt: skip
async def test_what_is_not_done_is_said_why(harness, who, words, said):
    assert said in await harness.say(who, words)
    assert harness.notices() == []
    assert harness.book.overrides() == []


async def test_a_name_of_two_words_and_the_account_are_understood(harness):
    assert await harness.say(OWNER, "박 대리 max_quantity 10") is None
    assert harness.book.limits_of(3, NOW.date()).max_quantity == 10
    assert await harness.say(OWNER, "계좌 계좌하루금액 1000000") is None
    assert harness.book.limits_of(2, NOW.date()).day_value_account == 1_000_000
    assert "계좌 하루 금액: <b>1,000,000</b> ✎" in await harness.say(OWNER, "계좌")


async def test_a_raise_waits_for_the_second_factor_and_a_lower_limit_does_not(harness):
    harness.factors.put_pin(OWNER.user_id, "402958")
    assert await harness.say(OWNER, "2 1회금액 9000000") is None
    assert harness.book.overrides() == []
    ((who, act, subject, resume, about),) = harness.asked.open
    assert (who, act, about) == (OWNER, "limits", "이매매 · 1회 금액 → 9,000,000")

    harness.stepup.begin(OWNER, act, subject, NOW)
    harness.stepup.answer(OWNER, "402958", NOW)
    await resume(OWNER, "")
    assert [one.value for one in harness.book.overrides(2)] == [9_000_000]
    assert len(harness.notices()) == len(PEOPLE)
    assert await harness.say(OWNER, "2 1회금액 1000000") is None
    assert len(harness.asked.open) == 1


async def test_a_proof_is_good_for_the_one_raise_it_was_given_for(harness):
    harness.factors.put_pin(OWNER.user_id, "402958")
    await harness.say(OWNER, "2 1회금액 9000000")
    harness.stepup.begin(OWNER, "limits", harness.asked.open[0][2], NOW)
    harness.stepup.answer(OWNER, "402958", NOW)
    for other in ("2 1회금액 9000001", "5 1회금액 9000000", "2 하루금액 90000000"):
        await harness.say(OWNER, other)
    assert len(harness.asked.open) == 4
    assert harness.book.overrides() == []


async def test_whoever_lost_the_role_or_the_person_meanwhile_changes_nothing(harness):
    harness.factors.put_pin(ADMIN.user_id, "402958")
    await harness.say(ADMIN, "2 1회금액 9000000")
    _, act, subject, resume, _ = harness.asked.open[0]
    harness.stepup.begin(ADMIN, act, subject, NOW)
    harness.stepup.answer(ADMIN, "402958", NOW)

    await resume(Actor(3, 3, "박 대리", Role.TRADER), "")
    harness.people = [one for one in PEOPLE if one.user_id != 2]
    await resume(ADMIN, "")

    assert harness.book.overrides() == []
    assert "낮은 권한" in harness.posted[0][1]
    assert "그런 사람이" in harness.posted[1][1]


async def test_going_back_to_the_settings(harness):
    await harness.say(OWNER, "2 1회금액 1000000")
    await harness.say(OWNER, "2 1회금액 기본")
    assert "⏳ 11/24 1회 금액 → 기본" in await harness.say(OWNER, "2")
    assert harness.book.limits_of(2, NOW.date() + timedelta(days=1)).max_value == 5_000_000
