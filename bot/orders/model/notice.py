"""What chats are told about orders, in facts; the words are made when a message is sent."""

from dataclasses import dataclass, field

from bot.orders.model.order import Order


@dataclass(frozen=True)
class Notice:
    """Something a chat is to be told, in facts; the words are made when it is sent.

    `key` makes it happen once; `card` means: bring the order's living message up to date, or begin it.
    """

    kind: str
    chat_id: int
    data: dict[str, object] = field(default_factory=dict)
    key: str | None = None


def card(order: Order, **data: object) -> Notice:
    """Bring the living message of the person who ordered up to date."""
    return Notice("card", order.chat_id, {"order": order.id, **data})


def cards(order: Order, **data: object) -> list[Notice]:
    """Bring the order's living message up to date for everybody who follows it."""
    asked = [chat for chat in order.asked if chat != order.chat_id]
    return [card(order, **data), *(Notice("card", chat, {"order": order.id, **data}) for chat in asked)]
