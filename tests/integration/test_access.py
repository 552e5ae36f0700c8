"""The guard: who gets in, from where, and what becomes of everybody else. Raw updates, as Telegram sends them."""

import random
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telegram import Update

from bot.chat.handlers.people import REMEMBERED, Strangers
from bot.chat.i18n.formatting import shown_name
from bot.chat.transport.access import AccessGuard, Visitor, WrongChat, borrowed
from bot.chat.transport.update_inbox import WANTED
from bot.chat.types import Stranger
from bot.demo.run import OWNER, TRADER
from bot.orders.access.membership import Member
from bot.orders.access.roles import Role
from bot.orders.model.order import OrderState
from bot.store.inbox import Inbox
from kis.krx import KST
from tests.integration.test_bad_input import raw_message
from tests.support import virtual_time
from tests.support.conversation import FAST, bought, posts, say, settled, spoken
from tests.support.stage import stage

pytestmark = pytest.mark.virtual_time

AT = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
GROUP = -1001
CLUB = {"id": GROUP, "type": "supergroup", "title": "클럽"}
BOT = {"id": 9, "is_bot": True, "first_name": "bot", "username": "other_bot"}
ORIGIN = {"type": "user", "date": 1, "sender_user": {"id": 5, "is_bot": False, "first_name": "x"}}
ORDER = "/buy 005930 1 시장가"
_ids = count(1)


def guard(*groups):
    known = {OWNER.id: Member(OWNER.id, "주인", Role.OWNER, AT)}
    return AccessGuard(known.get, groups)


def admit(*groups, **update):
    return guard(*groups).admit(Update.de_json({"update_id": next(_ids), **update}, None))


def tap(**more):
    bearer = raw_message("카드", **{"from": BOT})
    person = {"id": OWNER.id, "is_bot": False, "first_name": OWNER.name}
    return {"id": "1", "from": person, "chat_instance": "1", "data": "t:x", "message": bearer, **more}


# --- who gets in ----------------------------------------------------------------------------------------------------------


def test_a_person_of_the_list_is_let_in_where_they_are_alone_with_the_bot():
    came = admit(message=raw_message("/price"))

    assert isinstance(came, Visitor)
    assert (came.actor.user_id, came.actor.chat_id, came.actor.role) == (OWNER.id, OWNER.id, Role.OWNER)
    assert isinstance(admit(callback_query=tap()), Visitor)


@pytest.mark.parametrize(
    "update",
    [
        {"edited_message": {**raw_message(ORDER), "edit_date": 2}},
        {"channel_post": {**raw_message(ORDER), "chat": {"id": -200, "type": "channel", "title": "t"}}},
        {"message": raw_message(ORDER, via_bot=BOT)},
        {"message": raw_message(ORDER, sender_chat={"id": -3, "type": "channel", "title": "t"})},
        {"message": raw_message(ORDER, **{"from": BOT})},
        {"message": raw_message(ORDER, sender_business_bot=BOT)},
        {"business_message": raw_message(ORDER)},
        {"inline_query": {"id": "1", "from": raw_message("")["from"], "query": ORDER, "offset": ""}},
        {"callback_query": tap(message=None, inline_message_id="x")},
        {"callback_query": {**tap(), "from": BOT}},
        {"callback_query": tap(message={**raw_message("카드"), "chat": CLUB})},
        {"callback_query": tap(message={**raw_message("카드"), "chat": {"id": 5, "type": "private"}})},
    ],
    ids=lambda update: next(iter(update)),
)
def test_the_owners_number_alone_opens_nothing(update):
    assert not isinstance(admit(**update), Visitor)


def test_a_message_with_borrowed_words_is_known_as_that():
    for more in (
        {"forward_origin": ORIGIN},
        {"external_reply": {"origin": ORIGIN}},
        {"reply_to_message": raw_message("/buy", via_bot=BOT)},
        {"reply_to_message": raw_message("/buy", forward_origin=ORIGIN)},
    ):
        assert borrowed(admit(message=raw_message(ORDER, **more)).message), more
    assert not borrowed(admit(message=raw_message(ORDER, reply_to_message=raw_message("카드"))).message)


# --- groups ---------------------------------------------------------------------------------------------------------------


