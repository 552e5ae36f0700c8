"""An outbox on disk, a real bot before a local Telegram in memory, and the delivery between them, in virtual time."""

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from bot.charts.renderer import ChartRenderer
from bot.chat.i18n.frame import Frame
from bot.chat.transport.sender import MessageSender
from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.model.order import OrderState
from bot.services.delivery import Delivery
from bot.store.database import open_database
from bot.store.outbox import Outbox
from kis.krx import KST
from tests.support.memory_telegram import memory_bot
from tests.support.outbox import delivery_policy
from tests.support.stage import draw_at_once
from tests.support.waiting import until
from tests.unit.orders.model.test_order import order

TOKEN = "123456789:local-telegram-token-for-tests-only"
ONE, TWO, OWNER = 7001, 7002, 7003
LABEL = "(재전송일 수 있음)"
START = datetime(2026, 11, 23, 10, 0, tzinfo=KST)


class LoopTime:
    """The running loop's time as seconds and as a clock in KST; a test's begins at `START`."""

    def __init__(self):
        self._began = asyncio.get_running_loop().time()

    def seconds(self):
        return asyncio.get_running_loop().time() - self._began

    def __call__(self):
        return START + timedelta(seconds=self.seconds())

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


class DeliveryHarness:
    """An outbox on disk, a real bot before a local Telegram, and the delivery between them."""

    def __init__(self, path, telegram, bot, *, name="삼성전자", quantity=50, time=None):
        self.telegram, self.time = telegram, time or LoopTime()
        self._path = path
        self.before = lambda message: None
        """Called before each delivery: here a test plants what the call shall meet."""
        self.after = None
        """Called after each delivery, in place of telling the outbox what became of it."""
        self.sender = MessageSender(
            bot,
            order=lambda number: order(
                OrderState.PARTIAL,
                id=number,
                name=name,
                quantity=quantity,
                order_no=f"{number:010}",
                filled=1,
                filled_amount=1,
            ),
            card_message=self._card_message,
            draw=draw_at_once(ChartRenderer()).draw,
            frame=Frame("ko", "practice", "…78-01"),
            lang_of=lambda _: None,
        )
        self._open()

    def _open(self):
        self.db = open_database(self._path)
        self.box = Outbox(self.db, self.time)
        self.delivery = Delivery(
            self.box,
            delivery_policy(self.db, self.time),
            self._deliver,
            self.sender.reachable,
            sleep=self.time.sleep,
            clock=self.time.seconds,
        )
        self.work = asyncio.create_task(self.delivery.run())

    async def _deliver(self, message):
        self.before(message)
        outcome = await self.sender.deliver(message)
        if self.after is not None:
            await self.after()
        return outcome

    async def stop(self):
        """As a kill leaves it: nothing more is written."""
        self.work.cancel()
        await asyncio.wait([self.work])
        await self.delivery.cancel()
        self.db.close()

    async def restart(self):
        await self.stop()
        self._open()

    def fill(self, number, order=1, chat=ONE, kind="fill"):
        data = {
            "order": order,
            "number": number,
            "filled": number,
            "amount": number * 100,
            "step": 1,
            "step_amount": 100,
        }
        self.box.put(kind, chat, data, f"fill:{order}:{number}:{chat}")

    async def quiet(self):
        """Wait until everything is told, the digests too."""
        await until(lambda: not self.left())

    def _card_message(self, number: int, chat: int) -> int | None:
        return self.box.card_message(number, chat)

    def left(self):
        return self.db.execute(
            "SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending', 'given_up')"
        ).fetchone()[0]

    def said(self, chat=ONE):
        return [message.text for message in self.telegram.chat(chat)]


@asynccontextmanager
async def delivery_harness(folder, **how):
    """Everything up and connected, with an empty outbox in the folder."""
    people = [ChatUser(ONE, "하나", "매매자"), ChatUser(TWO, "둘", "매매자"), ChatUser(OWNER, "셋", "관리자")]
    time = how.pop("time", None) or LoopTime()
    telegram = LocalTelegram(token=TOKEN, people=people, clock=time)
    async with memory_bot(telegram, TOKEN) as bot:
        post = DeliveryHarness(folder / "kisbot.db", telegram, bot, time=time, **how)
        try:
            yield post
        finally:
            await post.stop()
