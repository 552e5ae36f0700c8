"""Routing by PTB's Application: which handler an update finds, who is stopped before, and one answer to each update."""

import asyncio
import contextlib
import sqlite3
from datetime import datetime, timedelta
from itertools import count

import pytest
from telegram import Update

from bot.app.clients import telegram_bot
from bot.chat.handlers.commands import COMMANDS, OF_THE_TABLE, Command, Handlers
from bot.chat.handlers.people import MemberHandlers
from bot.chat.handlers.second_factor import SecondFactorChat
from bot.chat.i18n.frame import Frame
from bot.chat.transport.access import AccessGuard
from bot.chat.transport.background_calls import BackgroundCalls
from bot.chat.transport.router import Router
from bot.chat.transport.update_inbox import UpdatePoller
from bot.chat.types import Reply
from bot.config.settings import GivenSettings
from bot.demo.run import OWNER, STRANGER, TOKEN, TRADER
from bot.demo.telegram import LocalTelegram
from bot.orders.access.roles import Role
from bot.orders.access.second_factor import SecondFactor, SecondFactorPolicy
from bot.store.audit.log import AuditLog
from bot.store.database import is_storage_fault, open_database
from bot.store.inbox import Inbox
from bot.store.invites import Invites
from bot.store.outbox import Outbox
from bot.store.second_factors import FactorKey, SecondFactors
from kis.errors import NotSent
from kis.krx import KST
from kis.symbols import Stock, Symbols
from tests.support.members import flood_control, members, notifications, storage_monitor
from tests.support.telegram_wire import until

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=KST)
ECHO = Command("echo", "메아리", Role.VIEWER, "따라 하기", "says it again")
SAMSUNG = Stock("005930", "삼성전자", "KOSPI", False, "ST", 71_000, halted=False)
GROUP = -1001
GIVEN = [one for one in COMMANDS if one.name not in OF_THE_TABLE] + [ECHO]


class World:
    """Inbox, outbox, people and router on one database, before a local Telegram; handlers tell what they were asked."""

    def __init__(self, home):
        self.db = open_database(home / "kisbot.db")
        self.audit = AuditLog(self.db, self.clock)
        self.people = members(self.db, self.audit, self.clock)
        self.people.put(OWNER.id, OWNER.name, Role.OWNER)
        self.people.put(TRADER.id, TRADER.name, Role.TRADER)
        self.outbox = Outbox(self.db, self.clock)
        self.inbox = Inbox(self.db, self.clock)
        self.telegram = LocalTelegram(token=TOKEN, people=(OWNER, TRADER, STRANGER))
        factors = SecondFactors(self.db, self.audit, FactorKey(home), self.clock, work=16)
        self.proof = SecondFactor(factors, SecondFactorPolicy(), notifications(self.outbox))
        self.asked = []
        self.answer = lambda command, request: Reply(f"{command} {request.words}")
        self._ids = count(1)

    @staticmethod
    def clock():
        return NOW

    @contextlib.asynccontextmanager
    async def on(self, find=None):
        async with self.telegram.serve() as page:
            settings = GivenSettings(
                telegram_bot_token=TOKEN, telegram_api_base=f"{page}/bot", kisbot_owner_id="1001", kis_app_key="k",
                kis_app_secret="s", kis_account="98765432-01",
            )  # fmt: skip
            self.bot = telegram_bot(settings)
            await self.bot.initialize()
            self.build(find or self.people.get)
            try:
                yield self
            finally:
                await self.calls.drain()
                await self.bot.shutdown()
                self.db.close()

    def build(self, find):
        frame = Frame("ko", "practice", "…78-01")
        self.calls = BackgroundCalls(self.bot, frame, lambda _: None)
        chat = SecondFactorChat(self.bot, self.proof, frame, self.clock)
        member_handlers = MemberHandlers(
            self.people,
            Invites(self.db, self.audit, self.people, self.clock),
            frame,
            post=self.outbox.put,
            together=self.db.atomic,
            clock=self.clock,
            username=lambda: self.bot.username,
            second_factor=chat,
            changed=self.calls.member_changed,
            send=self.calls.send,
        )

        def handler(name):
            async def run(request):
                self.asked.append((name, request.words))
                return self.answer(name, request)

            return run

        self.router = Router(
            self.bot,
            AccessGuard(find, [GROUP]),
            Handlers({one.name: handler(one.name) for one in GIVEN}, frame, (*COMMANDS, ECHO)),
            trading=None,
            members=member_handlers,
            second_factor=chat,
            watchlist=None,
            symbols=Symbols([SAMSUNG]),
            calls=self.calls,
            post=self.outbox.put,
            record=self.audit.add,
            clock=self.clock,
            frame=frame,
            lang_of=lambda _: None,
            report_fault=lambda _code, _values: None,
            is_storage_fault=is_storage_fault,
        )
        self.poller = UpdatePoller(
            self.bot,
            self.inbox,
            self.router.handle,
            keeps=self.router.keeps,
            flood_control=flood_control(self.clock),
            redact=chat.for_disk,
            hold=lambda _: None,
            storage=storage_monitor(self.db),
            refused=self.router.refuse_unrecorded,
        )

    def update(self, text=None, *, person=OWNER, data=None, at=NOW, **more):
        sender = {"id": person.id, "is_bot": False, "first_name": person.name}
        chat = {"id": person.id, "type": "private", "first_name": person.name}
        message = {"message_id": 5, "from": sender, "chat": chat, "date": int(at.timestamp()), **more}
        if text is not None:
            message["text"] = text
        body = {"message": message}
        if data is not None:
            body = {
                "callback_query": {"id": "1", "from": sender, "chat_instance": "1", "data": data, "message": message}
            }
        return Update.de_json({"update_id": next(self._ids), **body}, self.bot)

    async def send(self, text=None, **more):
        update = self.update(text, **more)
        await self.router.handle(update)
        return update

    def answers(self, update):
        rows = self.db.execute("SELECT data FROM outbox WHERE key = ?", [f"reply:{update.update_id}"]).fetchall()
        return [data for (data,) in rows]


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path).on() as on:
        yield on