def moved_in(chat, status="member"):
    user = raw_message("")["from"]
    return {
        "chat": chat,
        "from": user,
        "date": 1,
        "old_chat_member": {"user": BOT, "status": "left"},
        "new_chat_member": {"user": BOT, "status": status, **({"until_date": 0} if status == "kicked" else {})},
    }


def test_a_group_that_is_not_in_the_settings_is_to_be_left():
    assert admit(my_chat_member=moved_in(CLUB)) == WrongChat(GROUP)
    assert admit(my_chat_member=moved_in({"id": -7, "type": "channel", "title": "t"})) == WrongChat(-7)
    assert admit(message=raw_message("/status", chat=CLUB)) == WrongChat(GROUP), "it came while we were down"
    assert admit(my_chat_member=moved_in(CLUB, "left")) is None
    assert admit(my_chat_member=moved_in(CLUB, "kicked")) is None
    assert admit(my_chat_member=moved_in({"id": OWNER.id, "type": "private"})) is None
    assert admit(GROUP, my_chat_member=moved_in(CLUB)) is None


def test_in_a_group_of_the_settings_members_are_known_and_nobody_else():
    came = admit(GROUP, message=raw_message("/status", chat=CLUB))
    assert isinstance(came, Visitor)
    assert came.in_group
    assert came.actor.chat_id == GROUP

    anonymous = {"from": {"id": 1087968824, "is_bot": True, "first_name": "Group"}, "sender_chat": CLUB}
    stranger = {"id": 55, "is_bot": False, "first_name": "x"}
    for more in (anonymous, {"sender_chat": CLUB}, {"from": stranger}, {"forward_origin": ORIGIN}, {"via_bot": BOT}):
        assert admit(GROUP, message=raw_message("/status", chat=CLUB, **more)) is None, more


async def test_in_a_group_members_may_look_and_nobody_may_act():
    async with stage(**FAST, kisbot_group_chats=(GROUP,)) as on:
        for n, text in enumerate(
            [ORDER, "/balance", "/orders", "/cancel 전체", "/halt", "/resume", "/users", "/invite trader", "삼성전자"]
        ):
            on.telegram.inject({"message": raw_message(text, chat=CLUB, message_id=910_000 + n)})
        on.telegram.inject({"message": raw_message("/status@other_bot", chat=CLUB, message_id=920_000)})
        on.telegram.inject({"message": raw_message("/status@kisbot_demo_bot", chat=CLUB, message_id=920_001)})
        answer = await on.telegram.wait(GROUP, "상태")
        on.telegram.inject({"message": raw_message("/price 005930", chat=CLUB, message_id=920_002)})
        price = await on.telegram.wait(GROUP, "삼성전자")

        assert [one.sender for one in on.telegram.chat(GROUP)].count("bot") == 2
        assert not answer.buttons
        assert not price.buttons
        assert on.app.storage.journal.in_state(set(OrderState)) == []
        assert not any(call.method == "leaveChat" for call in on.telegram.calls)


async def test_a_group_nobody_listed_is_left_once_and_hears_nothing():
    async with stage(**FAST) as on:
        for n in range(20):
            on.telegram.inject({"my_chat_member": moved_in(CLUB)})
            on.telegram.inject({"message": raw_message("/status", chat=CLUB, message_id=910_000 + n)})
        await say(on, "/price 005930", "삼성전자")

        left = [call for call in on.telegram.calls if call.method == "leaveChat"]
        assert [call.params["chat_id"] for call in left] in ([GROUP], [str(GROUP)])
        assert all(one.sender != "bot" for one in on.telegram.chat(GROUP))


async def test_a_group_of_the_settings_is_told_of_fills_without_buttons_or_balances():
    async with stage(**FAST, kisbot_group_chats=(GROUP,), kisbot_group_fills=True) as on:
        on.telegram.inject({"message": raw_message("/status", chat=CLUB, message_id=910_000)})
        await on.telegram.wait(GROUP, "상태")
        await bought(on, "005930 1 시장가", TRADER.id)
        told = await on.telegram.wait(GROUP, "삼성전자")
        await settled(on)

        assert [one.sender for one in on.telegram.chat(GROUP)].count("bot") == 2, "the status, and the fill once"
        assert "✅ 체결" in told.text
        assert not told.buttons
        assert "예수금" not in told.text
        assert "주문가능" not in told.text

        await bought(on, "000660 1 시장가", TRADER.id)
        await on.telegram.wait(GROUP, "SK하이닉스")
        await on.telegram.wait(OWNER.id, "SK하이닉스")
        await settled(on)
        texts = [one.text for one in on.telegram.chat(GROUP) if "SK하이닉스" in one.text]
        assert len(texts) == 1, "however many people are told of the same fill"


