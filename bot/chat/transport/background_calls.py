"""Calls to Telegram beside the outbox, which nobody waits for and which may be lost: toasts, menus, "typing"."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from telegram import Bot, BotCommand, BotCommandScopeChat
from telegram.error import TelegramError

from bot.chat.handlers.commands import allowed
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang, speaking
from bot.orders.access.membership import Member, Status
from bot.orders.access.roles import Actor, Role

DRAIN_TIMEOUT = 2.0
"""Seconds a stop waits for calls under way."""


class BackgroundCalls:
    """Calls that are under way."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, call: Coroutine[Any, Any, object]) -> None:
        """Begin a call; a refusal by Telegram is ignored."""

        async def run() -> None:
            with contextlib.suppress(TelegramError):  # a toast that comes too late is no loss
                await call

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def say(self, chat_id: int, text: str) -> None:
        """Send a message once, if it can be sent at all."""
        self.start(self._bot.send_message(chat_id, text))

    async def drain(self) -> None:
        """Wait for the calls under way, up to DRAIN_TIMEOUT."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_TIMEOUT)


class CommandMenu:
    """Telegram's menu of commands in each private chat: those of the person's role, in their language."""

    def __init__(self, bot: Bot, calls: BackgroundCalls, frame: Frame, lang_of: Callable[[int], Lang | None]) -> None:
        """`lang_of`: a person's language, None for the default."""
        self._bot = bot
        self._calls = calls
        self._frame = frame
        self._lang_of = lang_of

    async def offer(self, chat_id: int, role: Role) -> None:
        """Show the commands of this role; other chats show none."""
        with speaking(self._lang_of(chat_id)):
            menu = [BotCommand(one.name, one.help(self._frame.lang)) for one in allowed(role)]
        with contextlib.suppress(TelegramError):  # a chat that was never opened cannot have a menu yet
            await self._bot.set_my_commands(menu, scope=BotCommandScopeChat(chat_id))

    def renew(self, actor: Actor) -> None:
        """Show it anew, for instance in another language."""
        self._calls.start(self.offer(actor.chat_id, actor.role))

    def update(self, member: Member) -> None:
        """Bring it up to date with what somebody may do now."""
        if member.status is Status.ACTIVE:
            self._calls.start(self.offer(member.user_id, member.role))
        else:
            self._calls.start(self._bot.delete_my_commands(scope=BotCommandScopeChat(member.user_id)))
