"""The guard, first in line for everything Telegram sends: who is this, and is this the right kind of chat?

Authority is the numeric user id in a private chat. A stranger meets silence, or `handlers.people`; a group
that is not in the settings is left; in one that is, members may look and nobody may act.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog
from telegram import CallbackQuery, ChatMemberUpdated, Message, Update, User
from telegram.constants import ChatMemberStatus, ChatType

from bot.chat.i18n.formatting import shown_name
from bot.chat.types import Stranger
from bot.orders.access.roles import Actor, Person

log = structlog.get_logger(__name__)

INSIDE = {ChatMemberStatus.MEMBER, ChatMemberStatus.ADMINISTRATOR, ChatMemberStatus.RESTRICTED}


@dataclass(frozen=True)
class Visitor:
    """Somebody who was let in, and the message or tap they came with."""

    actor: Actor
    message: Message | None = None
    tap: CallbackQuery | None = None
    in_group: bool = False
    """In a group of the settings: they may look, not act."""


@dataclass(frozen=True)
class WrongChat:
    """A group or channel that is not in the settings, and that has us as a member."""

    chat_id: int


Arrival = Visitor | Stranger | WrongChat


@dataclass(frozen=True)
class AccessGuard:
    """Lets in only people on the whitelist, in their own private chat, and to look around in the groups allowed."""

    find: Callable[[int], Person | None]
    groups: Collection[int] = ()

    def admit(self, update: Update) -> Arrival | None:
        """Who came, or None for what nobody answers: edited messages, channels, inline queries, other bots. Pure."""
        if update.callback_query is not None:
            return self._admit_tap(update.callback_query)
        if update.my_chat_member is not None:
            return self._moved_in(update.my_chat_member)
        message = update.message
        if message is None:
            return None
        if message.chat.type != ChatType.PRIVATE:
            return self._in_group(message)
        user = message.from_user
        if user is None or not _own_words(message) or message.chat.id != user.id:
            return None
        start = _start_words(message) if message.forward_origin is None else None
        return self._known(user, message=message) or _stranger(user, start)

    def _admit_tap(self, tap: CallbackQuery) -> Arrival | None:
        bearer = tap.message
        if tap.from_user.is_bot or bearer is None:
            return None
        if bearer.chat.type != ChatType.PRIVATE or bearer.chat.id != tap.from_user.id:
            return None
        return self._known(tap.from_user, tap=tap) or _stranger(tap.from_user)

    def _in_group(self, message: Message) -> Arrival | None:
        if message.chat.id not in self.groups:
            gone = message.left_chat_member is not None
            return None if gone or message.chat.type == ChatType.CHANNEL else WrongChat(message.chat.id)
        if message.from_user is None or not _own_words(message) or message.forward_origin is not None:
            return None
        return self._known(message.from_user, message=message, in_group=True)

    def _moved_in(self, change: ChatMemberUpdated) -> WrongChat | None:
        if change.chat.type == ChatType.PRIVATE or change.chat.id in self.groups:
            return None
        return WrongChat(change.chat.id) if change.new_chat_member.status in INSIDE else None

    def _known(
        self, user: User, *, message: Message | None = None, tap: CallbackQuery | None = None, in_group: bool = False
    ) -> Visitor | None:
        person = self.find(user.id)
        if person is None:
            return None
        chat_id = message.chat.id if message is not None else user.id
        name = shown_name(person.name) or shown_name(user.full_name)
        return Visitor(Actor(user.id, chat_id, name, person.role), message, tap, in_group)


def _own_words(message: Message) -> bool:
    """Whether a person typed this as themselves: not a bot, not through one, not as a channel or an unnamed admin."""
    author = message.from_user
    if author is None or author.is_bot or message.sender_chat is not None:
        return False
    return message.via_bot is None and message.sender_business_bot is None


def borrowed(message: Message) -> bool:
    """Whether the words, or what they stand under, come from elsewhere: such a message never trades."""
    if message.forward_origin is not None or message.external_reply is not None or message.reply_to_story is not None:
        return True
    above = message.reply_to_message
    return above is not None and (above.via_bot is not None or above.forward_origin is not None)


def _start_words(message: Message) -> str | None:
    head, _, words = (message.text or "").partition(" ")
    return words.strip() if head.partition("@")[0] == "/start" else None


def _stranger(user: User, start: str | None = None) -> Stranger | None:
    return None if user.is_bot else Stranger(user.id, shown_name(user.full_name), start)
