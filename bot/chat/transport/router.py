"""From an update to its answer, by python-telegram-bot's `Application`: access guard, then the handler that fits.

Updates come from the stored inbox (`update_inbox`), never from PTB's updater; answers go into the outbox under a key of
their update, so that an update that is handled once more after a crash is not answered once more.

A new command is a row of `handlers.commands.COMMANDS` with its handler in the container; a new kind of button is a line
of `_buttons` below.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import InitVar, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from telegram import Bot, Message, Update
from telegram.ext import (
    ApplicationBuilder,
    ApplicationHandlerStop,
    CallbackQueryHandler,
    ContextTypes,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot.chat.handlers.commands import Command, Handlers, refusal
from bot.chat.handlers.keypad import KEYPAD
from bot.chat.handlers.people import MemberHandlers
from bot.chat.handlers.second_factor import SecondFactorChat
from bot.chat.handlers.trading import TradingHandlers
from bot.chat.handlers.watchlist import WatchlistHandlers
from bot.chat.i18n.catalogue import NOT_ALLOWED, kis_error, msgid
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang, set_language, use_language
from bot.chat.messages.members import PEOPLE
from bot.chat.parsing.order_args import MAX_LENGTH, split_stock
from bot.chat.ports import Post, Record, StockLookup
from bot.chat.transport.access import AccessGuard, Visitor, WrongChat, borrowed
from bot.chat.transport.background_calls import BackgroundCalls
from bot.chat.transport.command_handler import BorrowedWords, Callback, TableCommandHandler, UpdateContext, read_line
from bot.chat.transport.question_queue import QuestionQueue, QuestionsWait
from bot.chat.types import REFRESH, TICKET, WATCH, CallbackAnswer, Chart, Reply, Request, Stranger, outgoing, reply_key
from bot.orders.access.roles import Actor
from bot.orders.model.reason import Reason
from bot.orders.model.tap_result import TapOutcome
from bot.orders.risk.trading_halt import NEVER
from kis.callers import calling_for
from kis.endpoints import Lane
from kis.errors import KisError
from kis.krx import KST

log = structlog.get_logger(__name__)

GUARD_GROUP = -1
"""The handler group of the access guard: PTB asks it before group 0, where all other handlers stand."""
MAX_COMMAND_AGE = timedelta(seconds=120)
"""A trading command older than this was written for another market."""
TOO_LATE = msgid(
    "⏰ This command arrived {minutes} minutes late and was not carried out. Send it again if you still want it."
)
UNRECORDED = msgid(
    "⚠️ This cannot be recorded now, so it was not done and no order was sent. You get an answer once recording works again; order buttons you pressed meanwhile have to be pressed again."
)
REFUSAL_INTERVAL = timedelta(minutes=1)
IN_GROUPS = ("status", "price")
"""The commands that members may give in a group of the settings."""
LEAVE_INTERVAL = timedelta(minutes=10)
"""How often the same group is left at most, if it does not let us go."""
MAX_GROUPS_REMEMBERED = 100
SECRET_WORDS = frozenset({"start", "pin"})
"""Commands whose words are not audited: an invitation, a PIN that should not have been typed."""
WITHOUT_EFFECT = frozenset(
    {
        TapOutcome.NOT_YOURS,
        TapOutcome.BUSY,
        TapOutcome.LATE,
        TapOutcome.DELAYED,
        TapOutcome.USED,
        TapOutcome.GONE,
        TapOutcome.STEP_UP,
    }
)
"""Taps that change no order, and are audited here; any other is audited in the transaction of its change."""


@dataclass(eq=False)
class Router:
    """Answers updates, each at most once. Updates may be handled at the same time."""

    bot: InitVar[Bot]
    guard: AccessGuard
    commands: Handlers
    trading: TradingHandlers
    members: MemberHandlers
    second_factor: SecondFactorChat
    watchlist: WatchlistHandlers
    symbols: StockLookup
    calls: BackgroundCalls
    post: Post
    record: Record
    clock: Callable[[], datetime]
    frame: Frame
    lang_of: Callable[[int], Lang | None]
    """The language of a person, None for the settings' own."""
    report_fault: Callable[[str, Mapping[str, object]], None]
    """Tells those in charge."""
    is_storage_fault: Callable[[BaseException], bool]
    """Whether an error is the database's refusal: the update is then handled once more, and not answered yet."""
    _left_at: OrderedDict[int, datetime] = field(default_factory=OrderedDict, init=False)
    _questions: QuestionQueue = field(default_factory=QuestionQueue, init=False)
    _unanswered: dict[int, Exception] = field(default_factory=dict, init=False)
    """Faults, by update id, whose answer could not be put into the outbox either."""
    _refused: set[int] = field(default_factory=set, init=False)
    """Updates whose person was told that they cannot be recorded."""
    _refused_at: dict[int, datetime] = field(default_factory=dict, init=False)
    """When people let in were told so last, by chat."""

    def __post_init__(self, bot: Bot) -> None:
        """PTB's application, without a source of updates of its own."""
        context_types = ContextTypes(context=UpdateContext)
        builder = ApplicationBuilder().bot(bot).updater(None).job_queue(None).context_types(context_types)
        self._application = builder.build()
        self._add_handlers()

    def _add_handlers(self) -> None:
        """Of a group PTB runs the first handler that fits, in the order in which they are added."""
        add, by_word, private = self._application.add_handler, self.commands.by_word, filters.ChatType.PRIVATE
        add(TypeHandler(Update, self._admit), GUARD_GROUP)
        add(MessageHandler(private & BorrowedWords(by_word), self._refuse_borrowed))
        for command in self.commands.table:
            add(TableCommandHandler(command, partial(self._command, command), private))
        for name in IN_GROUPS:
            add(TableCommandHandler(by_word[name], partial(self._command_in_group, by_word[name]), ~private))
        add(MessageHandler(private, self._bare_words))
        for prefix, callback in self._buttons().items():
            add(CallbackQueryHandler(callback, pattern=f"^{re.escape(prefix)}"))
        add(CallbackQueryHandler(self._typed))  # data of no kind we know
        self._application.add_error_handler(self._answer_fault)

    def _buttons(self) -> dict[str, Callback]:
        """Who answers a tap, by what the data of the button begins with. PTB gives a tap without data to the first."""
        return {
            "/": self._typed,
            REFRESH: self._refreshed,
            TICKET: self._ticket,
            PEOPLE: self._member_button,
            KEYPAD: self._keypad,
            WATCH: self._watchlist_button,
        }

    async def handle(self, update: Update) -> None:
        """Answer one update; a fault of ours becomes a sentence for its person, and its detail a log line.

        Raises:
            Exception: the update could not be answered at all; it stays open in the inbox.
        """
        await self._application.initialize()  # at once: the bot has met Telegram before the first update comes
        with use_language(None):
            await self._application.process_update(update)
        fault = self._unanswered.pop(update.update_id, None)
        if fault is not None:
            raise fault
        self._refused.discard(update.update_id)

    def keeps(self, update: Update) -> bool:
        """Whether an update is worth a row on disk: those of people who are let in are."""
        return isinstance(self.guard.admit(update), Visitor)

    # --- who is let in ------------------------------------------------------------------------------------------------

    async def _admit(self, update: Update, context: UpdateContext) -> None:
        """The guard: no other handler runs for whoever it does not let in."""
        arrival = self.guard.admit(update)
        if not isinstance(arrival, Visitor):
            self._turn_away(arrival, update)
            raise ApplicationHandlerStop
        context.visitor = arrival
        context.request = self._request(arrival, update.update_id)
        set_language(None if arrival.in_group else self.lang_of(arrival.actor.user_id))
        self.members.people.seen(arrival.actor.user_id)

    def _turn_away(self, arrival: Stranger | WrongChat | None, update: Update) -> None:
        try:
            if isinstance(arrival, WrongChat):
                self._leave(arrival.chat_id)
            elif isinstance(arrival, Stranger):
                self.members.stranger_wrote(arrival)
            elif update.callback_query is not None:
                log.warning("tap outside a private chat", user=update.callback_query.from_user.id)
        except Exception:
            log.exception("an update of a stranger could not be handled", update=update.update_id)

    def _leave(self, chat_id: int) -> None:
        now = self.clock()
        if chat_id in self._left_at and now - self._left_at[chat_id] < LEAVE_INTERVAL:
            return
        self._left_at[chat_id] = now
        self._left_at.move_to_end(chat_id)
        if len(self._left_at) > MAX_GROUPS_REMEMBERED:
            self._left_at.popitem(last=False)
        log.warning("leaving a chat that is not in the settings", chat=chat_id)
        self.calls.leave(chat_id)

    # --- faults -------------------------------------------------------------------------------------------------------

    async def _answer_fault(self, update: object, context: UpdateContext) -> None:
        """The error handler. No other handler runs after it, whatever comes of it: the update had its one chance."""
        assert isinstance(update, Update)  # noqa: S101  # nothing else is ever processed
        assert context.error is not None  # noqa: S101  # it is what PTB calls this for
        try:
            if self.is_storage_fault(context.error):
                self._unanswered[update.update_id] = context.error
            else:
                self._tell_fault(update, context.error)
        except Exception as fault:  # noqa: BLE001  # PTB would only log it: `handle` raises it
            self._unanswered[update.update_id] = fault
        raise ApplicationHandlerStop

    def _tell_fault(self, update: Update, error: Exception) -> None:
        visitor = self.guard.admit(update)
        if not isinstance(visitor, Visitor):
            raise error
        request, lang = self._request(visitor, update.update_id), self.frame.lang
        if isinstance(error, KisError):
            why = type(error).__name__
            log.warning("the broker could not answer", endpoint=error.endpoint, code=error.code, why=why)
            self._reply(request, Reply(kis_error(error, lang)))
            return
        log.error("an update could not be answered", update=update.update_id, exc_info=error)
        self.report_fault("ANSWER_LOST", {"name": visitor.actor.name or visitor.actor.user_id})
        self._reply(
            request,
            Reply(self.frame.text("⚠️ An internal error stopped this. See /orders for the state of your orders.")),
        )

    # --- messages -----------------------------------------------------------------------------------------------------

    async def _refuse_borrowed(self, _: Update, context: UpdateContext) -> None:
        refusal = self.frame.text("Forwarded messages are not carried out. Please type it yourself.")
        message = context.visitor.message
        if message is not None and message.caption and not borrowed(message):
            refusal = self.frame.text("The words of a picture are not carried out. Please type them as a message.")
        self._reply(context.request, Reply(refusal))

    async def _command(self, command: Command, _: Update, context: UpdateContext) -> None:
        request = replace(context.request, words=context.words)
        text = f"/{command.name}" if command.name in SECRET_WORDS else context.line[:MAX_LENGTH]
        self._audit(request.actor, "command", text=text)
        if command.name == "start":
            self.calls.renew_menu(request.actor)
        self._reply(request, await self._run(command, request))

    async def _command_in_group(self, command: Command, _: Update, context: UpdateContext) -> None:
        """A member asks in a group: a short answer for all to see, without buttons."""
        request = replace(context.request, words=context.words)
        self._audit(request.actor, "command", text=context.line[:MAX_LENGTH], group=request.actor.chat_id)
        reply = await self._run(command, request)
        self._reply(request, Reply(reply.text) if isinstance(reply, Reply) else None)

    async def _bare_words(self, _: Update, context: UpdateContext) -> None:
        """Words that are no command: the code that a second factor waits for, or a stock whose price is asked."""
        line = context.line
        request = replace(context.request, words=line)
        if await self.second_factor.typed(request):
            return  # and is written down nowhere
        code = self._stock_code(line)
        self._audit(request.actor, "command", text=line[:MAX_LENGTH])
        if code is None:
            reply: Reply | Chart | None = Reply(self.frame.text("I did not understand. See /help for the commands."))
        else:
            reply = await self._run(self.commands.by_word["price"], replace(request, words=code))
        self._reply(request, reply)

    def _stock_code(self, line: str) -> str | None:
        """The code of the stock that a line names, if it names one and nothing else."""
        stock, _, rest = split_stock(line, self.symbols) if len(line) <= MAX_LENGTH else (None, "", [])
        return stock.code if stock is not None and not rest else None

    async def _run(self, command: Command, request: Request) -> Reply | Chart | None:
        if not request.actor.role.covers(command.role):
            return Reply(self.frame.text(NOT_ALLOWED))
        if len(request.words) > MAX_LENGTH:
            return refusal([Reason("TOO_LONG")], self.frame)
        age = self.clock() - request.at
        if command.trades and age > MAX_COMMAND_AGE:
            return Reply(self.frame.text(TOO_LATE, minutes=int(age.total_seconds() // 60)))
        async with self.calls.typing(request.actor.chat_id):
            if command.urgent:
                with calling_for(request.actor.user_id, Lane.TICKET):
                    return await self.commands.answer(command, request)
            try:
                async with self._questions.turn(request.actor.user_id):
                    return await self.commands.answer(command, request)
            except QuestionsWait:
                words = msgid("⏳ Your earlier questions are still being answered. Ask again once they are.")
                self._say_once_a_minute(request.actor, "wait", self.frame.text(words))
                return None

    # --- taps ---------------------------------------------------------------------------------------------------------

    async def _typed(self, _: Update, context: UpdateContext) -> None:
        """A button that types a command for whoever taps it."""
        self._reply(context.request, await self._run_typed(context, context.data()))

    async def _refreshed(self, _: Update, context: UpdateContext) -> None:
        """The same, and the answer takes the place of the message that bears the button."""
        reply = await self._run_typed(context, context.data(REFRESH))
        bearer = context.tap.message
        pictured = isinstance(bearer, Message) and bool(bearer.photo)
        in_place = pictured == isinstance(reply, Chart)  # a picture cannot become a text, nor a text a picture
        self._reply(context.request, reply, in_place=in_place)

    async def _run_typed(self, context: UpdateContext, line: str) -> Reply | Chart | None:
        _, word, _, words = read_line(line)
        self._audit(context.request.actor, "tap", text=context.data())
        self.calls.toast(context.tap.id, CallbackAnswer())
        command = self.commands.by_word.get(word)
        return await self._run(command, replace(context.request, words=words)) if command is not None else None

    async def _ticket(self, update: Update, context: UpdateContext) -> None:
        """A single-use button that acts on an order; its answer is the order's card."""
        actor, tap = context.request.actor, context.tap
        if not actor.role.covers(self.commands.by_word["buy"].role):
            self.calls.toast(tap.id, CallbackAnswer(self.frame.text(NOT_ALLOWED), alert=True))
            return
        late = update.update_id in self._refused
        answer, pressed = self.trading.tap(context.data(TICKET), actor, late=late)
        if pressed.verdict in WITHOUT_EFFECT:
            order_id = pressed.order.id if pressed.order else None
            self._audit(actor, "tap", verdict=pressed.verdict.value, order_id=order_id)
        self.calls.toast(tap.id, answer)
        if pressed.verdict is TapOutcome.DELAYED:  # Telegram shows no toast that comes so late
            self._reply(context.request, Reply(answer.text))
        with calling_for(actor.user_id):
            await self.trading.carry_out(pressed)

    async def _member_button(self, _: Update, context: UpdateContext) -> None:
        """A single-use button that changes a person."""
        answer = self.members.tap(context.data(PEOPLE), context.request.actor)
        self._audit(context.request.actor, "tap", verdict=answer.verdict)
        self.calls.toast(context.tap.id, answer.toast)
        self._reply(context.request, answer.reply, in_place=True)

    async def _keypad(self, _: Update, context: UpdateContext) -> None:
        """A key of a keypad; it is written down nowhere."""
        self.calls.toast(context.tap.id, await self.second_factor.press(context.data(KEYPAD), context.request))

    async def _watchlist_button(self, _: Update, context: UpdateContext) -> None:
        self.calls.toast(context.tap.id, await self.watchlist.tap(context.data(WATCH), context.request))

    # --- out ----------------------------------------------------------------------------------------------------------

    def _reply(self, request: Request, reply: Reply | Chart | None, *, in_place: bool = False) -> None:
        """Put an answer into the outbox; `in_place`: it takes the place of the request's message."""
        if reply is None:
            return
        kind, facts = ("chart", reply.facts) if isinstance(reply, Chart) else ("reply", outgoing(reply))
        if in_place:
            kind = "chart_edit" if isinstance(reply, Chart) else "edit"
            facts = {**facts, "message_id": request.message_id}
        self.post(kind, request.actor.chat_id, facts, reply_key(request.update_id))

    def tell_of_flood(self, actor: Actor, day_is_full: bool) -> None:  # as flood control reports it
        """Somebody let in sends more than is taken: they learn that they are not heard, and so do those in charge."""
        words = msgid("⏳ Too many messages: those that follow are not read. Pause for ten seconds and go on; /halt and order buttons always work.")  # fmt: skip
        if day_is_full:
            words = msgid("⏳ Too many messages today: until tomorrow no more are read. /halt and order buttons always work.")  # fmt: skip
        with use_language(self.lang_of(actor.user_id)):
            self._say_once_a_minute(actor, "flood", self.frame.text(words))
        self.report_fault("FLOOD", {"name": actor.name or actor.user_id})

    def refuse_unrecorded(self, update: Update) -> None:
        """The database refuses an update: its person learns it past the outbox, once a minute, and a tap at once."""
        self._refused.add(update.update_id)
        with suppress(Exception):  # the people cannot be read either
            visitor = self.guard.admit(update)
            if not isinstance(visitor, Visitor) or visitor.in_group:
                return
            chat, now = visitor.actor.chat_id, self.clock()
            with use_language(self.lang_of(chat)):
                text = self.frame.text(UNRECORDED)
            if visitor.tap is not None:
                self.calls.toast(visitor.tap.id, CallbackAnswer(text, alert=True))
            elif now - self._refused_at.get(chat, NEVER) >= REFUSAL_INTERVAL:
                self._refused_at[chat] = now
                self.calls.send(chat, text)

    def _say_once_a_minute(self, actor: Actor, what: str, text: str) -> None:
        self.post("reply", actor.user_id, outgoing(Reply(text)), f"{what}:{actor.user_id}:{self.clock():%y%m%d%H%M}")

    def _audit(self, actor: Actor, action: str, *, order_id: int | None = None, **detail: object) -> None:
        self.record(action, user_id=actor.user_id, name=actor.name, order_id=order_id, **detail)

    def _request(self, visitor: Visitor, update_id: int) -> Request:
        """What a visitor came with, its words still unread."""
        sent = visitor.message if visitor.tap is None else visitor.tap.message
        assert sent is not None  # noqa: S101  # the guard says so
        at = self.clock() if visitor.message is None else visitor.message.date.astimezone(KST)
        return Request(visitor.actor, "", update_id, sent.message_id, at)
