"""Proving that it is you, as a person meets it: over sockets, with a real inbox, and nothing secret left anywhere."""

import asyncio
import contextlib
from datetime import datetime, timedelta

import pyotp
import pytest

from bot.app.clients import telegram_bot
from bot.chat.handlers.keypad import KEYPAD, Keypad, KeypadResult, without_keypads
from bot.chat.handlers.second_factor import LEAVE, SecondFactorChat
from bot.chat.i18n.frame import Frame
from bot.chat.transport.update_inbox import UpdatePoller
from bot.chat.types import Request
from bot.config.settings import GivenSettings
from bot.demo.run import OWNER, TOKEN, TRADER
from bot.demo.telegram import LocalTelegram
from bot.orders.access.roles import Actor, Role
from bot.orders.access.second_factor import CHALLENGE_TTL, ProtectedAction, SecondFactor, SecondFactorPolicy
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.inbox import Inbox
from bot.store.outbox import Outbox
from bot.store.second_factors import FactorKey, SecondFactors
from kis.krx import KST
from tests.support.members import flood_control, notifications
from tests.support.memory_telegram import BASE, MemoryTelegram

pytestmark = pytest.mark.virtual_time

PIN = "402958"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


class Kept(Inbox):
    """The inbox, which remembers what was written."""

    def __init__(self, db, clock):
        super().__init__(db, clock)
        self.written = []

    def keep(self, updates):
        self.written += [str(body) for _, body in updates]
        return super().keep(updates)


