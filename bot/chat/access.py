"""The guard, first in line for messages and for buttons: who is this, and is this the right kind of chat?

Authority is the numeric user id in a private chat. A stranger meets silence and one line in the log.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from telegram import CallbackQuery, Message, Update, User
from telegram.constants import ChatType

from bot.chat.words import clean
from bot.orders.model import Who
from bot.orders.people import Person

log = structlog.get_logger(__name__)

LONGEST_NAME = 20
"""Characters of a name that cards show."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who was let in, and the message or tap they came with."""

    who: Who
    message: Message | None = None
    tap: CallbackQuery | None = None


class Guard:
    """Lets in only people on the whitelist, in their own private chat."""

    def __init__(self, find: Callable[[int], Person | None]) -> None:
        self._find = find

    def admit(self, update: Update) -> Visitor | None:
        """The visitor, or None for silence. Edited messages, channels, groups and other bots never get this far."""
        if update.callback_query is not None:
            return self._admit_tap(update.callback_query)
        message = update.message
        if message is None or message.from_user is None or message.via_bot is not None:
            return None
        if message.chat.type != ChatType.PRIVATE or message.chat.id != message.from_user.id:
            return None
        return self._known(message.from_user, message=message)

    def _admit_tap(self, tap: CallbackQuery) -> Visitor | None:
        bearer = tap.message
        if bearer is None or bearer.chat.type != ChatType.PRIVATE or bearer.chat.id != tap.from_user.id:
            log.warning("tap outside a private chat", user=tap.from_user.id)
            return None
        return self._known(tap.from_user, tap=tap)

    def _known(self, user: User, *, message: Message | None = None, tap: CallbackQuery | None = None) -> Visitor | None:
        person = self._find(user.id)
        if person is None:
            log.info("stranger", user=user.id, kind="tap" if tap else "message")
            return None
        name = clean(person.name or user.full_name)[:LONGEST_NAME]
        return Visitor(Who(user.id, user.id, name, person.role), message, tap)  # a private chat bears its person's id
