"""What handlers and Telegram say to each other: an `Request` comes in, a `Reply` goes out. No Telegram types."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.orders.access.roles import Actor

REFRESH = "~"
"""Before a command in a button: put the answer in place of the message that bears it."""
TICKET = "t:"
"""Before a single-use token in a button: it acts on an order."""

WATCH = "w:"
"""Before what a button does with its person's watch list."""
STAR = f"{WATCH}*"
"""Before a code: puts it on the list, and leaves the message that bears the button as it is."""


@dataclass(frozen=True)
class Button:
    """One button. A command in `data` is merely typed for the person who taps; a token acts on an order, once."""

    label: str
    data: str


Buttons = tuple[tuple[Button, ...], ...]


@dataclass(frozen=True)
class Reply:
    """A message for the chat: HTML whose every variable is escaped, and rows of buttons under it."""

    text: str
    buttons: Buttons = ()


@dataclass(frozen=True)
class Chart:
    """A picture for the chat, in facts: it is drawn, and what stands under it is written, on its way out."""

    facts: Mapping[str, Any]
    """As `bot.charts.draw` and `bot.chat.messages.chart_messages` read them."""


def outgoing(reply: Reply) -> dict[str, object]:
    """A reply as the outbox keeps it."""
    return {"text": reply.text, "keys": [[[one.label, one.data] for one in row] for row in reply.buttons if row]}


def letter_of(update_id: int) -> str:
    """The key of the letter that answers an update."""
    return f"reply:{update_id}"


@dataclass(frozen=True)
class Request:
    """What an admitted person wants: `words` is all that stood behind the command, cleaned but not parsed."""

    actor: Actor
    words: str
    update_id: int
    message_id: int
    at: datetime
    """When Telegram says it was sent or tapped (KST)."""


Handler = Callable[[Request], Awaitable[Reply | Chart | None]]


@dataclass(frozen=True)
class CallbackAnswer:
    """The short answer to a tap, shown over the chat."""

    text: str = ""
    alert: bool = field(default=False)


@dataclass(frozen=True)
class Stranger:
    """Somebody who is not let in: all that is taken from them is a number, a short name and the words of a /start."""

    user_id: int
    name: str
    start: str | None = None
    """What stood behind /start in a private chat; None for anything else."""