class Play:
    """A chat, the questions, and a door that lets the two people through."""

    def __init__(self, home):
        self.now = datetime(2026, 11, 23, 9, 30, tzinfo=KST)
        self.db = open_database(home / "kisbot.db")
        audit = AuditLog(self.db, self.clock)
        self.factors = SecondFactors(self.db, audit, FactorKey(home), self.clock, work=16)
        self.stepup = SecondFactor(self.factors, SecondFactorPolicy(), notifications(Outbox(self.db, self.clock)))
        self.telegram = LocalTelegram(token=TOKEN, people=(OWNER, TRADER))
        self.inbox = Kept(self.db, self.clock)
        self.resumed = []
        self.toasts = []
        self.elsewhere = []
        self.home = home

    def clock(self):
        return self.now

    @contextlib.asynccontextmanager
    async def on(self):
        settings = GivenSettings(
            telegram_bot_token=TOKEN, telegram_api_base=f"{BASE}/bot", kisbot_owner_id="1001", kis_app_key="k",
            kis_app_secret="s", kis_account="98765432-01",
        )  # fmt: skip
        self.bot = telegram_bot(settings, MemoryTelegram(self.telegram))
        await self.bot.initialize()
        self.chat = SecondFactorChat(self.bot, self.stepup, Frame("ko", "practice", "…32-01"), self.clock)
        poll = UpdatePoller(
            self.bot,
            self.inbox,
            self.handle,
            keeps=lambda _: True,
            flood_control=flood_control(self.clock),
            redact=self.chat.for_disk,
            hold=lambda _: None,
        )
        task = asyncio.create_task(poll.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await poll.drain()
            await self.chat.drain()
            await self.bot.shutdown()
            self.db.close()

    async def handle(self, update):
        if update.callback_query is not None:
            tap = update.callback_query
            who = self.who(tap.from_user.id)
            ask = Request(who, "", update.update_id, tap.message.message_id, self.now)
            self.toasts.append(await self.chat.press(tap.data.removeprefix(KEYPAD), ask))
            await self.bot.answer_callback_query(tap.id)
            return
        message = update.message
        who, text = self.who(message.from_user.id), message.text or ""
        if not text.startswith("/") and await self.chat.typed(
            Request(who, text, update.update_id, message.message_id, self.now)
        ):
            return
        self.elsewhere.append(text.partition(" ")[0])
        if text.startswith("/pin"):
            await self.chat.pin(Request(who, text[5:], update.update_id, message.message_id, self.now))
        if text == "/go":
            await self.chat.begin(who, ProtectedAction.CONFIRM, "order:1", self.resume, "the-token", "삼성전자 <10주>")

    @staticmethod
    def who(user_id):
        return Actor(user_id, user_id, "이매매", Role.TRADER)

    def words(self, text):
        return Request(self.who(TRADER.id), text, 1, 1, self.now)

    async def resume(self, who, token):
        self.resumed.append((who.user_id, token))

    # --- a person's hands ---------------------------------------------------------------------------------------------

    async def say(self, text, expect, person=TRADER.id):
        before = self.telegram.revision
        await self.telegram.send(person, text)
        return await self.telegram.wait(person, expect, after=before)

    def message(self, number, person=TRADER.id):
        return next(one for one in self.telegram.chat(person) if one.message_id == number)

    async def tap(self, number, label, person=TRADER.id):
        await self.telegram.tap(person, number, label)

    async def dial(self, number, digits, expect):
        before = self.telegram.revision
        for digit in digits:
            await self.tap(number, digit)
        return await self.telegram.wait(TRADER.id, expect, after=before)

    def code(self, steps=0):
        return pyotp.TOTP(SECRET).at(self.now, counter_offset=steps)

    def on_disk(self):
        return b"".join(path.read_bytes() for path in self.home.iterdir() if path.name.startswith("kisbot.db"))


@pytest.fixture
async def play(tmp_path):
    async with Play(tmp_path).on() as on:
        yield on


# --- a PIN ------------------------------------------------------------------------------------------------------------


async def test_a_pin_is_chosen_and_proved_on_the_keypad_and_never_stands_in_the_chat(play):
    pad = await play.say("/pin", "새 PIN")
    assert "○○○○○○" in pad.text
    await play.dial(pad.message_id, PIN[:3], "●●●○○○")
    await play.dial(pad.message_id, PIN[3:], "한 번 더")
    await play.dial(pad.message_id, PIN, "PIN을 정했습니다")
    assert play.message(pad.message_id).buttons == []

    asked = await play.say("/go", "본인 확인")
    assert "주문 확인 · 삼성전자 <10주>" in asked.text
    await play.dial(asked.message_id, PIN, "확인되었습니다")

    assert play.resumed == [(TRADER.id, "the-token")]
    assert not play.stepup.needs(play.who(TRADER.id), "confirm", 10**9, play.now, "order:1")
    shown = [one.text for one in play.telegram.chat(TRADER.id)]
    assert not any(PIN in text or PIN[:2] in text.replace("/pin", "") for text in shown if "○" in text)


async def test_a_wrong_pin_is_told_on_a_new_keypad_and_the_fifth_locks(play):
    play.factors.put_pin(TRADER.id, PIN)
    asked = await play.say("/go", "본인 확인")
    orders = {tuple(key.text for row in asked.buttons for key in row)}
    for left in (4, 3, 2, 1):
        told = await play.dial(asked.message_id, "000000", f"{left}번 더")
        orders.add(tuple(key.text for row in told.buttons for key in row))
    locked = await play.dial(asked.message_id, "000000", "잠겼습니다")
    assert locked.buttons == []
    assert len(orders) > 1, "digits lie in another order each time"
    await play.say("/go", "09:31:00까지 잠겼습니다")
    assert play.resumed == []


async def test_each_key_is_good_for_one_tap_one_person_and_one_message(play):
    play.factors.put_pin(TRADER.id, PIN)
    asked = await play.say("/go", "본인 확인")
    mine = await play.say("/pin", "새 PIN", OWNER.id)
    key = next(key for row in asked.buttons for key in row if key.text == "4")

    for person, number in ((OWNER.id, asked.message_id), (OWNER.id, mine.message_id), (TRADER.id, mine.message_id)):
        await play.telegram.tap_data(person, number, key.data)
    assert "○○○○○○" in play.message(asked.message_id).text
    await asyncio.gather(*(play.telegram.tap_data(TRADER.id, asked.message_id, key.data) for _ in range(10)))
    await play.telegram.wait(TRADER.id, "●○○○○○")
    assert play.message(asked.message_id).text.count("●") == 1
    assert "○○○○○○" in play.message(mine.message_id, OWNER.id).text


async def test_a_hurried_thumb_enters_every_digit_in_turn(play):
    """Taps come before the message with the new keys does: keys that were not used yet are still good."""
    play.factors.put_pin(TRADER.id, PIN)
    asked = await play.say("/go", "본인 확인")
    keys = {key.text: key.data for row in asked.buttons for key in row}
    before = play.telegram.revision
    for digit in PIN:
        await play.telegram.tap_data(TRADER.id, asked.message_id, keys[digit])
    await play.telegram.wait(TRADER.id, "확인되었습니다", after=before)
    assert len(play.resumed) == 1


async def test_a_pin_that_is_typed_is_deleted_and_not_taken(play):
    play.factors.put_pin(TRADER.id, PIN)
    await play.say("/go", "본인 확인")
    for words in (PIN, f"/pin {PIN}"):
        await play.say(words, "적지 말고")
        await asyncio.sleep(0.05)
    assert not any(PIN in one.text for one in play.telegram.chat(TRADER.id))
    assert play.resumed == []
    assert play.elsewhere == ["/go", "/pin"]
    assert PIN.encode() not in play.on_disk()


async def test_a_trivial_or_a_differing_second_entry_begins_anew(play):
    pad = await play.say("/pin", "새 PIN")
    await play.dial(pad.message_id, "123456", "한 번 더")
    await play.dial(pad.message_id, "123456", "너무 쉬운")
    await play.dial(pad.message_id, PIN, "한 번 더")
    await play.dial(pad.message_id, PIN[::-1], "서로 다릅니다")
    assert play.factors.kind(TRADER.id) is None


async def test_another_pin_needs_the_one_before(play):
    play.factors.put_pin(TRADER.id, PIN)
    asked = await play.say("/pin", "본인 확인")
    assert "PIN 바꾸기" in asked.text
    pad = await play.dial(asked.message_id, PIN, "새 PIN")
    await play.dial(pad.message_id, "719283", "한 번 더")
    await play.dial(pad.message_id, "719283", "PIN을 정했습니다")
    assert play.factors.answer(TRADER.id, "719283", "confirm", "")[0]


async def test_a_question_can_be_left_and_runs_out(play):
    play.factors.put_pin(TRADER.id, PIN)
    asked = await play.say("/go", "본인 확인")
    await play.tap(asked.message_id, "4")
    await play.tap(asked.message_id, "⌫")
    await play.tap(asked.message_id, "그만")
    await play.telegram.wait(TRADER.id, "그만두었습니다")
    late = await play.say("/go", "본인 확인")
    play.now += CHALLENGE_TTL
    await play.tap(late.message_id, "4")
    await play.telegram.wait(TRADER.id, "시간이 지났습니다")
    assert play.toasts[-1].alert
    assert play.resumed == []


async def test_a_new_question_ends_the_one_before(play):
    play.factors.put_pin(TRADER.id, PIN)
    old = await play.say("/go", "본인 확인")
    await play.say("/go", "본인 확인")
    await play.telegram.wait(TRADER.id, "새 질문으로")
    assert play.message(old.message_id).buttons == []


# --- a code of an app -------------------------------------------------------------------------------------------------


async def test_a_code_is_read_deleted_and_written_nowhere(play):
    play.factors.put_totp(TRADER.id, SECRET)
    await play.say("/go", "인증 앱")
    code = play.code()
    await play.say(f"{code[:3]} {code[3:]}", "확인되었습니다")

    assert play.resumed == [(TRADER.id, "the-token")]
    assert play.elsewhere == ["/go"], "it is no command"
    chat = [one.text for one in play.telegram.chat(TRADER.id)]
    assert not any(code[:3] in text and code[3:] in text for text in chat)
    assert code.encode() not in play.on_disk()
    assert not any(code in body.replace(" ", "") for body in play.inbox.written)


async def test_commands_work_while_a_code_is_waited_for(play):
    play.factors.put_totp(TRADER.id, SECRET)
    await play.say("/go", "인증 앱")
    await play.telegram.send(TRADER.id, "/price 005930")
    await play.say("123456", "4번 더")
    assert play.elsewhere == ["/go", "/price"]


async def test_six_digits_are_a_stock_again_when_nothing_is_asked(play):
    play.factors.put_totp(TRADER.id, SECRET)
    assert not await play.chat.typed(play.words("005930"))
    await play.say("/go", "인증 앱")
    play.now += CHALLENGE_TTL
    await play.say("005930", "기다리는 질문이 없습니다")
    play.now += timedelta(minutes=1)
    assert not await play.chat.typed(play.words("005930"))


async def test_another_persons_code_is_no_answer(play):
    play.factors.put_totp(TRADER.id, SECRET)
    await play.say("/go", "인증 앱")
    await play.telegram.send(OWNER.id, play.code())
    asked = await play.say("/go", "확인 수단이 없어", OWNER.id)
    assert asked.buttons == []
    assert play.resumed == []


async def test_a_prompt_for_a_code_can_be_left(play):
    play.factors.put_totp(TRADER.id, SECRET)
    asked = await play.say("/go", "인증 앱")
    await play.tap(asked.message_id, "그만")
    await play.telegram.wait(TRADER.id, "그만두었습니다")
    assert not await play.chat.typed(play.words(play.code()))
    assert play.resumed == []


# --- nothing to try keys against --------------------------------------------------------------------------------------


async def test_which_key_is_which_digit_is_written_nowhere(play):
    play.factors.put_pin(TRADER.id, PIN)
    asked = await play.say("/go", "본인 확인")
    keys = {key.text: key.data for row in asked.buttons for key in row}
    await play.dial(asked.message_id, PIN, "확인되었습니다")
    found = "\n".join(play.inbox.written)
    assert keys["4"] in found, "the tap itself is kept, so that it is answered once"
    assert "inline_keyboard" not in found
    assert all(value.encode() not in play.on_disk() for label, value in keys.items() if label not in PIN)


def test_only_keypads_are_left_out_of_what_is_kept():
    pad = {"inline_keyboard": [[{"text": "1", "callback_data": KEYPAD + "x"}]]}
    other = {"inline_keyboard": [[{"text": "확인", "callback_data": "t:x"}, {"text": "link", "url": "https://a.b"}]]}
    body = {"message": {"text": "a", "reply_markup": other, "reply_to_message": {"reply_markup": pad, "text": "b"}}}
    assert without_keypads(body) == {"message": {"text": "a", "reply_markup": other, "reply_to_message": {"text": "b"}}}


def test_a_keypad_holds_each_digit_once_and_six_of_them():
    pad = Keypad(6)
    keys = {key.label: key.data.removeprefix(KEYPAD) for row in pad.buttons("ko") for key in row}
    assert sorted(keys) == sorted([*"0123456789", "⌫", "✖ 그만"])
    assert len({*keys.values()}) == 12
    assert [pad.press(keys[digit]) for digit in "123"] == [KeypadResult.CHANGED] * 3
    assert pad.press(keys["1"]) is KeypadResult.NOTHING
    assert pad.press("made up") is KeypadResult.NOTHING
    assert (pad.entered, pad.dots) == ("123", "●●●○○○")
    assert pad.press(keys["⌫"]) is KeypadResult.CHANGED
    assert pad.entered == "12"
    assert len(LEAVE) <= 64
    assert all(len(key.data.encode()) <= 64 for row in pad.buttons("en") for key in row)


async def test_a_fault_behind_a_proof_is_logged_and_the_tap_is_answered(play):
    play.factors.put_pin(TRADER.id, PIN)

    async def broken(who, token):
        raise RuntimeError("the desk fell over")

    play.resume = broken
    asked = await play.say("/go", "본인 확인")
    await play.dial(asked.message_id, PIN, "확인되었습니다")
    await play.chat.drain()
    assert play.resumed == []
    assert len(play.toasts) == len(PIN)


async def test_a_deed_is_held_until_it_is_proved_and_then_goes_through_once_more(play):
    play.factors.put_pin(TRADER.id, PIN)
    done = []

    async def act(who, token):
        held = play.chat.hold(who, ProtectedAction.PEOPLE, "people:7", act, token, about="최조회 → 매매자")
        if held is None:
            done.append(token)
        return held

    held = await act(play.who(TRADER.id), "the-token")
    assert held.text == "본인 확인이 필요합니다."
    asked = await play.telegram.wait(TRADER.id, "사용자 변경 · 최조회 → 매매자")
    assert done == []
    await play.dial(asked.message_id, PIN, "확인되었습니다")
    assert done == ["the-token"]
