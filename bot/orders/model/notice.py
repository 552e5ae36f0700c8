"""Notices to chats, in facts; the words are made when a message is sent."""

from dataclasses import dataclass, field

from bot.orders.model.order import Order


@dataclass(frozen=True)
class Notice:
    """A message for a chat. With a `key` it is sent once; kind `card` edits the order's message, or begins it."""

    kind: str
    chat_id: int
    data: dict[str, object] = field(default_factory=dict)
    key: str | None = None


def card(order: Order, **data: object) -> Notice:
    """Bring the order's message to the person who ordered up to date."""
    return Notice("card", order.chat_id, {"order": order.id, **data})


def cards(order: Order, **data: object) -> list[Notice]:
    """Bring the order's message up to date for everybody who follows it."""
    chats = dict.fromkeys((order.chat_id, *order.asked))
    return [Notice("card", chat, {"order": order.id, **data}) for chat in chats]
