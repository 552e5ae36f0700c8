"""Names, nicknames and messages of somebody who means harm: every card stays readable, side and size to be seen."""

import random
import re
from dataclasses import replace

import pytest

from bot.charts.renderer import ChartRenderer
from bot.chat.handlers.order_history import history_pages
from bot.chat.i18n.frame import Frame
from bot.chat.messages.fills import bundle_push, external_push, fill_push, state_push
from bot.chat.messages.order_card import order_card
from bot.chat.messages.registry import render
from bot.chat.transport.sender import Delivered, MessageSender
from bot.demo.formatting import parse_html, utf16_length
from bot.demo.run import OWNER, TOKEN, TRADER
from bot.demo.telegram import LocalTelegram
from bot.orders.access.roles import Role
from bot.orders.model.order import OrderState, Vote
from bot.orders.model.timeline import AuditEntry, MessageSent, OrderTimeline, SendAttempt
from bot.store.outbox import OutboxMessage
from kis.models import Side
from tests.support.conversation import FAST, press, say
from tests.support.memory_telegram import memory_bot
from tests.support.stage import stage
from tests.unit.orders.model.test_order import NOW, order

pytestmark = pytest.mark.virtual_time

PIECES = [
    "<b>", "</b>", "</code>", "<a href='tg://user?id=1'>", "<tg-spoiler>", "&lt;", "&#x202e;", "&amp;amp;", "<", ">", "&",
    "\u202e", "\u202d", "\u2066", "\u200b", "\u200f", "\ufeff", "\u2028", "\n", "\r", "\t", "\x00", "\x1b[31m",
    "매도", "SELL", "5,000주", "🟦 매도 ✅ 체결", "삼성전자", "[실전]", "🇰🇷", "👨‍👩‍👧", "Z̡͖̭a̶lgo", "ﷺ", "𝟎𝟎𝟓𝟗𝟑𝟎", "가" * 300,
    "https://t.me/x", "t.me/joinchat", "@everyone", "/buy 005930 999 시장가", "tg://user?id=1", "{0}", "{name}", "%s", "%n", "\\", "'",
    '"', ";--", "\ud800", "\udfff", "￿", "`", "*_[]()", "한", "ᄒ" * 50, "０", "①",
]  # fmt: skip
KINDS = ("ambiguous", "manual", "contradiction", "mismatch", "corrected", "found", "absent", "late", "ended")
FRAMES = (Frame("ko", "practice", "…56-01"), Frame("en", "real", "…56-01"))


def hostile(count):
    """Strings that somebody might put into a name, a nickname or a message: the same ones in every run."""
    dice = random.Random(20_261_123)
    return ["".join(dice.choices(PIECES, k=dice.choice((1, 2, 3, 5, 40)))) for _ in range(count)]


def suffering(words, n, state):
    """An order with these words wherever words of others can stand."""
    return order(
        state,
        id=n,
        side=(Side.BUY, Side.SELL)[n % 2],
        name=words,
        code=words[:12] if n % 3 == 0 else "005930",
        user_name=words,
        message=words,
        code_word=words if n % 2 else "APBK1943",
        order_no="0000000007",
        moved_to=words if n % 5 == 0 else "",
        quantity=1_234,
        filled=7,
        filled_amount=497_000,
        cancelled=1,
    )


def cards(words, n, frame):
    """Every kind of message about an order, a few of them for each string."""
    states = list(OrderState)
    one = suffering(words, n, states[n % len(states)])
    fill = {"filled": 7, "amount": 497_000, "step": 3, "step_amount": 213_000, "number": 2}
    external = {
        "side": one.side.value, "code": words, "name": words, "quantity": 1_234, "filled": 7, "amount": 497_000,
        "order_no": words,
    }  # fmt: skip
    kind = KINDS[n % len(KINDS)]
    asked = {"claims": [[words, words, words, "token"]], "none": "token", "why": words, "was": 1, "amount": 2}
    yield order_card(one, {"confirm": "c", "discard": "d"}, frame).text
    yield fill_push(one, fill, frame).text
    yield external_push(external, frame).text
    if kind not in {"found", "absent", "late", "ended"}:
        yield state_push(kind, one, asked, frame).text
    if n % 7 == 0:
        yield bundle_push(one, [fill] * 4, frame).text


