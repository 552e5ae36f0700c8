"""Decides, just before sending, whether a message rings, is silent or is withheld."""

from collections.abc import Callable
from datetime import datetime

from bot.orders.access.preferences import Ring
from bot.store.message_kinds import kind_of, topic_of
from bot.store.outbox import OutboxMessage
from bot.store.preferences import PreferenceStore


class DeliveryPolicy:
    """A person's preferences applied to a message; a change counts for messages that already wait."""

    def __init__(self, preferences: PreferenceStore, clock: Callable[[], datetime]) -> None:
        self._preferences = preferences
        self._clock = clock

    def ring(self, message: OutboxMessage) -> Ring:
        """How a message is to arrive."""
        preferences = self._preferences.of(message.chat_id)
        ring = preferences.ring(topic_of(message.kind, message.data), self._clock())
        soundless = message.data.get("quiet") or not kind_of(message.kind).sounds
        return Ring.SILENT if ring is Ring.ON and soundless else ring

    def listed(self, chat_id: int) -> bool:
        """Whether the digest at the close lists what this person withholds."""
        return self._preferences.of(chat_id).roundup
