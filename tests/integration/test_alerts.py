"""/alert as people meet it: what they are answered, what rings, and that nobody touches another's."""

import asyncio
import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alerts.model import AlertState
from bot.chat.i18n.frame import Frame
from bot.chat.messages.alert_messages import alert_push
from bot.chat.types import Request
from kis.krx import KST
from tests.support.alert_world import PEOPLE, Harness, in_harness
from tests.support.outbox import OWNER, TRADER

SATURDAY = datetime(2026, 11, 21, 10, 0, tzinfo=KST)
EVENING = datetime(2026, 11, 23, 21, 0, tzinfo=KST)


def answers(words, **options):
    """What is answered to these words, where Samsung stands at 71,000."""

    async def play(harness):
        if harness.always:
            harness.exchange.set_price("005930", 71_000)
        return [(await harness.say(one)) for one in ([words] if isinstance(words, str) else words)]

    return in_harness(play, **{"always": True, **options})


def data_of(reply):
    return [key.data for row in reply.buttons for key in row]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("005930 > 72000", ["#1", "삼성전자", "72,000원 초과", "한 번 · 12/23까지", "71,000원"]),
        ("삼성전자 -3%", ["71,000원에서 −3% (68,870원 이하)"]),
        ("005930 -3% 전일", ["전일 대비 −3%"]),
        ("005930 72000 반복 7일", ["72,000원 이상", "반복 · 11/30까지"]),
        ("005930 70000", ["70,000원 이하"]),
        ("005930 > 72003", ["72,003원 초과"]),
        ("005930 거래량 3배", ["오늘 거래량", "20거래일 하루 평균", "3배", "설정한 때의 지난 20거래일"]),
        ("005930 > 70000", ["이미 넘어 있습니다"]),
        ("005930 > 999999", ["상한가", "오늘은 울릴 수 없습니다"]),
        ("005930 < 10", ["하한가", "오늘은 울릴 수 없습니다"]),
        ("보유 5%", ["보유 종목 전일 대비 ±5%", "하루 한 번"]),
    ],
)
def test_a_new_alert_is_said_back(words, parts):
    (reply,) = answers(words)

    for part in parts:
        assert part in reply.text
    assert "🚫" not in reply.text
    assert data_of(reply) == ["~/alert 삭제 1", "/alert"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("005930", "언제 알릴지도"),
        ("005930 71000", "지금 가격이 바로 71,000원"),
        ("없는회사 > 100", "종목을 찾지 못했습니다"),
        ("005930 > 만원", "알아볼 수 없습니다: 만원"),
        ("삭제 99", "그런 알림이 없습니다: 99"),
        ("삭제", "그런 알림이 없습니다"),
        ("보유 -5%", "비율을 알아볼 수 없습니다"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(words, part):
    async def play(harness):
        harness.exchange.set_price("005930", 71_000)
        assert part in (await harness.say(words)).text
        assert harness.book.live() == []

    in_harness(play, always=True)


def test_a_name_that_fits_several_is_asked_back_with_the_condition_kept():
    (reply,) = answers("삼성 > 72000")

    assert "어느 종목" in reply.text
    assert "/alert 005930 > 72000" in data_of(reply)
    assert all(len(one.encode()) <= 64 for one in data_of(reply))


def test_in_english_too():
    replies = answers(["005930 > 72000", "005930 volume 3x", "holdings 5%", "", "005930 3%"], lang="en")

    texts = [one.text for one in replies]
    assert "above ₩72,000" in texts[0]
    assert "20-day average" in texts[1]
    assert "anything held" in texts[2]
    assert "Alerts</b> 3/30" in texts[3]
    assert "+3% or -3%" in texts[4]


def test_the_list_has_a_button_that_deletes_each_and_answers_with_the_list():
    async def play(harness):
        await harness.say("005930 > 72000")
        await harness.say("000660 -3%")
        shown = await harness.say("")
        assert "2/30" in shown.text
        assert data_of(shown) == ["~/alert 삭제 1", "~/alert 삭제 2"]
        after = await harness.say("삭제 1")
        assert "#1 삭제" in after.text
        assert data_of(after) == ["~/alert 삭제 2"]
        assert (await harness.view.alerts(_ask(harness))).text == (await harness.say("")).text
        harness.exchange.set_price("005930", 72_100)
        await harness.watch.turn()
        await harness.watch.turn()
        assert harness.pushes == []

    in_harness(play, always=True)


def _ask(harness):
    return Request(PEOPLE[TRADER], "", 999, 1, harness.clock())


def test_nobody_deletes_or_sees_anothers():
    async def play(harness):
        await harness.say("005930 > 72000", TRADER)
        assert "그런 알림이 없습니다" in (await harness.say("삭제 1", OWNER)).text
        assert "0/30" in (await harness.say("", OWNER)).text
        assert len(harness.book.of(TRADER)) == 1

    in_harness(play, always=True)


def test_there_is_an_end_to_what_one_person_may_have():
    replies = answers(["005930 > 72000", "005930 > 73000", "005930 > 74000"], most=2)

    assert "한 사람이 2개까지" in replies[2].text


def test_the_same_update_answered_twice_makes_one_alert():
    async def play(harness):
        first = await harness.say("005930 > 72000", update=5)
        assert (await harness.say("005930 > 72000", update=5)).text == first.text
        assert len(harness.book.live()) == 1
        assert len(harness.watch.live) == 1

    in_harness(play, always=True)


def test_on_a_closed_day_it_says_from_when_it_is_watched_and_today_is_refused():
    async def play(harness):
        assert "11/23 09:00부터" in (await harness.say("005930 > 72000")).text
        assert "오늘 장은 끝났습니다" in (await harness.say("005930 > 72000 오늘")).text

    in_harness(play, start=SATURDAY)


def test_a_move_asked_for_in_the_evening_counts_from_the_next_days_base():
    async def play(harness):
        await harness.say("005930 +1% 전일")
        (made,) = harness.book.live()
        assert (made.day, made.state) == (None, AlertState.ARMED)

    in_harness(play, start=EVENING)


def test_what_rings_bears_the_way_to_a_ticket_and_fits_a_phone():
    async def play(harness):
        harness.exchange.set_price("005930", 71_000)
        await harness.say("005930 > 72000 반복")
        async with harness.at_work():
            harness.exchange.set_price("005930", 72_100)
            await asyncio.sleep(8)
        (letter,) = [one for one in [harness.outbox.next(TRADER)] if one is not None]
        push = alert_push(letter.data, harness.frame)
        assert letter.kind == "alert"
        assert push.text.split("\n") == [
            "🔔 <b>삼성전자</b> <code>005930</code> 알림 [연습]",
            "72,000원 초과",
            push.text.split("\n")[2],
            "#1 · 반복 · 1번째",
        ]
        assert push.text.split("\n")[2].startswith("현재 <b>72,100원</b> · 🕘 09:05:")
        assert data_of(push) == ["/buy 005930", "/sell 005930", "/chart 005930", "/price 005930", "/alert"]

    in_harness(play, always=True)


def test_a_new_start_finds_every_alert_and_what_moved_meanwhile():
    async def play(harness):
        harness.exchange.set_price("005930", 71_000)
        await harness.say("005930 > 72000")
        await harness.watch.turn()
        harness.watch.sweep()
        harness.exchange.set_price("005930", 73_000)
        await asyncio.sleep(600)
        again = Harness(harness.clock, harness.home, harness.db, simulator=harness.simulator, always=True)
        async with again.client, again.at_work():
            await asyncio.sleep(5)
        assert len(again.pushes) == 1
        assert "보지 못한 사이에 넘었습니다 (마지막으로 본 값 71,000원, 11/23 09:05" in again.pushes[0]

    in_harness(play, always=True)


hostile = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "005930 > 72000 <b>", "005930 '; DROP TABLE alerts; --", "삭제 -1", "삭제 1e9", "삭제 999999999999999999999", "\u202e005930 > 1",
            "보유 999999%", "005930 > 0x10", "005930 > ٧٢٠٠٠", "005930 +1000%", "005930 -99.99%", "005930 거래량 100배 365일 반복",
            "KODEX 200 > 30000", "Q500001 > 1", "005930 > 9999999999", "삭제 ' OR 1=1", "#1", "보유", "> 72000", "% % %",
        ],
    ),
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(st.lists(hostile, min_size=5, max_size=15))
def test_nothing_anybody_writes_breaks_it_or_goes_out_unescaped(words):
    async def play(harness):
        for one in words:
            reply = await harness.say(one)
            assert 0 < len(reply.text) <= 4_000
            bare = reply.text
            for tag in ("<b>", "</b>", "<code>", "</code>"):
                bare = bare.replace(tag, "")
            assert "<" not in bare
            assert ">" not in bare
        harness.watch.on_tick("005930", 1, 10**12, harness.clock())
        harness.watch.on_tick("005930", 10**9, 10**12, harness.clock())
        assert all("🔔" in one for one in harness.pushes)

    in_harness(play, always=True)


def test_a_full_list_fits_into_one_message():
    async def play(harness):
        for number in range(40):
            await harness.say(f"005930 거래량 {number + 2}배 반복")
        shown = await harness.say("")
        assert len(shown.text.encode("utf-16-le")) // 2 <= 4_000

    in_harness(play, always=True, most=40)


def test_a_push_is_drawn_from_its_facts_alone_whatever_they_hold():
    data = {
        "alert": 7, "code": "<x>", "name": "<b>&", "kind": "price", "op": "<", "line": 5, "again": "once", "percent": None,
        "factor": None, "start": 0, "held": False, "number": 1, "price": 4, "volume": None, "at": "2026-11-23T10:00:00+09:00",
        "unseen": True, "since": None, "last": None,
    }  # fmt: skip
    push = alert_push(json.loads(json.dumps(data)), Frame("ko", "real", "…78-01"))

    assert "&lt;b&gt;&amp;" in push.text
    assert "보지 못한 사이에 넘었습니다." in push.text
