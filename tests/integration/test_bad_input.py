"""What people get wrong, and what they are told: a sentence each, and never an order."""

import asyncio
import re
from datetime import datetime, timedelta

import pytest

from bot.demo.run import OWNER, TRADER
from bot.orders.access.roles import Actor, Role
from bot.orders.model.order import OrderState
from tests.support import virtual_time
from tests.support.conversation import FAST, confirmed, posts, press, say, settled, spoken
from tests.support.stage import stage
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("lang", ["ko", "en"])
async def test_every_slip_of_the_keyboard_has_its_sentence(lang):
    slips = {
        "/price": ("/price 종목", "/price stock"),
        "/price 999999": ("종목을 찾지 못했습니다", "No stock called"),
        "/price 없는회사": ("종목을 찾지 못했습니다", "No stock called"),
        "/buy 삼성 10 시장가": ("어느 종목", "which one"),
        "/buy 005930 0 시장가": ("1주 이상", "at least 1"),
        "/buy 005930 -5 시장가": ("음수", "negative"),
        "/buy 005930 1.5 시장가": ("소수점", "Fractions"),
        "/buy 005930 1,00 시장가": ("수량을 알아볼 수 없습니다", "Not a quantity"),
        "/buy 005930 10만 시장가": ("수량을 알아볼 수 없습니다", "Not a quantity"),
        "/buy 005930 열주 시장가": ("수량을 알아볼 수 없습니다", "Not a quantity"),
        "/buy 005930 99999999999 시장가": ("수량이 너무 큽니다", "far too large"),
        "/buy 005930 2000 50000": ("1회 최대 수량", "At most 1,000 shares"),
        "/buy 005930 900 71000": ("1회 한도", "exceeds the limit"),
        "/buy 005930 10 0": ("0원일 수 없습니다", "cannot be 0"),
        "/buy 005930 10 -71000": ("가격은 음수", "price cannot be negative"),
        "/buy 005930 10 71000.5": ("원 단위", "whole won"),
        "/buy 005930 10 비싸게": ("가격을 알아볼 수 없습니다", "Not a price"),
        "/buy 005930 10 71050": ("호가단위에 맞지 않는", "Off the tick"),
        "/buy 005930 10 200000": ("상·하한가", "price limits"),
        "/buy 005930 10 시장가 71000": ("시장가 주문에는 가격을 적지 않습니다", "takes no price"),
        "/buy 005930 10 71000 빨리": ("알 수 없는 말", "More than I can read"),
        "/sell 005930 10 시장가": ("매도가능수량은 0주", "only 0 shares"),
        "/sell 005930": ("매도 가능한 수량이 없습니다", "nothing to sell"),
        "/cancel abc": ("숫자입니다", "only digits"),
        "/buy " + "가" * 300: ("너무 깁니다", "too long"),
        "사과 주세요": ("무슨 뜻인지", "did not understand"),
        "/없는명령": ("무슨 뜻인지", "did not understand"),
    }
    async with stage(**FAST, lang=lang) as on:
        for n, (words, (ko, en)) in enumerate(slips.items()):
            await say(on, words, ko if lang == "ko" else en, (OWNER, TRADER)[n % 2].id)  # two chats, one burst each

        assert posts(on) == 0
        assert on.app.storage.journal.in_state({OrderState.PROPOSED}) == []


async def test_numbers_as_people_write_them_are_understood():
    async with stage(**FAST) as on:
        for words in (
            "/buy 005930 10주 71,000원",
            "/buy 005930 １０ 71000",
            "/매수 삼성전자 10 71000",
            "/buy@kisbot_demo_bot 005930 10 +71000",
        ):
            ticket = await say(on, words, "매수 확인")
            assert "10주 × 71,000원" in ticket.text
        many = await say(on, "/buy KODEX 200 80 시장가", "매수 확인")
        assert "KODEX 200 069500" in many.text
        assert "80주" in many.text


async def test_a_price_off_the_tick_leads_to_its_neighbours():
    async with stage(**FAST) as on:
        answer = await say(on, "/buy 005930 10 71,050", "71,000원 / 71,100원")
        ticket = await press(on, answer, "71,100원", "매수 확인")

        assert "10주 × 71,100원" in ticket.text


async def test_no_cash_says_what_is_needed_what_there_is_and_what_fits():
    async with stage(**FAST, kisbot_max_order_value=100_000_000) as on:
        answer = await say(on, "/buy 005930 200 71000", "주문가능금액이 부족합니다")

        fits = int(re.search(r"최대 (\d+)주", answer.text)[1])
        assert 130 <= fits <= 140
        await say(on, f"/buy 005930 {fits} 71000", "매수 확인")