# --- strangers ------------------------------------------------------------------------------------------------------------


def test_a_strangers_words_are_not_taken_in_beyond_a_start():
    someone = {"from": {"id": 7, "is_bot": False, "first_name": "손님"}, "chat": {"id": 7, "type": "private"}}

    assert admit(message=raw_message("비밀을 말해", **someone)) == Stranger(7, "손님")
    assert admit(message=raw_message("/start", **someone)) == Stranger(7, "손님", "")
    assert admit(message=raw_message("/start abc", **someone)) == Stranger(7, "손님", "abc")
    assert admit(message=raw_message("/start abc", forward_origin=ORIGIN, **someone)) == Stranger(7, "손님")


def test_ten_attempts_in_five_minutes_are_told_and_nine_are_not():
    now = AT
    strangers = Strangers(lambda: now)
    for _ in range(9):
        assert not strangers.count(Stranger(7, "손님"))
    now += timedelta(minutes=6)
    for _ in range(9):
        assert not strangers.count(Stranger(7, "손님"))
    assert strangers.count(Stranger(7, "손님"))


def test_a_million_strangers_take_no_more_memory_than_a_thousand():
    strangers = Strangers(lambda: AT)
    for user_id in range(5_000):
        strangers.count(Stranger(user_id, "손님"))

    assert len(strangers) == REMEMBERED


def test_one_stranger_is_one_log_line_a_minute(capsys):
    now = AT
    strangers = Strangers(lambda: now)
    for _ in range(180):
        strangers.count(Stranger(7, "손님"))
        now += timedelta(seconds=1)

    assert capsys.readouterr().out.count("stranger") == 3


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_a_shown_name_is_one_short_line_without_anything_unseen(text):
    name = shown_name(text)

    assert len(name) <= 20
    assert name == name.strip()
    assert all(one == " " or one.isprintable() for one in name)


def test_names_that_hide_steer_or_paint_lose_that():
    assert shown_name("\u202e관리자\u202c\u200b") == "관리자"
    assert shown_name("\u3164\u3164\u2800") == ""
    assert shown_name("a" + "\u0301" * 500 + "b") in {"á\u0301\u0301b", "a\u0301\u0301b"}
    assert shown_name("가\n\n\n나") == "가 나"


# --- everything at once ---------------------------------------------------------------------------------------------------


