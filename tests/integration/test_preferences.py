"""/settings: everybody sees and changes their own, by buttons or words, and is spoken to in their own language."""

import asyncio

import pytest

from bot.chat.handlers.preferences import settings_card
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import current_language, use_language
from bot.demo.run import OWNER, TRADER
from bot.orders.access.preferences import Preferences, Quiet, Ring, Topic
from bot.orders.access.roles import Role
from tests.support.conversation import FAST, bought, press, reread, say, settled
from tests.support.conversation import spoken as said
from tests.support.stage import stage
from tests.support.waiting import until

pytestmark = pytest.mark.virtual_time

KO = Frame("ko", "practice", "…78-01")


def labels(message):
    return [button for row in message.buttons for button in row]


# --- one's own ------------------------------------------------------------------------------------------------------------


async def test_a_topic_goes_from_on_to_silent_to_off_and_back_by_its_button():
    async with stage(**FAST) as on:
        card = await say(on, "/settings", "내 알림 설정", TRADER.id)
        for word in ("🔕 무음 · 내 주문 체결", "🚫 끔 · 내 주문 체결", "🔔 켬 · 내 주문 체결"):
            card = await press(on, card, "내 주문 체결 →", word, TRADER.id)

        assert on.app.preferences.of(TRADER.id).rings == {Topic.FILLS: Ring.ON}
        assert on.app.preferences.of(OWNER.id) == Preferences()
        assert sum("내 알림 설정" in text for text in said(on, TRADER.id)) == 1, "one card, changed in place"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("체결 끔", Preferences().having(Topic.FILLS, Ring.OFF)),
        ("fills OFF", Preferences().having(Topic.FILLS, Ring.OFF)),
        ("보고 무음", Preferences().having(Topic.REPORTS, Ring.SILENT)),
        ("조용 22-7", Preferences(quiet=Quiet.read("22:00-07:00"))),
        ("quiet 2200~0730", Preferences(quiet=Quiet.read("22:00-07:30"))),
        ("조용 23:00 - 24:00", Preferences(quiet=Quiet.read("23:00-00:00"))),
        ("모음 끔", Preferences(roundup=False)),
        ("언어 english", Preferences(lang="en")),
    ],
)
async def test_words_change_one_thing(words, wanted):
    async with stage(**FAST) as on:
        await say(on, f"/설정 {words}", "⚙️", TRADER.id)

        assert on.app.preferences.of(TRADER.id) == wanted


async def test_words_that_mean_nothing_change_nothing_and_are_answered_with_an_example():
    async with stage(**FAST) as on:
        for words in (
            "체결",
            "체결 살살",
            "불명 끔",
            "보안 끔",
            "조용 25-7",
            "조용 7-7",
            "조용 내내",
            "모음 무음",
            "언어 fr",
            "x" * 300,
        ):
            await say(on, f"/settings {words}", "🚫", TRADER.id)

        assert on.app.preferences.of(TRADER.id) == Preferences()


def test_only_administrators_are_asked_about_what_only_they_are_told():
    trader, admin = (settings_card(Preferences(), role, KO) for role in (Role.TRADER, Role.ADMIN))

    assert "외부(HTS·MTS)" not in trader.text
    assert "외부(HTS·MTS)" in admin.text
    assert len(admin.buttons) == len(trader.buttons) + 2
    assert max(len(key.data.encode()) for row in admin.buttons for key in row) <= 64


# --- what comes of it -----------------------------------------------------------------------------------------------------


async def test_fills_that_are_off_do_not_come_yet_the_card_is_kept_current_and_others_are_told():
    async with stage(**FAST) as on:
        await say(on, "/settings 체결 끔", "🚫 끔", TRADER.id)
        await bought(on, "005930 3 시장가", TRADER.id)
        await on.telegram.wait(OWNER.id, "누적 3/3주")
        await on.telegram.wait(TRADER.id, "체결 3/3주")
        await settled(on)

        cards = [text for text in said(on, TRADER.id) if "매수" in text]
        assert len(cards) == 1, "the card alone"
        assert "✅ 체결" in cards[0]
        assert on.app.outbox.withheld(TRADER.id) == 1

        on.app.outbox.put("roundup", TRADER.id, {})
        on.app.notifier.wake()
        listed = await on.telegram.wait(TRADER.id, "꺼 둔 알림 모음")
        assert "체결 삼성전자 매수 3/3주" in listed.text


