"""How each letter reaches its reader: with a sound, without, or not at all, as they wish and as its kind allows."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from bot.orders.access.preferences import Preferences, Ring
from bot.store.message_kinds import kind_of, topic_of
from bot.store.outbox_message import OutboxMessage


class Book(Protocol):
    """What people want; `bot.store.preferences.PreferenceStore` fits as it is."""

    def of(self, user_id: int) -> Preferences:
        """A person's; a private chat has its person's id."""
        ...


class DeliveryPolicy:
    """Asked about each letter just before it leaves, so that a change of mind counts for what still waits."""

    def __init__(self, book: Book, clock: Callable[[], datetime]) -> None:
        self._book = book
        self._clock = clock

    def ring(self, letter: OutboxMessage) -> Ring:
        """How a letter is to arrive."""
        ring = self._book.of(letter.chat_id).ring(topic_of(letter.kind, letter.data), self._clock())
        soundless = letter.data.get("quiet") or not kind_of(letter.kind).sounds
        return Ring.SILENT if ring is Ring.ON and soundless else ring

    def listed(self, chat_id: int) -> bool:
        """Whether what this reader silenced is to be named at the close."""
        return self._book.of(chat_id).roundup