def random_update(dice: random.Random, words: str) -> dict[str, object]:
    """One update of any kind Telegram can send, from somebody nobody knows."""
    user = {"id": dice.randrange(5_000, 5_200), "is_bot": dice.random() < 0.05, "first_name": words[:20] or "x"}
    private = {"id": user["id"], "type": "private", "first_name": "x"}
    kinds = ("group", "supergroup", "channel")
    elsewhere = {"id": -dice.randrange(1, 50), "type": dice.choice(kinds), "title": "t"}
    chat = private if dice.random() < 0.7 else elsewhere
    base = {
        "message_id": dice.randrange(10**6),
        "date": int(virtual_time.now().timestamp()),
        "chat": chat,
        "from": user,
    }
    body = dice.choice(
        [
            {"text": words},
            {"text": words, "entities": [{"type": "bot_command", "offset": 0, "length": 1}]},
            {"caption": words, "photo": [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}]},
            {"text": words, "forward_origin": ORIGIN},
            {"text": words, "via_bot": BOT},
            {"text": words, "sender_chat": elsewhere},
            {"dice": {"emoji": "🎲", "value": 3}},
            {"location": {"latitude": 1.0, "longitude": 2.0}},
            {"contact": {"phone_number": "1", "first_name": words[:10] or "x"}},
            {"new_chat_members": [BOT]},
            {"left_chat_member": user},
            {"pinned_message": {**base, "text": words}},
            {"poll": {"id": "1", "question": "q", "options": [], "total_voter_count": 0, "is_closed": False,
                      "is_anonymous": True, "type": "regular", "allows_multiple_answers": False, "allows_revoting": False, "members_only": False}},
            {"group_chat_created": True},
            {"migrate_to_chat_id": -99},
        ],
    )  # fmt: skip
    message = {**base, **body}
    data = dice.choice(["t:" + "A" * 22, "p:" + "B" * 22, "/buy 005930 1", "~/users 1001 remove", words[:60], ""])
    owner_shown = {**base, "chat": {"id": OWNER.id, "type": "private", "first_name": "x"}, "text": "카드"}
    return dice.choice(
        [
            {"message": message},
            {"message": message},
            {"message": {**base, "chat": private, "text": words}},
            {"edited_message": {**message, "edit_date": base["date"]}},
            {"channel_post": {**message, "chat": {**elsewhere, "type": "channel"}}},
            {"edited_channel_post": {**message, "chat": {**elsewhere, "type": "channel"}, "edit_date": base["date"]}},
            {"inline_query": {"id": "1", "from": user, "query": words, "offset": ""}},
            {"chosen_inline_result": {"result_id": "1", "from": user, "query": words}},
            {"callback_query": {"id": "1", "from": user, "chat_instance": "1", "data": data, "message": {**base, "chat": private, "text": "x"}}},
            {"callback_query": {"id": "1", "from": user, "chat_instance": "1", "data": data, "message": owner_shown}},
            {"callback_query": {"id": "1", "from": user, "chat_instance": "1", "data": data, "inline_message_id": "z"}},
            {"my_chat_member": {**moved_in(chat), "from": user}},
            {"chat_member": {**moved_in(chat), "from": user}},
            {"poll_answer": {"poll_id": "1", "option_ids": [0], "option_persistent_ids": ["0"], "user": user}},
            {"pre_checkout_query": {"id": "1", "from": user, "currency": "KRW", "total_amount": 1, "invoice_payload": "x"}},
            {"shipping_query": {"id": "1", "from": user, "invoice_payload": "x", "shipping_address": {
                "country_code": "KR", "state": "", "city": "", "street_line1": "", "street_line2": "", "post_code": ""}}},
            {"chat_join_request": {"chat": elsewhere, "from": user, "user_chat_id": user["id"], "date": base["date"]}},
            {"message_reaction": {"chat": chat, "message_id": 1, "date": base["date"], "user": user,
                                  "old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": "👍"}]}},
            {"business_message": {**message, "business_connection_id": "1"}},
        ],
    )  # fmt: skip


def rows(on):
    tables = [
        name for (name,) in on.app.storage.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    ]
    return {one: on.app.storage.db.execute(f"SELECT count(*) FROM [{one}]").fetchone()[0] for one in tables}


@pytest.mark.parametrize("requests", [False, True])
async def test_a_thousand_updates_of_every_kind_from_strangers_come_to_nothing(requests):
    """Nothing but the one line, no call to the broker, and a handful of rows."""
    dice = random.Random(f"strangers-{requests}")
    words = ["/start", "/start " + "A" * 22, ORDER, "/users", "안녕", "/invite trader", "/resume", "<b>", "\u202e"]
    async with stage(**FAST, kisbot_join_requests=requests) as on:
        await settled(on)
        before, asked = rows(on), len(on.broker.requests)
        said = len(spoken(on)), len(spoken(on, TRADER.id))
        heard = {call.method for call in on.telegram.calls}
        for n in range(1_000):
            raw = random_update(dice, dice.choice(words))
            update = Update.de_json({"update_id": 10_000_000 + n, **raw}, on.app.parts.bot)
            assert not on.app.parts.router.keeps(update)
            await on.app.parts.router.handle(update)
        await on.app.parts.calls.drain()
        await settled(on)

        grown = {name: n - before[name] for name, n in rows(on).items() if n != before[name]}
        told = [call for call in on.telegram.calls if call.params.get("chat_id") not in {None, OWNER.id, str(OWNER.id)}]
        lines = [call.params for call in told if call.method == "sendMessage"]
        assert {one["text"] for one in lines} == {
            "초대받은 사람만 쓸 수 있는 봇입니다. · This bot is by invitation only."
        }
        assert len(lines) == len({one["chat_id"] for one in lines}) <= 20
        kinds = dict(on.app.storage.db.execute("SELECT kind, count(*) FROM outbox GROUP BY kind").fetchall())
        assert set(kinds) <= {"join", "stranger"}, kinds
        assert grown.pop("outbox", 0) <= 5 + 1
        assert grown.pop("audit", 0) <= 5
        assert grown.pop("join_requests", 0) <= 5
        assert grown.pop("people_buttons", 0) <= 15
        assert grown == {}
        assert [one for one in list(on.broker.requests)[asked:] if "inquire-daily-ccld" not in one.path] == []
        assert {call.method for call in on.telegram.calls} - heard <= {"getUpdates", "sendMessage", "leaveChat"}
        assert len(spoken(on, TRADER.id)) == said[1]
        assert len(spoken(on)) - said[0] <= 5 + 1
        assert posts(on) == 0


