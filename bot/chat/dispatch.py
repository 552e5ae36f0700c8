"""From an update to its answer: guard, command or tap, reply into the outbox. No update is answered twice."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from telegram import Bot, BotCommand, BotCommandScopeChat, Update
from telegram.constants import ChatAction
from telegram.error import TelegramError

from bot.chat.access import Guard, Visitor
from bot.chat.cards import Frame
from bot.chat.commands import BY_WORD, Command, Handlers, allowed
from bot.chat.talk import REFRESH, TICKET, Ask, Key, Reply, Toast
from bot.chat.text import forwarded, kis_error, late_command, not_allowed, reason, trouble, unknown_words
from bot.chat.trading import Trading
from bot.chat.words import LONGEST, Names, clean, split_stock
from bot.orders.people import Role
from kis.errors import KisError
from kis.krx import KST

log = structlog.get_logger(__name__)

TOO_LATE = timedelta(seconds=120)
"""A trading command older than this was written for another market."""
TYPING_AFTER = 0.4
"""Seconds of silence after which the chat shows that somebody is working on it."""


class Post(Protocol):
    """Where replies go: the outbox."""

    def __call__(self, kind: str, chat_id: int, data: Mapping[str, Any], key: str | None = None) -> None: ...


class Record(Protocol):
    """Where it is written down who did what: the audit log."""

    def __call__(
        self,
        action: str,
        *,
        user_id: int | None = None,
        name: str | None = None,
        order_id: int | None = None,
        **detail: object,
    ) -> None: ...


class Dispatcher:
    """Answers updates. Everything it may touch is handed in."""

    def __init__(
        self,
        bot: Bot,
        guard: Guard,
        handlers: Handlers,
        trading: Trading,
        symbols: Names,
        *,
        post: Post,
        record: Record,
        clock: Callable[[], datetime],
        frame: Frame,
    ) -> None:
        self._bot = bot
        self._guard = guard
        self._handlers = handlers
        self._trading = trading
        self._symbols = symbols
        self._post = post
        self._record = record
        self._clock = clock
        self._lang = frame.lang
        self._errands: set[asyncio.Task[None]] = set()

    async def handle(self, update: Update) -> None:
        """Answer one update. Nothing escapes: a fault of ours becomes a sentence, and its detail a log line."""
        visitor = self._guard.admit(update)
        if visitor is None:
            return
        try:
            if visitor.tap is not None:
                await self._tapped(visitor, update.update_id)
            else:
                await self._wrote(visitor, update.update_id)
        except KisError as error:
            log.warning(
                "the broker could not answer",
                endpoint=error.endpoint,
                code=error.code,
                why=type(error).__name__,
            )
            self._reply(visitor, update.update_id, Reply(kis_error(error, self._lang)))
        except Exception:
            log.exception("an update could not be answered", update=update.update_id)
            self._reply(visitor, update.update_id, Reply(trouble(self._lang)))

    async def offer_menu(self, chat_id: int, role: Role) -> None:
        """Put the commands of this role into the menu of this chat; other chats show none."""
        menu = [BotCommand(one.name, one.help(self._lang)) for one in allowed(role)]
        with contextlib.suppress(TelegramError):  # a chat that was never opened cannot have a menu yet
            await self._bot.set_my_commands(menu, scope=BotCommandScopeChat(chat_id))

    async def drain(self) -> None:
        """Let the small errands (toasts, typing) end."""
        if self._errands:
            await asyncio.wait(self._errands, timeout=2)

    # --- messages -----------------------------------------------------------------------------------------------------

    async def _wrote(self, visitor: Visitor, update_id: int) -> None:
        message = visitor.message
        assert message is not None  # noqa: S101  # the guard says so
        at = message.date.astimezone(KST)
        if message.forward_origin is not None:
            self._reply(visitor, update_id, Reply(forwarded(self._lang)))
            return
        line = clean(message.text or message.caption or "")
        command, words = _parse(line)
        if command is None:
            command, words = self._as_price(line)
        self._write_down(visitor, "command", text=line[:LONGEST])
        if command is None:
            self._reply(visitor, update_id, Reply(unknown_words(self._lang)))
            return
        if command.name == "start":
            self._run_errand(self.offer_menu(visitor.who.chat_id, visitor.who.role))
        ask = Ask(visitor.who, words, update_id, message.message_id, at)
        reply = await self._run(command, ask, visitor)
        self._reply(visitor, update_id, reply)

    def _as_price(self, line: str) -> tuple[Command | None, str]:
        """A bare name or code asks for its price; anything else is not a command."""
        stock, _, rest = split_stock(line, self._symbols) if len(line) <= LONGEST else (None, "", [])
        if stock is not None and not rest:
            return BY_WORD["price"], stock.code
        return None, ""

    async def _run(self, command: Command, ask: Ask, visitor: Visitor) -> Reply | None:
        if not visitor.who.role.covers(command.role):
            return Reply(not_allowed(self._lang))
        if len(ask.words) > LONGEST:
            return Reply(f"🚫 {reason('TOO_LONG', {}, self._lang)}")
        late = self._clock() - ask.at
        if command.trades and late > TOO_LATE:
            return Reply(late_command(int(late.total_seconds() // 60), self._lang))
        async with self._typing(ask.who.chat_id):
            return await self._handlers.answer(command, ask)

    # --- taps ---------------------------------------------------------------------------------------------------------

    async def _tapped(self, visitor: Visitor, update_id: int) -> None:
        tap = visitor.tap
        assert tap is not None  # noqa: S101  # the guard says so
        assert tap.message is not None  # noqa: S101
        data = tap.data or ""
        if data.startswith(TICKET):
            await self._ticket(visitor, data.removeprefix(TICKET))
            return
        in_place = data.startswith(REFRESH)
        command, words = _parse(clean(data.removeprefix(REFRESH)))
        self._write_down(visitor, "tap", text=data)
        self._toast(tap.id, Toast())
        if command is None:
            return
        ask = Ask(visitor.who, words, update_id, tap.message.message_id, self._clock())
        reply = await self._run(command, ask, visitor)
        if reply is not None and in_place:
            data_out = {**_outgoing(reply), "message_id": tap.message.message_id}
            self._post("edit", visitor.who.chat_id, data_out, f"reply:{update_id}")
        else:
            self._reply(visitor, update_id, reply)

    async def _ticket(self, visitor: Visitor, token: str) -> None:
        tap = visitor.tap
        assert tap is not None  # noqa: S101
        if not visitor.who.role.covers(BY_WORD["buy"].role):
            self._toast(tap.id, Toast(not_allowed(self._lang), alert=True))
            return
        answer, pressed = self._trading.tap(token, visitor.who)
        self._write_down(
            visitor,
            "tap",
            verdict=pressed.verdict.value,
            order_id=pressed.order.id if pressed.order else None,
        )
        self._toast(tap.id, answer)
        await self._trading.carry_out(pressed)

    # --- out ----------------------------------------------------------------------------------------------------------

    def _reply(self, visitor: Visitor, update_id: int, reply: Reply | None) -> None:
        if reply is not None:
            self._post("reply", visitor.who.chat_id, _outgoing(reply), f"reply:{update_id}")

    def _write_down(self, visitor: Visitor, action: str, *, order_id: int | None = None, **detail: object) -> None:
        who = visitor.who
        self._record(action, user_id=who.user_id, name=who.name, order_id=order_id, **detail)

    def _toast(self, tap_id: str, answer: Toast) -> None:
        self._run_errand(
            self._bot.answer_callback_query(tap_id, text=answer.text or None, show_alert=answer.alert or None)
        )

    def _run_errand(self, errand: Coroutine[Any, Any, object]) -> None:
        async def run() -> None:
            with contextlib.suppress(TelegramError):  # a toast that comes too late is no loss
                await errand

        task = asyncio.get_running_loop().create_task(run())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    @contextlib.asynccontextmanager
    async def _typing(self, chat_id: int) -> Any:
        handle = asyncio.get_running_loop().call_later(
            TYPING_AFTER, lambda: self._run_errand(self._bot.send_chat_action(chat_id, ChatAction.TYPING))
        )
        try:
            yield
        finally:
            handle.cancel()


def _parse(line: str) -> tuple[Command | None, str]:
    """The command at the head of a line and what follows; `/price@bot x` and `/현재가 x` are commands too."""
    if not line.startswith("/"):
        return None, line
    head, _, words = line[1:].partition(" ")
    return BY_WORD.get(head.partition("@")[0].lower()), words


def _outgoing(reply: Reply) -> dict[str, Any]:
    return {"text": reply.text, "keys": [[_key(one) for one in row] for row in reply.keys if row]}


def _key(one: Key) -> list[str]:
    return [one.label, one.data]
