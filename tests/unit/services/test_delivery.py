"""Outbox to chat: nothing lost, no third copy, in order, paced, and no chat waits for another.

Bot, sender, outbox and Telegram are the real ones; only time runs faster.
"""

import asyncio
import re
from collections import Counter
from itertools import product

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.transport.sender import Delivered
from bot.services.delivery import GROUP_RATE, Delivery, SendRate
from bot.store.outbox import Outbox
from tests.support.outbox import delivery_policy, empty_database
from tests.support.telegram_wire import LABEL, ONE, OWNER, TWO, LoopTime, delivery_harness
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def post(tmp_path, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    async with delivery_harness(tmp_path) as opened:
        yield opened


# --- lost, doubled, labelled ----------------------------------------------------------------------------------------------


def without_label(text):
    """The lines of a labelled message before its label."""
    *lines, label = text.split("\n")
    assert label == LABEL
    return [line.rstrip() for line in lines]


def copies(texts):
    """How often each fill of each order is shown outside digests, and how often without the label."""
    shown, unlabelled = Counter(), Counter()
    for text in texts:
        if "미확인 알림 모음" in text:
            continue
        number = int(re.search(r"\b0{4}\d{6}\b", text)[0])
        bundle = re.search(r"묶음: #(\d+) ~ #(\d+)", text)
        to = up_to(text)
        first, last = map(int, bundle.groups()) if bundle else (to, to)
        assert last == to, "the figures are the newest fill's"
        for fill in range(first, last + 1):
            shown[number, fill] += 1
            unlabelled[number, fill] += LABEL not in text
    return shown, unlabelled


def up_to(text):
    """The cumulative quantity a message tells."""
    return int(re.search(r"(\d+)/50주", text)[1])


def digested(texts):
    return {
        (int(found[2]), int(found[1]))
        for text in texts
        if "미확인 알림 모음" in text
        for found in re.finditer(r"(\d+)/50주.* #(\d+)$", text, re.MULTILINE)
    }


def in_trouble(post):
    """Every third call is a 429, of the others every seventh answer is lost, and twice nothing works for ten seconds."""
    calls, over = 0, []

    async def outage():
        post.telegram.faults.plant("down")
        await post.time.sleep(10)
        post.telegram.faults.clear()

    def plant(_):
        nonlocal calls
        calls += 1
        if calls in {10, 40}:
            over.append(asyncio.ensure_future(outage()))
        elif calls % 3 == 0:
            post.telegram.faults.plant("flood", method="sendMessage", retry_after=1)
        elif calls % 7 == 0:
            post.telegram.faults.plant("lose_reply", method="sendMessage")

    return plant


async def test_500_fills_in_a_minute_of_floods_lost_answers_and_two_outages(post):
    """Five orders of fifty fills, each told to two chats."""
    post.before = in_trouble(post)
    for number in range(1, 51):
        with post.db.atomic():
            for order_id, chat in product(range(1, 6), (ONE, TWO)):
                post.fill(number, order_id, chat)
        await post.time.sleep(1.2)
    await post.quiet()

    fired = post.telegram.faults.fired
    assert min(fired["flood"], fired["lose_reply"], fired["down"]) >= 3, fired
    for chat in (ONE, TWO):
        texts = post.said(chat)
        shown, unlabelled = copies(texts)
        assert set(shown) | digested(texts) == set(product(range(1, 6), range(1, 51))), "nothing lost"
        assert max(shown.values()) <= 2
        assert max(unlabelled.values()) == 1, "a second copy says so"
        for order_id in range(1, 6):
            steps = [up_to(text) for text in texts if f"{order_id:010}" in text and "모음" not in text]
            assert steps == sorted(steps), "no fill is told before an earlier one"


async def test_delivered_twice_with_the_answer_lost_makes_two_copies_and_a_digest(post):
    post.telegram.faults.plant("lose_reply", times=2, method="sendMessage")
    post.fill(1)
    await post.quiet()

    first, second, digest = post.said()
    assert LABEL not in first
    assert without_label(second) == [line.rstrip() for line in first.split("\n")]
    lines = digest.splitlines()
    assert lines[0] == "📬 미확인 알림 모음 1건 [연습]"
    assert re.fullmatch(r"• 10:0\d:\d\d 체결 삼성전자 매수 1/50주 #1 #1", lines[2])
    assert LABEL not in digest


async def test_a_digest_whose_answer_is_lost_goes_again_as_a_digest(post):
    post.telegram.faults.plant("lose_reply", times=4, method="sendMessage")
    post.fill(1)
    await post.quiet()

    texts = post.said()
    assert ["모음" in text for text in texts] == [False, False, True, True, True]
    assert len(set(texts[2:])) == 1


async def test_killed_between_leaving_and_being_noted_makes_one_labelled_repeat(post):
    arrived, never = asyncio.Event(), asyncio.Event()

    async def hang():
        arrived.set()
        await never.wait()

    post.after = hang
    post.fill(1)
    await asyncio.wait_for(arrived.wait(), 5)
    post.after = None
    await post.restart()
    await post.quiet()

    first, second = post.said()
    assert without_label(second) == [line.rstrip() for line in first.split("\n")]


async def test_a_letter_that_breaks_is_logged_goes_once_more_and_stops_nobody(post):
    """What cannot be made into a message is still listed in the digest by its bare facts."""
    post.box.put("fill", ONE, {"order": 1, "filled": "many"}, "broken")
    post.box.put("reply", ONE, {"text": "next"})
    with structlog.testing.capture_logs() as logs:
        await post.quiet()

    first, second = post.said()
    assert first == "next"
    assert "체결 삼성전자 매수 many/50주 #1" in second
    assert [line["log_level"] for line in logs if line["log_level"] == "error"] == ["error"] * 2


async def test_what_the_disk_would_not_take_is_found_again(post):
    """The message is out and the row cannot be marked: it is in doubt, without a restart."""
    post.db.execute("CREATE TRIGGER full BEFORE UPDATE OF message_id ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END")
    with structlog.testing.capture_logs() as logs:
        post.fill(1)
        await until(lambda: any(line["log_level"] == "error" for line in logs))
    post.db.execute("DROP TRIGGER full")
    await post.quiet()

    assert len(post.said()) == 2
    assert LABEL in post.said()[1]


# --- chats beside each other ----------------------------------------------------------------------------------------------


async def test_a_flooded_chat_is_left_alone_as_long_as_asked_and_stalls_no_other(post):
    def flood(message):
        if message.chat_id == ONE and not post.telegram.faults.fired["flood"]:
            post.telegram.faults.plant("flood", method="sendMessage", retry_after=60)

    post.before = flood
    post.fill(1, chat=ONE)
    await until(lambda: post.telegram.faults.fired["flood"])
    began = post.time.seconds()
    for number in range(1, 4):
        post.fill(number, chat=TWO)
    await until(lambda: len(post.said(TWO)) == 3)
    assert post.said(ONE) == []
    await post.quiet()

    assert post.time.seconds() - began >= 59
    assert LABEL not in post.said(ONE)[0], "a 429 is certain"


async def test_a_chat_that_blocks_us_keeps_its_news_and_the_owner_learns_it_once(post):
    post.db.execute("INSERT INTO people (user_id, name, role, added_at) VALUES (?, '', 'owner', '')", [OWNER])
    blocking = True

    def blocked(message):
        if message.chat_id == ONE and blocking:
            post.telegram.faults.plant(
                "error", method="sendMessage", status=403, description="Forbidden: bot was blocked by the user"
            )

    post.before = blocked
    for number in (1, 2):
        post.fill(number, chat=ONE)
    await until(lambda: post.said(OWNER))
    post.fill(1, chat=TWO)
    await until(lambda: post.said(TWO))
    assert post.said(ONE) == []
    blocking = False
    post.box.put("reply", ONE, {"text": "다시 오셨네요"})
    await post.quiet()

    assert [LABEL in text for text in post.said(ONE)] == [False, False, False]
    assert len(post.said(OWNER)) == 1
    assert f"채팅 {ONE}에 알림을 보낼 수 없습니다" in post.said(OWNER)[0]


async def test_a_chat_that_is_not_there_is_treated_like_one_that_blocks_us(post):
    post.fill(1, chat=4711)
    await until(lambda: post.db.execute("SELECT 1 FROM stopped_chats WHERE chat_id = 4711").fetchone())

    assert post.db.execute("SELECT state FROM outbox").fetchone() == ("pending",)


async def test_a_stop_delivers_what_waits_as_long_as_it_may_take(post):
    post.work.cancel()
    await asyncio.wait([post.work])
    for number in range(1, 4):
        post.fill(number, chat=ONE)
        post.fill(number, chat=TWO)
    await post.delivery.drain(3)
    assert (len(post.said(ONE)), len(post.said(TWO)), post.left()) == (3, 3, 0)

    post.telegram.faults.plant("down")
    post.fill(4)
    await post.delivery.drain(0.05)
    assert post.left() == 1


# --- pace -----------------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 30), max_size=120))
def test_a_group_never_gets_more_than_20_letters_in_a_minute(gaps):
    now = 0.0
    pace = SendRate(*GROUP_RATE, lambda: now)
    times = []
    for gap in gaps:
        now += gap
        now += pace.turn()
        times.append(now)

    for first in times:
        assert sum(first <= one < first + 59.999 for one in times) <= 20


@pytest.mark.parametrize(("chats", "seconds"), [([1], 40), (range(1, 11), 2.75), ([-5], 220)])
async def test_letters_leave_no_faster_than_a_chat_a_group_or_telegram_bears(chats, seconds):
    """Of sixty letters the burst leaves at once, and then one a second, twenty a second, or one in four seconds."""
    time, sent = LoopTime(), []
    db = empty_database()
    box = Outbox(db, time)
    chats = list(chats)
    for number in range(60):
        box.put("reply", chats[number % len(chats)], {"text": ""})

    async def deliver(message):
        sent.append(time.seconds())
        return Delivered(len(sent))

    async def reachable():
        return True

    policy = delivery_policy(db, time)
    work = asyncio.create_task(Delivery(box, policy, deliver, reachable, time.sleep, time.seconds).run())
    await until(lambda: len(sent) == 60)
    work.cancel()
    await asyncio.wait([work])
    db.close()

    assert sent[-1] >= seconds