async def test_an_administrator_may_leave_other_peoples_orders_to_them():
    async with stage(**FAST) as on:
        await say(on, "/settings others off", "🚫 끔", OWNER.id)
        await bought(on, "005930 3 시장가", TRADER.id)
        await on.telegram.wait(TRADER.id, "누적 3/3주")
        await bought(on, "005930 2 시장가", OWNER.id)
        await on.telegram.wait(OWNER.id, "누적 2/2주")
        await settled(on)

        assert not any("3/3주" in text for text in said(on, OWNER.id))


async def test_a_brake_comes_to_whoever_silenced_everything():
    async with stage(**FAST) as on:
        for topic in Topic:
            await say(on, f"/settings {topic} off", "⚙️", OWNER.id)
        await say(on, "/settings quiet 00:00-23:59", "00:00-23:59", OWNER.id)
        await on.telegram.send(TRADER.id, "/halt")
        await on.telegram.wait(OWNER.id, "신규중지")

        last = [
            call
            for call in on.telegram.calls
            if call.method == "sendMessage" and "신규중지" in str(call.params["text"])
        ]
        assert all(str(call.params.get("disable_notification", "false")).lower() == "false" for call in last)


# --- languages ------------------------------------------------------------------------------------------------------------


async def test_two_people_are_told_of_the_same_fill_each_in_their_own_language():
    async with stage(**FAST) as on:
        card = await say(on, "/settings", "내 알림 설정", OWNER.id)
        await press(on, card, "English", "My settings", OWNER.id)
        await bought(on, "005930 1 시장가", TRADER.id)
        english = await on.telegram.wait(OWNER.id, "total 1/1")
        korean = await on.telegram.wait(TRADER.id, "누적 1/1주")

        assert "[PRACTICE]" in english.text
        assert "[연습]" in korean.text
        await say(on, "/price 005930", "volume", OWNER.id)
        await say(on, "/price 005930", "거래량", TRADER.id)
        await say(on, "/nonsense", "I did not understand", OWNER.id)
        menus = [call for call in on.telegram.calls if call.method == "setMyCommands"]
        assert str(OWNER.id) in str(menus[-1].params["scope"])
        assert "holdings, profit and cash" in str(menus[-1].params["commands"])


async def test_people_who_ask_at_the_same_moment_do_not_get_each_others_language():
    async with stage(**FAST) as on:
        await say(on, "/settings language en", "My settings", OWNER.id)
        await asyncio.gather(*(on.telegram.send(who.id, "/balance") for who in (OWNER, TRADER) * 3))
        await until(lambda: sum("예수금" in text for text in said(on, TRADER.id)) == 3)
        await until(lambda: sum("cash" in text for text in said(on, OWNER.id)) == 3)

        assert not any("cash" in text for text in said(on, TRADER.id))
        assert not any("예수금" in text for text in said(on, OWNER.id))


async def test_who_is_let_in_by_somebody_reading_english_is_welcomed_in_the_houses_language():
    async with stage(**FAST) as on:
        await say(on, "/settings language en", "My settings", OWNER.id)
        made = on.app.invites.make(Role.TRADER, "손님", by=OWNER.id)
        await say(on, f"/start {made.token}", "들어오셨습니다", 1003)
        await reread(on)


def test_outside_of_any_conversation_the_default_language_is_used():
    assert current_language("ko") == "ko"
    with use_language("en"):
        assert current_language("ko") == "en"
        with use_language(None):
            assert current_language("ko") == "ko"
        assert KO.lang == "en"
    assert KO.lang == "ko"
