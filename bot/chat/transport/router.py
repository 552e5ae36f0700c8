"""From an update to its answer: guard, command or tap, reply into the outbox. No update is answered twice.

Who is not let in goes to the door; a group that is not in the settings is left; in one that is, members may ask for
what `IN_GROUPS` names and nothing else.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from telegram import Bot, Message, Update
from telegram.constants import ChatAction

from bot.chat.handlers.commands import BY_WORD, Command, Handlers
from bot.chat.handlers.people import MemberHandlers
from bot.chat.handlers.trading import TradingHandlers
from bot.chat.i18n.catalogue import forwarded, kis_error, late_command, not_allowed, reason, trouble, unknown_words
from bot.chat.i18n.formatting import clean
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang, speaking
from bot.chat.messages.members import PEOPLE, keyless
from bot.chat.parsing.order_args import LONGEST, StockLookup, split_stock
from bot.chat.ports import Post, Record
from bot.chat.transport.access import AccessGuard, Visitor, WrongChat, borrowed
from bot.chat.transport.background_calls import BackgroundCalls, CommandMenu
from bot.chat.types import REFRESH, TICKET, CallbackAnswer, Chart, Reply, Request, Stranger, letter_of, outgoing
from bot.orders.model.tap_result import TapOutcome
from kis.errors import KisError
from kis.krx import KST

log = structlog.get_logger(__name__)

TOO_LATE = timedelta(seconds=120)
"""A trading command older than this was written for another market."""
WITHOUT_EFFECT = frozenset(
    {TapOutcome.NOT_YOURS, TapOutcome.BUSY, TapOutcome.LATE, TapOutcome.USED, TapOutcome.GONE, TapOutcome.STEP_UP},
)
TYPING_AFTER = 0.4
"""Seconds of silence after which the chat shows that somebody is working on it."""
IN_GROUPS = frozenset({"status", "price"})
"""What members may ask for in a group of the settings."""
LEAVE_EVERY = timedelta(minutes=10)
"""How often the same group is left at most, if it does not let us go."""
GROUPS_REMEMBERED = 100
UNWRITTEN = frozenset({"start", "pin"})
"""Commands whose words may be a secret: an invitation, a PIN that should not have been typed."""


class Router:
    """Answers updates. Everything it may touch is handed in."""

    def __init__(
        self,
        bot: Bot,
        guard: AccessGuard,
        handlers: Handlers,
        trading: TradingHandlers,
        symbols: StockLookup,
        *,
        post: Post,
        record: Record,
        clock: Callable[[], datetime],
        frame: Frame,
        people: MemberHandlers,
        lang_of: Callable[[int], Lang | None],
        trouble: Callable[[str, Mapping[str, object]], None],
        free_text: Callable[[Request], Awaitable[bool]],
        buttons: Mapping[str, Callable[[str, Request], Awaitable[CallbackAnswer]]],
        calls: BackgroundCalls,
        menu: CommandMenu,
    ) -> None:
        """Connects to nothing yet.

        Args:
            bot: Telegram.
            guard: who is let in.
            handlers: the commands.
            trading: order tickets and their buttons.
            symbols: stocks by name and code.
            post: queues replies.
            record: writes to the audit log.
            clock: the present moment, KST.
            frame: language and badge.
            people: strangers, and the buttons about people.
            lang_of: the language of a person, None for the default.
            trouble: told of internal errors.
            free_text: asked first about typed words that are no command; True: they were meant for it, and are not
                recorded.
            buttons: further kinds of buttons, by the prefix of their data; what follows it is not recorded.
            calls: toasts and other calls that nobody waits for.
            menu: the menu of commands.
        """
        self._trouble = trouble
        self._bot = bot
        self._guard = guard
        self._handlers = handlers
        self._trading = trading
        self._symbols = symbols
        self._post = post
        self._record = record
        self._clock = clock
        self._frame = frame
        self._lang_of = lang_of
        self._people = people
        self._free_text = free_text
        self._buttons = buttons
        self._calls = calls
        self._menu = menu
        self._left: OrderedDict[int, datetime] = OrderedDict()

    async def handle(self, update: Update) -> None:
        """Answer one update. Nothing escapes: a fault of ours becomes a sentence, and its detail a log line."""
        visitor = self._guard.admit(update)
        if not isinstance(visitor, Visitor):
            self._outside(visitor, update)
            return
        with speaking(None if visitor.in_group else self._lang_of(visitor.who.user_id)):
            await self._inside(visitor, update)

    async def _inside(self, visitor: Visitor, update: Update) -> None:
        try:
            self._people.came(visitor.who)
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
            self._trouble("ANSWER_LOST", {"name": visitor.who.name or visitor.who.user_id})
            self._reply(visitor, update.update_id, Reply(trouble(self._lang)))

    @property
    def _lang(self) -> Lang:
        return self._frame.lang

    def keeps(self, update: Update) -> bool:
        """Whether an update is worth a row on disk: those of people who are let in are."""
        return isinstance(self._guard.admit(update), Visitor)

    # --- who is not let in --------------------------------------------------------------------------------------------

    def _outside(self, arrival: Stranger | WrongChat | None, update: Update) -> None:
        try:
            if isinstance(arrival, WrongChat):
                self._leave(arrival.chat_id)
            elif isinstance(arrival, Stranger):
                self._people.knock(arrival)
            elif update.callback_query is not None:
                log.warning("tap outside a private chat", user=update.callback_query.from_user.id)
        except Exception:
            log.exception("an update of a stranger could not be handled", update=update.update_id)

    def _leave(self, chat_id: int) -> None:
        now = self._clock()
        if chat_id in self._left and now - self._left[chat_id] < LEAVE_EVERY:
            return
        self._left[chat_id] = now
        self._left.move_to_end(chat_id)
        if len(self._left) > GROUPS_REMEMBERED:
            self._left.popitem(last=False)
        log.warning("leaving a chat that is not in the settings", chat=chat_id)
        self._calls.start(self._bot.leave_chat(chat_id))

    # --- messages -----------------------------------------------------------------------------------------------------

    async def _wrote(self, visitor: Visitor, update_id: int) -> None:
        message = visitor.message
        assert message is not None  # noqa: S101  # the guard says so
        at = message.date.astimezone(KST)
        line = clean(message.text or message.caption or "")
        command, words = _parse(line)
        if visitor.in_group:
            await self._wrote_in_group(visitor, update_id, line)
            return
        if message.forward_origin is not None or (borrowed(message) and (command is None or command.trades)):
            self._reply(visitor, update_id, Reply(forwarded(self._lang)))
            return
        if command is None and await self._free_text(Request(visitor.who, line, update_id, message.message_id, at)):
            return
        if command is None:
            command, words = self._as_price(line)
        hidden = command is not None and command.name in UNWRITTEN
        self._write_down(visitor, "command", text=f"/{command.name}" if command and hidden else line[:LONGEST])
        if command is None:
            self._reply(visitor, update_id, Reply(unknown_words(self._lang)))
            return
        if command.name == "start":
            self._menu.renew(visitor.who)
        ask = Request(visitor.who, words, update_id, message.message_id, at)
        reply = await self._run(command, ask)
        self._reply(visitor, update_id, reply)

    async def _wrote_in_group(self, visitor: Visitor, update_id: int, line: str) -> None:
        """Somebody of the list asks in a group: a short answer for all to see, or silence."""
        command, words = _parse(line)
        to = line.partition(" ")[0].partition("@")[2]
        if command is None or command.name not in IN_GROUPS or (to and to.lower() != self._bot.username.lower()):
            return
        message = visitor.message
        assert message is not None  # noqa: S101  # the guard says so
        self._write_down(visitor, "command", text=line[:LONGEST], group=visitor.who.chat_id)
        ask = Request(visitor.who, words, update_id, message.message_id, message.date.astimezone(KST))
        reply = await self._run(command, ask)
        self._reply(visitor, update_id, keyless(reply) if isinstance(reply, Reply) else None)

    def _as_price(self, line: str) -> tuple[Command | None, str]:
        """A bare name or code asks for its price; anything else is not a command."""
        stock, _, rest = split_stock(line, self._symbols) if len(line) <= LONGEST else (None, "", [])
        if stock is not None and not rest:
            return BY_WORD["price"], stock.code
        return None, ""

    async def _run(self, command: Command, ask: Request) -> Reply | Chart | None:
        if not ask.who.role.covers(command.role):
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
        ask = Request(visitor.who, "", update_id, tap.message.message_id, self._clock())
        if data.startswith(PEOPLE):
            self._about_people(visitor, data.removeprefix(PEOPLE), ask)
            return
        for prefix, answer in self._buttons.items():
            if data.startswith(prefix):
                self._toast(tap.id, await answer(data.removeprefix(prefix), ask))
                return
        in_place = data.startswith(REFRESH)
        command, words = _parse(clean(data.removeprefix(REFRESH)))
        self._write_down(visitor, "tap", text=data)
        self._toast(tap.id, CallbackAnswer())
        if command is None:
            return
        reply = await self._run(command, replace(ask, words=words))
        pictured = isinstance(tap.message, Message) and bool(tap.message.photo)
        if reply is not None and in_place and pictured == isinstance(reply, Chart):  # one cannot become the other
            self._put_in_place(ask, reply)
        else:
            self._reply(visitor, update_id, reply)

    def _about_people(self, visitor: Visitor, token: str, ask: Request) -> None:
        tap = visitor.tap
        assert tap is not None  # noqa: S101  # the guard says so
        answer = self._people.tap(token, visitor.who)
        self._write_down(visitor, "tap", verdict=answer.verdict)
        self._toast(tap.id, answer.toast)
        if answer.reply is not None:
            self._put_in_place(ask, answer.reply)

    async def _ticket(self, visitor: Visitor, token: str) -> None:
        tap = visitor.tap
        assert tap is not None  # noqa: S101
        if not visitor.who.role.covers(BY_WORD["buy"].role):
            self._toast(tap.id, CallbackAnswer(not_allowed(self._lang), alert=True))
            return
        answer, pressed = self._trading.tap(token, visitor.who)
        if pressed.verdict in WITHOUT_EFFECT:  # any other has written who pressed with what it did, in one commit
            order_id = pressed.order.id if pressed.order else None
            self._write_down(visitor, "tap", verdict=pressed.verdict.value, order_id=order_id)
        self._toast(tap.id, answer)
        await self._trading.carry_out(pressed)

    # --- out ----------------------------------------------------------------------------------------------------------

    def _put_in_place(self, ask: Request, reply: Reply | Chart) -> None:
        kind, facts = ("chart_edit", reply.facts) if isinstance(reply, Chart) else ("edit", outgoing(reply))
        self._post(kind, ask.who.chat_id, {**facts, "message_id": ask.message_id}, letter_of(ask.update_id))

    def _reply(self, visitor: Visitor, update_id: int, reply: Reply | Chart | None) -> None:
        if reply is not None:
            kind, facts = ("chart", reply.facts) if isinstance(reply, Chart) else ("reply", outgoing(reply))
            self._post(kind, visitor.who.chat_id, facts, letter_of(update_id))

    def _write_down(self, visitor: Visitor, action: str, *, order_id: int | None = None, **detail: object) -> None:
        who = visitor.who
        self._record(action, user_id=who.user_id, name=who.name, order_id=order_id, **detail)

    def _toast(self, tap_id: str, answer: CallbackAnswer) -> None:
        self._calls.start(
            self._bot.answer_callback_query(tap_id, text=answer.text or None, show_alert=answer.alert or None),
        )

    @contextlib.asynccontextmanager
    async def _typing(self, chat_id: int) -> Any:
        handle = asyncio.get_running_loop().call_later(
            TYPING_AFTER,
            lambda: self._calls.start(self._bot.send_chat_action(chat_id, ChatAction.TYPING)),
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
