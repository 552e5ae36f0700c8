"""Every kind of message has its rules of delivery in the store and its renderer in the chat."""

from bot.chat.messages.registry import CAPTIONS, MESSAGES
from bot.store.message_kinds import KINDS


def test_each_kind_has_its_rules_and_its_renderer():
    assert set(MESSAGES) == set(KINDS)
    assert set(CAPTIONS) <= set(KINDS)