async def test_a_closed_market_says_when_it_opens():
    sunday = datetime.fromisoformat("2026-11-22T11:00:00+09:00")
    shift = sunday - virtual_time.now()
    async with stage(**FAST, clock=lambda: virtual_time.now() + shift, kisbot_market_hours="krx") as on:
        answer = await say(on, "/buy 005930 1 71000", "주문할 수 없는 시간")

        assert "11/23 09:00" in answer.text
        assert "삼성전자" in (await say(on, "/price 005930", "삼성전자")).text


async def test_a_trading_command_that_comes_late_is_not_carried_out_and_says_so():
    async with stage(**FAST) as on:
        old = int((virtual_time.now() - timedelta(minutes=6)).timestamp())
        before = on.telegram.revision
        on.telegram.inject({"message": raw_message("/buy 005930 1 시장가", date=old)})

        answer = await on.telegram.wait(OWNER.id, "늦게 도착", after=before)

        assert "6분" in answer.text
        assert on.app.storage.journal.in_state({OrderState.PROPOSED}) == []


def raw_message(text: str, **more: object) -> dict[str, object]:
    """A message as Telegram would send it, for what its own clients could not type."""
    person = {"id": OWNER.id, "is_bot": False, "first_name": OWNER.name}
    chat = {"id": OWNER.id, "type": "private", "first_name": OWNER.name}
    now = int(virtual_time.now().timestamp())
    return {"message_id": 900_001, "from": person, "chat": chat, "date": now, "text": text, **more}


@pytest.mark.parametrize(
    "words", ["/buy 005930 1 시장가", "/매도 005930 1", "/cancel all", "/정정 0000000001 61000", "123456"]
)
async def test_the_words_of_a_picture_never_trade_and_their_person_is_told_to_type_them(words):
    """Whoever passes a picture on keeps its caption, and on a phone it is hardly seen."""
    photo = [{"file_id": "x", "file_unique_id": "x", "width": 9, "height": 9}]
    async with stage(**FAST) as on:
        message = raw_message("", photo=photo, caption=words)
        del message["text"]
        on.telegram.inject({"message": message})
        await on.telegram.wait(OWNER.id, "사진에 붙은 글은 실행하지 않습니다")
        assert on.app.storage.journal.in_state({OrderState.PROPOSED}) == []

        on.telegram.inject({"message": message | {"message_id": 900_002, "caption": "/price 005930"}})
        await on.telegram.wait(OWNER.id, "삼성전자")


async def test_what_is_not_a_plain_message_of_ones_own_never_trades():
    """Edited, forwarded, via another bot, in a group, in a channel."""
    order = "/buy 005930 1 시장가"
    origin = {"type": "user", "date": 1, "sender_user": {"id": 5, "is_bot": False, "first_name": "x"}}
    group = {"id": -100, "type": "group", "title": "클럽"}
    other_bot = {"id": 9, "is_bot": True, "first_name": "bot"}
    async with stage(**FAST) as on:
        on.telegram.inject({"edited_message": {**raw_message(order), "edit_date": 1}})
        on.telegram.inject({"message": raw_message(order, via_bot=other_bot)})
        on.telegram.inject({"message": {**raw_message(order), "chat": group}})
        on.telegram.inject(
            {"channel_post": {**raw_message(order), "chat": {"id": -200, "type": "channel", "title": "t"}}}
        )
        on.telegram.inject({"message": raw_message(order, forward_origin=origin)})
        await on.telegram.wait(OWNER.id, "전달된 메시지")

        assert len(spoken(on)) == 1
        assert on.app.storage.journal.in_state({OrderState.PROPOSED}) == []


async def test_five_thousand_characters_are_answered_and_not_kept():
    async with stage(**FAST) as on:
        on.telegram.inject({"message": raw_message("/buy " + "주식 " * 1_700)})
        await on.telegram.wait(OWNER.id, "너무 깁니다")
        on.telegram.inject({"message": raw_message("나" * 5_000)})
        await on.telegram.wait(OWNER.id, "무슨 뜻인지")

        (longest,) = on.app.storage.db.execute("SELECT max(length(detail)) FROM audit").fetchone()
        assert longest < 1_000


