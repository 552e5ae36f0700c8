"""What passes between handlers and transport: a `Request` comes in, a `Reply` goes out. No Telegram types."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel

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


def in_rows(buttons: list[Button], size: int) -> Buttons:
    """Buttons in rows of so many at most."""
    return tuple(tuple(buttons[first : first + size]) for first in range(0, len(buttons), size))


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
    keys = [[[one.label, one.data] for one in row] for row in reply.buttons if row]
    return {"text": reply.text, "secrets": {"keys": keys}}


def secrets_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What opens something in a message's data; empty once the outbox has let it go."""
    secrets: Mapping[str, Any] = data.get("secrets", {})
    return secrets


def reply_key(update_id: int) -> str:
    """The outbox key of the answer to an update: there is one at most."""
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
    alert: bool = False


@dataclass(frozen=True)
class Stranger:
    """Somebody who is not let in: all that is taken from them is a number, a short name and the words of a /start."""

    user_id: int
    name: str
    start: str | None = None
    """What stood behind /start in a private chat; None for anything else."""


ROUND = 10_000
"""Shares: more are shown in units of so many."""


class WatchlistMode(StrEnum):
    """Whether the message is brought up to date by itself."""

    STILL = "still"
    LIVE = "live"
    OVER = "over"
    """Nobody touched it for a while."""
    CLOSED = "closed"
    """There is no market."""


class LastPrice(NamedTuple):
    """A price, and what goes with it: won, percent, and shares since the open; received at `at` (KST)."""

    price: int
    change: int
    rate: Decimal
    volume: int
    halted: bool
    vi: bool
    at: datetime


class WatchlistRow(BaseModel, frozen=True):
    """A stock of the list."""

    code: str
    name: str
    seen: LastPrice | None = None
    """None: KIS does not give it, or has not yet."""
    old: bool = False
    """It may have moved since it was seen."""
    waits: bool = False
    """An answer is on its way."""


class WatchlistView(BaseModel, frozen=True):
    """What the message shows at one moment."""

    message_id: int | None = None
    at: datetime
    mode: WatchlistMode = WatchlistMode.STILL
    until: datetime | None = None
    """It is live until then, unless its person touches it."""
    editing: bool = False
    rows: tuple[WatchlistRow, ...] = ()
    offers: tuple[tuple[str, str], ...] = ()
    """Codes and names that an empty list proposes."""

    @property
    def waits(self) -> bool:
        """Whether some of it is still to come."""
        return any(one.waits for one in self.rows)

    def differs(self, other: "WatchlistView") -> bool:
        """Whether a person sees anything else than in another view; the hour alone is not news."""
        return _visible(self) != _visible(other)


def _visible(view: WatchlistView) -> tuple[object, ...]:
    return view.mode, view.until, view.editing, view.offers, [_visible_line(one) for one in view.rows]


def _visible_line(row: WatchlistRow) -> tuple[object, ...]:
    """What a line lets one see: volumes are rounded, and a price bears its time only once it is old."""
    seen = row.seen
    if seen is None:
        return row.code, row.waits
    volume = seen.volume // ROUND if seen.volume >= ROUND else seen.volume
    return row.code, seen[:3], seen.volume >= ROUND, volume, seen.halted, seen.vi, seen.at if row.old else None