# --- which handler --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", GIVEN, ids=lambda one: one.name)
async def test_every_row_of_the_table_is_reached_by_its_latin_and_its_korean_word(world, command):
    """`echo` was added to the table alone."""
    for word in (command.name, command.korean, command.name.upper(), f"{command.name}@kisbot_demo_bot"):
        await world.send(f"/{word} 하나  둘")

    assert world.asked == [(command.name, "하나 둘")] * 4


async def test_a_command_needs_no_mark_of_telegrams_and_may_stand_under_a_picture_or_behind_a_button(world):
    await world.send("/echo 글", entities=[{"type": "bot_command", "offset": 0, "length": 5}])
    await world.send(caption="/메아리 그림")
    await world.send(data="/echo 단추")
    await world.send(data="~/echo 제자리")

    assert world.asked == [("echo", "글"), ("echo", "그림"), ("echo", "단추"), ("echo", "제자리")]


async def test_a_bare_name_asks_for_its_price_and_other_words_are_not_understood(world):
    named, other, unknown = [await world.send(text) for text in ("삼성전자", "삼성전자 사줘", "/없는명령")]

    assert world.asked == [("price", "005930")]
    assert len(world.answers(named)) == 1
    assert all("무슨 뜻인지" in world.answers(one)[0] for one in (other, unknown))


async def test_a_tap_without_known_data_is_answered_by_a_toast_alone(world):
    for data in ("", "zzz", "/없는명령", "~"):
        update = await world.send(data=data)
        assert world.answers(update) == []
    await world.calls.drain()

    assert world.asked == []
    assert sum(call.method == "answerCallbackQuery" for call in world.telegram.calls) == 4


async def test_in_a_group_two_commands_are_answered_and_only_if_they_are_for_this_bot(world):
    club = {"chat": {"id": GROUP, "type": "supergroup", "title": "클럽"}}
    for text in ("/status", "/현재가@KISBOT_DEMO_BOT 005930", "/price@other_bot 005930", "/balance", "삼성전자"):
        await world.send(text, **club)

    assert world.asked == [("status", ""), ("price", "005930")]


async def test_a_trading_command_that_comes_late_or_is_borrowed_is_not_carried_out(world):
    late = await world.send("/buy 005930 1", at=NOW - timedelta(seconds=121))
    origin = {"type": "user", "date": 1, "sender_user": {"id": 5, "is_bot": False, "first_name": "x"}}
    forwarded = await world.send("/price 005930", forward_origin=origin)

    assert world.asked == []
    assert len(world.answers(late)) == len(world.answers(forwarded)) == 1


