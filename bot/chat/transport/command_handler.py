"""How python-telegram-bot's handlers recognise our commands and what must not be taken for one."""

from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any

from telegram import CallbackQuery, Message, Update
from telegram.constants import ChatType
from telegram.ext import CallbackContext, CommandHandler, filters

from bot.chat.handlers.commands import Command
from bot.chat.i18n.formatting import clean
from bot.chat.transport.access import Visitor, borrowed
from bot.chat.types import Request


class UpdateContext(CallbackContext[Any, dict[Any, Any], dict[Any, Any], dict[Any, Any]]):
    """The context of one update; the access guard sets `visitor` and `request` before any other handler runs."""

    visitor: Visitor
    request: Request
    """What the visitor wants; its words are for the handler to fill in."""

    @property
    def line(self) -> str:
        """The message that was written, as one clean line; only handlers of messages ask."""
        assert self.visitor.message is not None  # noqa: S101
        return read_line(text_of(self.visitor.message))[0]

    @property
    def tap(self) -> CallbackQuery:
        """The tap on a button; only handlers of buttons ask."""
        assert self.visitor.tap is not None  # noqa: S101
        return self.visitor.tap

    def data(self, prefix: str = "") -> str:
        """What the tapped button holds behind its prefix."""
        return (self.tap.data or "").removeprefix(prefix)

    @property
    def words(self) -> str:
        """All that stood behind the command, cleaned but not split."""
        return self.args[0] if self.args else ""


Callback = Callable[[Update, UpdateContext], Coroutine[Any, Any, None]]


@lru_cache(maxsize=1)  # every handler of the table is asked about the same text in turn
def read_line(text: str) -> tuple[str, str, str, str]:
    """A text as one clean line, and its command word, whom that is addressed to, and what follows; "" where missing."""
    line = clean(text)
    if not line.startswith("/"):
        return line, "", "", line
    head, _, words = line[1:].partition(" ")
    word, _, bot = head.partition("@")
    return line, word.lower(), bot.lower(), words


def text_of(message: Message) -> str:
    """What a message says, under a picture too."""
    return message.text or message.caption or ""


class TableCommandHandler(CommandHandler[UpdateContext, None]):
    """PTB's `CommandHandler` for a row of the table of commands: its Latin and its Korean word.

    Telegram marks only Latin commands, and only in a text; so the words themselves decide, in a caption too. Another
    bot's name behind the command (`/price@other`) counts in groups alone.
    """

    def __init__(self, command: Command, callback: Callback, where: filters.BaseFilter) -> None:
        super().__init__(command.name, callback, where)
        self.commands |= {command.korean}

    def check_update(self, update: object) -> tuple[list[str], bool] | None:
        """The words behind the command, as the only argument; None where it is not this command."""
        if not isinstance(update, Update) or update.message is None or not self.filters.check_update(update):
            return None
        _, word, bot, words = read_line(text_of(update.message))
        if word not in self.commands:
            return None
        if bot and update.message.chat.type != ChatType.PRIVATE and bot != update.message.get_bot().username.lower():
            return None
        return [words], True


class BorrowedWords(filters.MessageFilter):
    """Messages that are not carried out: forwarded ones; orders and bare words under what was forwarded, or a picture."""

    def __init__(self, by_word: Mapping[str, Command]) -> None:
        super().__init__()
        self._by_word = by_word

    def filter(self, message: Message) -> bool:
        """Whether nothing may be done for this message."""
        command = self._by_word.get(read_line(text_of(message))[1])
        unsure = borrowed(message) or bool(message.caption)
        return message.forward_origin is not None or (unsure and (command is None or command.trades))