HOSTILE = [
    "<b>005930</b>",
    "</b><script>alert(1)</script>",
    "&lt;&amp;",
    "\u202e039500 삼성전자",
    "삼성\u200b전자",
    "{name} {0} %s",
    "tg://user?id=1",
    "𝟎𝟎𝟓𝟗𝟑𝟎 <i>",
    "'; DROP TABLE orders; --",
    "\ud7a3" * 60,
]


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
async def test_hostile_words_in_every_place_are_answered_as_words(words):
    async with stage(**FAST) as on:
        for line in (
            f"/price {words}",
            f"/buy {words} 10 시장가",
            f"/buy 005930 {words}",
            f"/buy 005930 1 {words}",
            f"/cancel {words}",
            f"/top {words}",
            words,
        ):
            before = on.telegram.revision
            await on.telegram.send(OWNER.id, line)
            await on.telegram.wait(OWNER.id, lambda _: True, after=before)
        await settled(on)

        failed = on.app.storage.db.execute("SELECT count(*) FROM outbox WHERE state = 'failed'").fetchone()
        assert failed == (0,)
        assert posts(on) == 0
        assert all("\u202e" not in text for text in spoken(on))


# --- the broker misbehaves ------------------------------------------------------------------------------------------------


async def test_a_refusal_shows_the_brokers_own_words():
    async with stage(**FAST) as on:
        on.broker.faults.plant(
            "refuse", path="order-cash", code="APBK1943", message="<b>시장가</b> 불가", status=200, rt_cd="7"
        )

        text = await confirmed(on, "⛔ 거부")

        assert "<b>시장가</b> 불가 (APBK1943)" in text
        assert posts(on) == 1


async def test_a_dead_broker_is_a_sentence_not_a_trace():
    async with stage(**FAST) as on:
        on.broker.faults.plant("html", times=10, path="inquire-price")

        answer = await say(on, "/price 005930", "⚠️", within=12)

        assert "증권사" in answer.text
        assert "Traceback" not in answer.text
        on.broker.faults.clear()
        await say(on, "/price 005930", "호가단위")


async def test_when_the_last_look_before_sending_fails_nothing_is_sent():
    async with stage(**FAST) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        on.broker.faults.plant("refuse", times=10, path="inquire-daily-ccld", code="EGW00003", status=500)

        answer = await press(on, ticket, "확인", "보내지 않음")

        assert "조회에 실패해" in answer.text
        assert posts(on) == 0


# --- Telegram misbehaves --------------------------------------------------------------------------------------------------


async def test_telegram_away_loses_nothing_and_repeats_nothing():
    async with stage(**FAST) as on:
        await asyncio.sleep(0.1)
        on.telegram.faults.plant("down")
        await on.telegram.send(OWNER.id, "/balance")
        await on.telegram.send(TRADER.id, "/price 005930")
        await asyncio.sleep(1.2)
        on.telegram.faults.clear()

        await on.telegram.wait(OWNER.id, "총평가", timeout=20)
        await on.telegram.wait(TRADER.id, "호가단위", timeout=20)
        assert len(spoken(on)) == 1
        assert len(spoken(on, TRADER.id)) == 1


async def test_a_flooded_chat_waits_as_told_and_keeps_its_order():
    async with stage(**FAST) as on:
        on.telegram.faults.plant("flood", method="sendMessage", times=2, retry_after=1)
        for words in ("/help", "/price 005930", "/balance"):
            await on.telegram.send(OWNER.id, words)
            await asyncio.sleep(0.3)
        await on.telegram.wait(OWNER.id, "총평가", timeout=10)

        heads = [text.split("\n")[0] for text in spoken(on)]
        assert [("안내" in head, "삼성전자" in head, "잔고" in head).index(True) for head in heads] == [0, 1, 2]


async def test_a_message_that_may_have_arrived_comes_once_more_at_most_and_says_so():
    async with stage(**FAST) as on:
        on.telegram.faults.plant("lose_reply", method="sendMessage")
        await say(on, "/price 005930", "(재전송일 수 있음)", within=10)

        copies = [text for text in spoken(on) if "호가단위" in text]
        assert len(copies) == 2


async def test_a_second_copy_of_the_bot_holds_new_orders():
    async with stage(**FAST) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        on.telegram.faults.plant("conflict")
        await on.telegram.send(TRADER.id, "/help")
        await until(lambda: on.app.parts.trading_halt.now().level)
        order = on.app.storage.journal.in_state({OrderState.PROPOSED})[0]
        pressed = on.app.parts.desk.press(ticket.buttons[0][0].data.removeprefix("t:"), who_of(order))
        await on.app.parts.desk.carry_out(pressed)

        assert on.app.storage.journal.get(order.id).state is OrderState.BLOCKED
        assert posts(on) == 0
        await on.telegram.wait(OWNER.id, "신규중지")
        on.telegram.faults.clear()
        await say(on, "/resume", "정상", within=30)


def who_of(order):
    """The person an order belongs to."""
    return Actor(order.user_id, order.chat_id, "", Role.OWNER)