# --- the guard ------------------------------------------------------------------------------------------------------------


async def test_no_handler_runs_for_a_stranger(world):
    before = world.db.execute("SELECT count(*) FROM audit").fetchone()
    for text in [f"/{word}" for one in COMMANDS for word in (one.name, one.korean)] + ["삼성전자", "123456"]:
        await world.send(text, person=STRANGER)
    for data in ("/balance", "~/balance", "t:x", "p:x", "k:x", "w:refresh", "zzz"):
        await world.send(data=data, person=STRANGER)
    await world.calls.drain()

    assert world.asked == []
    assert {call.method for call in world.telegram.calls} <= {"getMe"}
    assert world.db.execute("SELECT count(*) FROM audit").fetchone() == before
    assert world.db.execute("SELECT count(*) FROM outbox WHERE kind <> 'stranger'").fetchone() == (0,)


async def test_a_guard_that_fails_lets_nobody_through_and_the_update_stays_open(tmp_path):
    def broken(_user_id):
        raise sqlite3.OperationalError("disk I/O error")

    async with World(tmp_path).on(find=broken) as world:
        for update in (world.update("/echo x"), world.update(data="/echo x")):
            with pytest.raises(sqlite3.OperationalError):
                await world.router.handle(update)

        assert world.asked == []


# --- one answer -----------------------------------------------------------------------------------------------------------


async def test_an_update_has_one_answer_however_often_it_is_handled(world):
    update = await world.send("/echo 한 번")
    await world.router.handle(update)

    assert len(world.asked) == 2
    assert len(world.answers(update)) == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [(ZeroDivisionError("a detail of ours"), "내부 오류"), (NotSent("connection refused"), "")],
    ids=["ours", "the broker's"],
)
async def test_a_handler_that_raises_is_answered_with_one_sentence(world, fault, told):
    def broken(_command, _request):
        raise fault

    world.answer = broken
    for update in (await world.send("/echo x"), await world.send(data="/echo x"), await world.send("삼성전자")):
        (answer,) = world.answers(update)
        assert told in answer
        assert "a detail of ours" not in answer


async def test_a_handler_that_raises_after_its_answer_adds_none(world):
    def broken(_command, request):
        world.outbox.put("reply", OWNER.id, {"text": "답"}, f"reply:{request.update_id}")
        raise ZeroDivisionError

    world.answer = broken
    (answer,) = world.answers(await world.send("/echo x"))

    assert "답" in answer


async def test_a_handler_that_answers_nothing_is_done(world):
    world.answer = lambda *_: None
    update = await world.send("/echo x")

    assert world.answers(update) == []


async def test_an_answer_that_cannot_be_written_leaves_the_update_open(world):
    """PTB would only log a fault of the error handler."""
    update = world.update("/echo x")
    world.db.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError):
        await world.router.handle(update)
    world.db.execute("PRAGMA query_only = OFF")
    await world.router.handle(update)

    assert len(world.answers(update)) == 1


@pytest.mark.parametrize("death", ["before the answer", "after the answer"])
async def test_an_update_is_answered_once_across_a_kill(tmp_path, death):
    """Stored, and killed before the answer, or between the answer and its mark: the next start answers it, once."""
    async with World(tmp_path).on() as world:
        done, world.inbox.done = world.inbox.done, lambda _: None  # killed before the mark is written
        if death == "before the answer":
            world.answer = lambda *_: (_ for _ in ()).throw(asyncio.CancelledError)
        polling = asyncio.ensure_future(world.poller.run())
        await world.telegram.send(OWNER.id, "/echo 한 번")
        await until(lambda: world.asked)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        await world.poller.drain()
        ((update_id, body),) = world.inbox.open()
        assert len(world.answers(Update(update_id))) == (death == "after the answer")

        world.inbox.done, world.answer = done, lambda command, request: Reply(f"{command} {request.words}")
        world.build(world.people.get)
        polling = asyncio.ensure_future(world.poller.run())
        await until(lambda: not world.inbox.open())
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)

        assert "/echo 한 번" in str(body)
        assert len(world.answers(Update(update_id))) == 1