def side_and_size_show(text, n, frame):
    first = text.split("\n")[0]
    side = (("매수", "BUY"), ("매도", "SELL"))[n % 2][frame.lang == "en"]
    assert first.startswith(f"{'🟥🟦'[n % 2]} {side} "), first
    assert frame.badge in first
    assert "1,234" in "\n".join(text.split("\n")[1:]), text


def test_ten_thousand_hostile_strings_leave_every_card_readable_with_its_side_and_size():
    for n, words in enumerate(hostile(10_000)):
        frame = FRAMES[n // 2 % 2]
        for source in cards(words, n, frame):
            text = parse_html(source).text  # what Telegram would refuse raises here
            assert utf16_length(text) <= 4_096
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u200f\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", text)
            side_and_size_show(text, n, frame)


def test_hostile_words_leave_every_page_of_a_story_and_every_digest_readable():
    for n, words in enumerate(hostile(100)):
        frame, one = FRAMES[n % 2], suffering(words, n, list(OrderState)[n % len(OrderState)])
        entries = (
            AuditEntry(1, NOW, "order.refused", None, words, {"event_code": words, "event_message": words}),
            AuditEntry(2, NOW, words, 1, words, {words: words}),
        )
        story = OrderTimeline(
            one,
            entries=entries * 20,
            votes=(Vote(1, 1, 7, words, approve=True, at=NOW),),
            attempts=(SendAttempt(1, NOW, words, words, 200, words, words, 0.1),),
            messages=(MessageSent(1, words, words, NOW, NOW, 1),),
        )
        for page in history_pages(story, frame):
            assert utf16_length(parse_html(page).text) <= 4_096
        side_word = (("매수", "BUY"), ("매도", "SELL"))[n % 2][frame.lang == "en"]
        assert side_word in parse_html(history_pages(story, frame)[0]).text
        message = OutboxMessage(
            1, 1, words or "x", {"name": words, "code": words}, one.id, 1, resent=False, made_at=NOW
        )
        digest = OutboxMessage(2, 1, "digest", {}, None, 1, resent=False, made_at=NOW, parts=(message,) * 20)
        assert parse_html(render(digest, lambda _, one=one: one, frame).text).text


async def test_a_sample_of_them_is_delivered_and_never_refused_twice():
    sample = hostile(300)
    orders = {
        n: replace(suffering(words, n, list(OrderState)[n % len(OrderState)]), code="005930")
        for n, words in enumerate(sample)
    }  # a code comes out of the exchange's own table, and stands in buttons
    telegram = LocalTelegram(token=TOKEN, people=(OWNER, TRADER))
    async with memory_bot(telegram, TOKEN) as bot:
        sender = MessageSender(
            bot,
            order=orders.get,
            card_message=lambda *_: None,
            draw=ChartRenderer().draw,
            frame=FRAMES[0],
            lang_of=lambda _: None,
        )
        for n in orders:
            fill = {"filled": 7, "amount": 497_000, "step": 3, "step_amount": 213_000}
            message = OutboxMessage(
                n + 1, OWNER.id, ("card", "fill")[n // 2 % 2], fill, n, 1, resent=False, made_at=NOW
            )
            assert isinstance(await sender.deliver(message), Delivered), ascii(sample[n])

    texts = [message.text for message in telegram.chat(OWNER.id)]
    assert len(texts) == len(sample), "one message each: none had to be sent again as plain text"
    for n, text in enumerate(texts):
        side_and_size_show(text, n, FRAMES[0])


async def test_a_hostile_nickname_and_a_hostile_refusal_go_all_the_way():
    words = "</b>\u202e<a href='tg://user?id=1'>매도 5,000주\n🟦" + "가" * 400
    async with stage(**FAST) as on:
        on.app.storage.people.put(TRADER.id, words, Role.TRADER)
        on.broker.faults.plant("refuse", path="order-cash", code="APBK1943", message=words, status=200, rt_cd="7")
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인", TRADER.id)
        told = await press(on, ticket, "확인", "⛔ 거부", TRADER.id)

        assert told.text.startswith("🟥 매수 ⛔ 거부  삼성전자 005930 [연습]")
        assert "\u202e" not in told.text
        assert on.app.storage.db.execute("SELECT count(*) FROM outbox WHERE state = 'failed'").fetchone() == (0,)


def test_the_same_words_are_hostile_in_every_run():
    assert hostile(50) == hostile(50)
    assert len(set(hostile(10_000))) > 5_000
    assert replace(suffering("x", 1, OrderState.OPEN)).side is Side.SELL