async def test_strangers_leave_no_row_in_the_inbox_and_are_confirmed_all_the_same():
    async with stage(**FAST) as on:
        someone = {"from": {"id": 7, "is_bot": False, "first_name": "손님"}, "chat": {"id": 7, "type": "private"}}
        for n in range(150):
            on.telegram.inject({"message": raw_message("안녕", message_id=910_000 + n, **someone)})
        await say(on, "/price 005930", "삼성전자")
        await settled(on)

        assert on.app.storage.db.execute("SELECT count(*) FROM inbox").fetchone() == (1,)
        assert on.telegram.unread == 0


async def test_an_update_that_cannot_be_read_stops_nobody():
    """The library refuses a poll without the fields it knows; a stranger could send such a one for ever."""
    someone = {"from": {"id": 7, "is_bot": False, "first_name": "손님"}, "chat": {"id": 7, "type": "private"}}
    async with stage(**FAST) as on:
        for n in range(3):
            on.telegram.inject({"message": raw_message("", message_id=910_000 + n, poll={"id": "1"}, **someone)})
        await say(on, "/price 005930", "삼성전자")
        await say(on, "/price 000660", "하이닉스")

        assert not on.app.fault.done()


async def test_only_three_kinds_of_updates_are_asked_for():
    async with stage(**FAST) as on:
        await say(on, "/price 005930", "삼성전자")

        assert set(WANTED) == {"message", "callback_query", "my_chat_member"}
        asked = [call.params["allowed_updates"] for call in on.telegram.calls if call.method == "getUpdates"]
        assert {frozenset(kinds) for kinds in asked} == {frozenset(WANTED)}
        assert isinstance(on.app.storage.inbox, Inbox)


# --- one button, many fingers ---------------------------------------------------------------------------------------------


async def test_fifty_members_tapping_one_button_twenty_times_are_one_order():
    async with stage(**FAST) as on:
        members = range(7_001, 7_050)
        for number in members:
            on.app.storage.people.put(number, f"회원{number}", Role.TRADER)
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인")
        token = next(key.data for row in ticket.buttons for key in row if "확인" in key.text)
        taps = [number for number in (OWNER.id, *members) for _ in range(20)]
        random.Random(1).shuffle(taps)
        on.app.parts.calls.toast = lambda *_: None  # a thousand toasts are another test's
        on.app.storage.db.execute("PRAGMA synchronous = OFF")  # and so is durability
        for n, number in enumerate(taps):
            person = {"id": number, "is_bot": False, "first_name": "x"}
            bearer = raw_message("카드", **{"from": BOT, "chat": {"id": number, "type": "private", "first_name": "x"}})
            raw = tap(data=token, message=bearer, **{"from": person})
            await on.app.parts.router.handle(
                Update.de_json({"update_id": 20_000_000 + n, "callback_query": raw}, on.app.parts.bot)
            )
        await on.telegram.wait(OWNER.id, "주문번호")
        await on.app.parts.calls.drain()

        assert len(taps) == 1_000
        assert posts(on) == 1


@pytest.mark.parametrize("what", ["remove", "suspend"])
async def test_nothing_is_sent_for_somebody_shut_out_between_ticket_and_tap(what):
    async with stage(**FAST) as on:
        ticket = await say(on, "/buy 005930 1 시장가", "매수 확인", TRADER.id)
        getattr(on.app.storage.people, what)(TRADER.id, by=OWNER.id)
        answer = await on.telegram.tap(TRADER.id, ticket.message_id, "확인", timeout=0.3)

        assert not answer.answered
        assert posts(on) == 0
        assert on.app.storage.journal.in_state({OrderState.PROPOSED, OrderState.CONFIRMED, OrderState.SUBMITTING}) == []
