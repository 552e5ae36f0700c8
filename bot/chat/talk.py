"""What handlers and Telegram say to each other: an `Ask` comes in, a `Reply` goes out. No Telegram types."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.orders.model import Who

REFRESH = "~"
"""Before a command in a button: put the answer in place of the message that bears it."""
TICKET = "t:"
"""Before a single-use token in a button: it acts on an order."""

WATCH = "w:"
"""Before what a button does with its person's watch list."""
STAR = f"{WATCH}*"
"""Before a code: puts it on the list, and leaves the message that bears the button as it is."""


@dataclass(frozen=True)
class Key:
    """One button. A command in `data` is merely typed for the person who taps; a token acts on an order, once."""

    label: str
    data: str


Keys = tuple[tuple[Key, ...], ...]


@dataclass(frozen=True)
class Reply:
    """A message for the chat: HTML whose every variable is escaped, and rows of buttons under it."""

    text: str
    keys: Keys = ()


@dataclass(frozen=True)
class Chart:
    """A picture for the chat, in facts: it is drawn, and what stands under it is written, on its way out."""

    facts: Mapping[str, Any]
    """As `bot.chart_drawing` and `bot.chat.chart_cards` read them."""


def outgoing(reply: Reply) -> dict[str, object]:
    """A reply as the outbox keeps it."""
    return {"text": reply.text, "keys": [[[one.label, one.data] for one in row] for row in reply.keys if row]}


def letter_of(update_id: int) -> str:
    """The key of the letter that answers an update."""
    return f"reply:{update_id}"


@dataclass(frozen=True)
class Ask:
    """What an admitted person wants: `words` is all that stood behind the command, cleaned but not parsed."""

    who: Who
    words: str
    update_id: int
    message_id: int
    at: datetime
    """When Telegram says it was sent or tapped (KST)."""


Handler = Callable[[Ask], Awaitable[Reply | Chart | None]]


@dataclass(frozen=True)
class Toast:
    """The short answer to a tap, shown over the chat."""

    text: str = ""
    alert: bool = field(default=False)
