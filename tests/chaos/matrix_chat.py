"""A chat for the fault matrix: Telegram as a list of updates and a list of what was shown, and a person who reads it.

The real inbox, its poll, the real outbox and delivery stand on our side of it; an update that was not confirmed comes
again, and what was shown was shown, whether or not the bot lived to hear of it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from telegram import Update

from bot.chat.transport.sender import Delivered, MaybeDelivered, Outcome, RetryLater
from bot.chat.transport.update_inbox import UpdatePoller
from bot.orders.model.order import OrderState
from bot.orders.model.tap_result import TapOutcome
from bot.services.delivery import Delivery
from bot.store.inbox import Inbox
from bot.store.outbox import OutboxMessage
from tests.chaos import kill_points
from tests.chaos.matrix_stand import ME, Stand
from tests.support.members import flood_control
from tests.support.outbox import delivery_policy

LONG_POLL = 25.0
AWAY = 0.05
"""Seconds a call to Telegram takes."""


@dataclass
class Shown:
    """One message the person sees."""

    chat: int
    kind: str
    data: dict[str, Any]
    resent: bool


@dataclass
class Telegram:
    """Telegram's side: what was sent to the bot and not yet confirmed, and what the bot has shown."""

    waiting: list[Update] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)
    """What befalls the next messages that are news: "429", "lost" or "delivered" (and the answer is lost)."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    number: int = 700

    def send(self, text: str) -> None:
        """The person writes."""
        self.number += 1
        self.again(self.number, text)

    def again(self, number: int, text: str) -> None:
        """Telegram hands an update out, perhaps not for the first time."""
        chat = {"id": ME.chat_id, "type": "private"}
        body = {"message_id": number, "date": 1_795_000_000, "chat": chat, "text": text}
        update = Update.de_json({"update_id": number, "message": body}, None)
        self.waiting.append(update)
        self.news.set()

    async def get_updates(self, *, offset: int | None, **_: Any) -> Sequence[Update]:
        """As the Bot API: the offset confirms all that is before it."""
        self.waiting = [one for one in self.waiting if offset is None or one.update_id >= offset]
        await asyncio.sleep(AWAY)
        if not self.waiting:
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), LONG_POLL)
            except TimeoutError:
                return ()
        return tuple(self.waiting)

    async def deliver(self, message: OutboxMessage) -> Outcome:
        """As the sender: shown or not, and known or not."""
        await asyncio.sleep(AWAY)
        fate = self.plan.pop(0) if self.plan and message.kind != "card" else ""
        if fate == "429":
            return RetryLater(3.0, "RetryAfter")
        if fate == "lost":
            return MaybeDelivered("TimedOut")
        parts = (message,) if message.kind == "digest" else message.parts or (message,)
        self.shown += [Shown(message.chat_id, one.kind, dict(one.data), message.resent) for one in parts]
        return MaybeDelivered("TimedOut") if fate == "delivered" else Delivered(len(self.shown))

    async def reachable(self) -> bool:
        return True

    def shown_of(self, order_id: int, kind: str = "") -> list[Shown]:
        """What the person was shown of an order."""
        mine = (one for one in self.shown if one.chat == ME.chat_id and one.data.get("order") == order_id)
        return [one for one in mine if kind in one.kind]


class Person:
    """Asks once, presses what asks to be pressed, and lets the owner resume trading after a bad end."""

    def __init__(self, stand: Stand, telegram: Telegram, *, market: bool) -> None:
        self.stand = stand
        self.telegram = telegram
        self.market = market
        self.pressed: set[str] = set()
        self.refused: list[str] = []
        """Why there is no ticket."""

    def begin(self) -> None:
        """Everything between Telegram and the desk, for this life."""
        life, stand = self.stand.life, self.stand
        inbox = Inbox(life.db, stand.clock)
        delivery = Delivery(
            life.outbox,
            delivery_policy(life.db, stand.clock),
            self.telegram.deliver,
            self.telegram.reachable,
            clock=asyncio.get_running_loop().time,
        )
        poll = UpdatePoller(
            self.telegram,  # type: ignore[arg-type]  # it asks no more
            inbox,
            self._handle,
            keeps=lambda _: True,
            flood_control=flood_control(stand.clock),
            redact=lambda body: body,
            hold=lambda _: None,
        )
        kill_points.mark(
            journal=life.journal, outbox=life.outbox, inbox=inbox, desk=life.desk, delivery=delivery, poll=poll
        )
        life.start(delivery.run())
        life.start(poll.run())

    async def _handle(self, update: Update) -> None:
        text = update.message.text
        desk = self.stand.life.desk
        if text == "buy":
            made = await desk.propose(self.stand.ask(market=self.market), ME, update.update_id)
            if isinstance(made, list):
                self.refused = [one.code for one in made]
            return
        pressed = desk.press(text, ME)
        if pressed.verdict is TapOutcome.SENDING:
            await desk.carry_out(pressed)

    def look(self) -> None:
        """Press the newest ticket's button, if it has not been pressed; whoever was refused asks again."""
        if self.refused and self.order_id() is None:
            self.refused = []
            self.telegram.send("buy")
        tokens = [one.data["confirm"] for one in self.telegram.shown if "confirm" in one.data]
        if tokens and tokens[-1] not in self.pressed:
            self.pressed.add(tokens[-1])
            self.telegram.send(tokens[-1])

    def order_id(self) -> int | None:
        """The order that came of it."""
        row = self.stand.connection.execute("SELECT max(id) FROM orders").fetchone()
        return int(row[0]) if row[0] is not None else None

    def unanswered(self) -> bool:
        """Whether something is still to come: no ticket yet, or one that nobody has decided upon."""
        order_id = self.order_id()
        if order_id is None:
            return True
        return self.stand.now(order_id).state is OrderState.PROPOSED
