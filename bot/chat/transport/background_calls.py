"""Calls of the Bot API that go on behind an update and whose failure is no loss: toasts, typing, menus."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from telegram import Bot, BotCommand, BotCommandScopeChat
from telegram.constants import ChatAction
from telegram.error import TelegramError

from bot.chat.handlers.commands import allowed
from bot.chat.i18n.catalogue import reason
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang, use_language
from bot.chat.types import CallbackAnswer
from bot.orders.access.membership import Member, Status
from bot.orders.access.roles import Actor, Role

TYPING_DELAY = 0.4
"""Seconds of silence after which the chat shows that the bot is at work."""
DRAIN_TIMEOUT = 2.0


@dataclass(eq=False)
class BackgroundCalls:
    """Starts such calls and lets them end on a stop. Nothing here is repeated or written down."""

    bot: Bot
    frame: Frame
    lang_of: Callable[[int], Lang | None]
    """The language of whoever reads in a chat, None for the settings' own."""
    _under_way: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    def toast(self, tap_id: str, answer: CallbackAnswer) -> None:
        """Answer a tap; Telegram shows it over the chat."""
        self._start(self.bot.answer_callback_query(tap_id, text=answer.text or None, show_alert=answer.alert or None))

    def send(self, chat_id: int, text: str) -> None:
        """Say something once, outside of the outbox."""
        self._start(self.bot.send_message(chat_id, text))

    def warn(self, chats: Iterable[int], code: str, values: Mapping[str, object]) -> None:
        """Say a sentence once to each of these chats, in their language where that can be read."""
        for chat in chats:
            lang = None
            with contextlib.suppress(Exception):
                lang = self.lang_of(chat)
            with use_language(lang):
                self.send(chat, f"⚠️ {self.frame.badge} {reason(code, values, self.frame.lang)}")

    def leave(self, chat_id: int) -> None:
        """Leave a group."""
        self._start(self.bot.leave_chat(chat_id))

    @contextlib.asynccontextmanager
    async def typing(self, chat_id: int) -> AsyncIterator[None]:
        """The chat shows that the bot is at work, if that takes longer than `TYPING_DELAY`."""
        timer = asyncio.get_running_loop().call_later(
            TYPING_DELAY, lambda: self._start(self.bot.send_chat_action(chat_id, ChatAction.TYPING))
        )
        try:
            yield
        finally:
            timer.cancel()

    async def offer_menu(self, chat_id: int, role: Role) -> None:
        """Put the commands of this role into the menu of this chat; other chats show none."""
        with use_language(self.lang_of(chat_id)):
            menu = [BotCommand(one.name, one.help(self.frame.lang)) for one in allowed(role)]
        with contextlib.suppress(TelegramError):  # a chat that was never opened cannot have a menu yet
            await self.bot.set_my_commands(menu, scope=BotCommandScopeChat(chat_id))

    def renew_menu(self, actor: Actor) -> None:
        """Offer somebody's menu anew, after they chose another language or came back."""
        self._start(self.offer_menu(actor.chat_id, actor.role))

    def member_changed(self, person: Member) -> None:
        """Bring somebody's menu up to date with what they may do now."""
        if person.status is Status.ACTIVE:
            self._start(self.offer_menu(person.user_id, person.role))
        else:
            self._start(self.bot.delete_my_commands(scope=BotCommandScopeChat(person.user_id)))

    async def drain(self) -> None:
        """Let what is under way end."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_TIMEOUT)

    def _start(self, call: Coroutine[Any, Any, object]) -> None:
        async def run() -> None:
            with contextlib.suppress(TelegramError):
                await call

        task = asyncio.get_running_loop().create_task(run())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
