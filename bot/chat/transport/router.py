"""From an update to its answer: guard, command or tap, reply into the outbox. No update is answered twice.

Who is not let in goes to the door; a group that is not in the settings is left; in one that is, members may ask for
what `IN_GROUPS` names and nothing else.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from telegram import Bot, BotCommand, BotCommandScopeChat, Message, Update
from telegram.constants import ChatAction
from telegram.error import TelegramError

from bot.chat.handlers.commands import BY_WORD, Command, Handlers, allowed
from bot.chat.handlers.people import MemberHandlers
from bot.chat.handlers.trading import TradingHandlers
from bot.chat.i18n.catalogue import forwarded, kis_error, late_command, not_allowed, reason, trouble, unknown_words
from bot.chat.i18n.formatting import clean
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang, speaking
from bot.chat.messages.members import PEOPLE, keyless
from bot.chat.parsing.order_args import LONGEST, split_stock
from bot.chat.ports import Post, Record, StockLookup
from bot.chat.transport.access import AccessGuard, Visitor, WrongChat, borrowed
from bot.chat.types import REFRESH, TICKET, CallbackAnswer, Chart, Reply, Request, Stranger, letter_of, outgoing
from bot.orders.access.membership import Member, Status
from bot.orders.access.roles import Actor, Role
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
        people: MemberHandlers | None = None,
        lang_of: Callable[[int], Lang | None] = lambda _: None,
        trouble: Callable[[str, Mapping[str, object]], None] = lambda _code, _values: None,
    ) -> None:
        """`lang_of`: the language somebody is spoken to in, None for the house's; `trouble` hears of faults of ours."""
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
        self._errands: set[asyncio.Task[None]] = set()
        self._people = people
        if people is not None:
            people.changed = self._chart
            people.whisper = self._whisper
        self._left: OrderedDict[int, datetime] = OrderedDict()
        self.gate: Callable[[Command, Request], Reply | None] = lambda _command, _ask: None
        """Asked before a command is carried out: an answer instead of it, if one is due."""
        self.listen: Callable[[Request], Awaitable[bool]] | None = None
        """Asked first about typed words that are no command; True: they were meant for it, and are not written down."""
        self.taps: dict[str, Callable[[str, Request], Awaitable[CallbackAnswer]]] = {}
        """Further kinds of buttons, by the prefix of their data; what follows it is not written down."""

    async def handle(self, update: Update) -> None:
        """Answer one update. Nothing escapes: a fault of ours becomes a sentence, and its detail a log line."""
        visitor = self._guard.admit(update)
        if not isinstance(visitor, Visitor):
            self._outside(visitor, update)
            return
        with speaking(None if visitor.in_group else self._lang_of(visitor.actor.user_id)):
            await self._inside(visitor, update)

    async def _inside(self, visitor: Visitor, update: Update) -> None:
        try:
            if self._people is not None:
                self._people.came(visitor.actor)
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
            self._trouble("ANSWER_LOST", {"name": visitor.actor.name or visitor.actor.user_id})
            self._reply(visitor, update.update_id, Reply(trouble(self._lang)))

    @property
    def _lang(self) -> Lang:
        return self._frame.lang

    def keeps(self, update: Update) -> bool:
        """Whether an update is worth a row on disk: those of people who are let in are."""
        return isinstance(self._guard.admit(update), Visitor)

    async def offer_menu(self, chat_id: int, role: Role) -> None:
        """Put the commands of this role into the menu of this chat; other chats show none."""
        with speaking(self._lang_of(chat_id)):
            menu = [BotCommand(one.name, one.help(self._lang)) for one in allowed(role)]
        with contextlib.suppress(TelegramError):  # a chat that was never opened cannot have a menu yet
            await self._bot.set_my_commands(menu, scope=BotCommandScopeChat(chat_id))

    def renew_menu(self, actor: Actor) -> None:
        """Somebody's menu of commands is to speak another language."""
        self._run_errand(self.offer_menu(actor.chat_id, actor.role))

    def _chart(self, person: Member) -> None:
        """Bring somebody's menu of commands up to date with what they may do now."""
        if person.status is Status.ACTIVE:
            self._run_errand(self.offer_menu(person.user_id, person.role))
        else:
            self._run_errand(self._bot.delete_my_commands(scope=BotCommandScopeChat(person.user_id)))

    async def drain(self) -> None:
        """Let the small errands (toasts, typing) end."""
        if self._errands:
            await asyncio.wait(self._errands, timeout=2)

    # --- who is not let in --------------------------------------------------------------------------------------------

    def _outside(self, arrival: Stranger | WrongChat | None, update: Update) -> None:
        try:
            if isinstance(arrival, WrongChat):
                self._leave(arrival.chat_id)
            elif isinstance(arrival, Stranger) and self._people is not None:
                self._people.knock(arrival)
            elif update.callback_query is not None:
                log.warning("tap outside a private chat", user=update.callback_query.from_user.id)
        except Exception:
            log.exception("an update of a stranger could not be handled", update=update.update_id)

    def _whisper(self, chat_id: int, text: str) -> None:
        self._run_errand(self._bot.send_message(chat_id, text))

    def _leave(self, chat_id: int) -> None:
        now = self._clock()
        if chat_id in self._left and now - self._left[chat_id] < LEAVE_EVERY:
            return
        self._left[chat_id] = now
        self._left.move_to_end(chat_id)
        if len(self._left) > GROUPS_REMEMBERED:
            self._left.popitem(last=False)
        log.warning("leaving a chat that is not in the settings", chat=chat_id)
        self._run_errand(self._bot.leave_chat(chat_id))

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
        if command is None and self.listen is not None:
            said = Request(visitor.actor, line, update_id, message.message_id, at)
            if await self.listen(said):
                return
        if command is None:
            command, words = self._as_price(line)
        hidden = command is not None and command.name in UNWRITTEN
        self._write_down(visitor, "command", text=f"/{command.name}" if command and hidden else line[:LONGEST])
        if command is None:
            self._reply(visitor, update_id, Reply(unknown_words(self._lang)))
            return
        if command.name == "start":
            self.renew_menu(visitor.actor)
        request = Request(visitor.actor, words, update_id, message.message_id, at)
        reply = await self._run(command, request)
        self._reply(visitor, update_id, reply)

    async def _wrote_in_group(self, visitor: Visitor, update_id: int, line: str) -> None:
        """Somebody of the list asks in a group: a short answer for all to see, or silence."""
        command, words = _parse(line)
        to = line.partition(" ")[0].partition("@")[2]
        if command is None or command.name not in IN_GROUPS or (to and to.lower() != self._bot.username.lower()):
            return
        message = visitor.message
        assert message is not None  # noqa: S101  # the guard says so
        self._write_down(visitor, "command", text=line[:LONGEST], group=visitor.actor.chat_id)
        request = Request(visitor.actor, words, update_id, message.message_id, message.date.astimezone(KST))
        reply = await self._run(command, request)
        self._reply(visitor, update_id, keyless(reply) if isinstance(reply, Reply) else None)

    def _as_price(self, line: str) -> tuple[Command | None, str]:
        """A bare name or code asks for its price; anything else is not a command."""
        stock, _, rest = split_stock(line, self._symbols) if len(line) <= LONGEST else (None, "", [])
        if stock is not None and not rest:
            return BY_WORD["price"], stock.code
        return None, ""

    async def _run(self, command: Command, request: Request) -> Reply | Chart | None:
        if not request.actor.role.covers(command.role):
            return Reply(not_allowed(self._lang))
        if len(request.words) > LONGEST:
            return Reply(f"🚫 {reason('TOO_LONG', {}, self._lang)}")
        late = self._clock() - request.at
        if command.trades and late > TOO_LATE:
            return Reply(late_command(int(late.total_seconds() // 60), self._lang))
        instead = self.gate(command, request)
        if instead is not None:
            return instead
        async with self._typing(request.actor.chat_id):
            return await self._handlers.answer(command, request)

    # --- taps ---------------------------------------------------------------------------------------------------------

    async def _tapped(self, visitor: Visitor, update_id: int) -> None:
        tap = visitor.tap
        assert tap is not None  # noqa: S101  # the guard says so
        assert tap.message is not None  # noqa: S101
        data = tap.data or ""
        if data.startswith(TICKET):
            await self._ticket(visitor, data.removeprefix(TICKET))
            return
        request = Request(visitor.actor, "", update_id, tap.message.message_id, self._clock())
        if data.startswith(PEOPLE) and self._people is not None:
            self._about_people(visitor, data.removeprefix(PEOPLE), request)
            return
        for prefix, answer in self.taps.items():
            if data.startswith(prefix):
                self._toast(tap.id, await answer(data.removeprefix(prefix), request))
                return
        in_place = data.startswith(REFRESH)
        command, words = _parse(clean(data.removeprefix(REFRESH)))
        self._write_down(visitor, "tap", text=data)
        self._toast(tap.id, CallbackAnswer())
        if command is None:
            return
        reply = await self._run(command, replace(request, words=words))
        pictured = isinstance(tap.message, Message) and bool(tap.message.photo)
        if reply is not None and in_place and pictured == isinstance(reply, Chart):  # one cannot become the other
            self._put_in_place(request, reply)
        else:
            self._reply(visitor, update_id, reply)

    def _about_people(self, visitor: Visitor, token: str, request: Request) -> None:
        tap, people = visitor.tap, self._people
        assert tap is not None  # noqa: S101  # the guard says so
        assert people is not None  # noqa: S101  # asked a line ago
        answer = people.tap(token, visitor.actor)
        self._write_down(visitor, "tap", verdict=answer.verdict)
        self._toast(tap.id, answer.toast)
        if answer.reply is not None:
            self._put_in_place(request, answer.reply)

    async def _ticket(self, visitor: Visitor, token: str) -> None:
        tap = visitor.tap
        assert tap is not None  # noqa: S101
        if not visitor.actor.role.covers(BY_WORD["buy"].role):
            self._toast(tap.id, CallbackAnswer(not_allowed(self._lang), alert=True))
            return
        answer, pressed = self._trading.tap(token, visitor.actor)
        if pressed.verdict in WITHOUT_EFFECT:  # any other has written who pressed with what it did, in one commit
            order_id = pressed.order.id if pressed.order else None
            self._write_down(visitor, "tap", verdict=pressed.verdict.value, order_id=order_id)
        self._toast(tap.id, answer)
        await self._trading.carry_out(pressed)

    # --- out ----------------------------------------------------------------------------------------------------------

    def _put_in_place(self, request: Request, reply: Reply | Chart) -> None:
        kind, facts = ("chart_edit", reply.facts) if isinstance(reply, Chart) else ("edit", outgoing(reply))
        self._post(
            kind, request.actor.chat_id, {**facts, "message_id": request.message_id}, letter_of(request.update_id)
        )

    def _reply(self, visitor: Visitor, update_id: int, reply: Reply | Chart | None) -> None:
        if reply is not None:
            kind, facts = ("chart", reply.facts) if isinstance(reply, Chart) else ("reply", outgoing(reply))
            self._post(kind, visitor.actor.chat_id, facts, letter_of(update_id))

    def _write_down(self, visitor: Visitor, action: str, *, order_id: int | None = None, **detail: object) -> None:
        actor = visitor.actor
        self._record(action, user_id=actor.user_id, name=actor.name, order_id=order_id, **detail)

    def _toast(self, tap_id: str, answer: CallbackAnswer) -> None:
        self._run_errand(
            self._bot.answer_callback_query(tap_id, text=answer.text or None, show_alert=answer.alert or None),
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
            TYPING_AFTER,
            lambda: self._run_errand(self._bot.send_chat_action(chat_id, ChatAction.TYPING)),
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
