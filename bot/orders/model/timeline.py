"""What is recorded of one order, gathered from every table that mentions it. Frozen facts; the chat makes the words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from bot.orders.model.order import Order, Vote


@dataclass(frozen=True)
class AuditEntry:
    """One row of the audit log. `user_id` is None where the program did it by itself."""

    seq: int
    at: datetime
    action: str
    user_id: int | None = None
    name: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SendAttempt:
    """One request to the broker. `outcome` is empty where the program ended before it could record one."""

    n: int
    at: datetime
    endpoint: str
    outcome: str = ""
    status: int | None = None
    code: str = ""
    words: str = ""
    """The broker's own."""
    seconds: float | None = None


@dataclass(frozen=True)
class MessageSent:
    """The messages of one kind that one person was sent about the order."""

    chat_id: int
    name: str
    kind: str
    first: datetime
    last: datetime
    messages: int
    """Messages in the chat; a card that was edited ten times is one."""
    open: int = 0
    """Still to be sent."""
    failed: int = 0
    """Given up: refused by Telegram, or never known to have arrived."""


@dataclass(frozen=True)
class HaltChange:
    """One change of the trading halt; `level` as in `HaltLevel`. `before`: made before the order was proposed."""

    level: int
    why: str
    at: datetime
    name: str = ""
    before: bool = False


class AnchorPosted(NamedTuple):
    """A head of the audit log that was posted to the chats."""

    seq: int
    head: str
    at: datetime


@dataclass(frozen=True)
class OrderTimeline:
    """One order, and all that is recorded of it."""

    order: Order
    entries: tuple[AuditEntry, ...] = ()
    votes: tuple[Vote, ...] = ()
    attempts: tuple[SendAttempt, ...] = ()
    messages: tuple[MessageSent, ...] = ()
    halt_changes: tuple[HaltChange, ...] = ()
    parent: Order | None = None
    """The order that this one, a revision, takes the place of."""
    children: tuple[Order, ...] = ()
    """Revisions of this one, oldest first."""
    namesakes: tuple[int, ...] = ()
    """Our orders of other days with the same number at the broker."""
    posted: AnchorPosted | None = None
    """The first posted head that fixes all of its rows."""
    head: str = ""
    """The head as it is now."""


@dataclass(frozen=True)
class ChainState:
    """The audit chain as far as it can be judged without the first key, which must not lie on this machine."""

    rows: int
    head: str
    since: datetime | None
    """When its first row was written."""
    last: AnchorPosted | None
    """The head posted last."""
    agrees: bool
    """Whether the rows still bear every head that was posted."""
    key_here: bool
    """Whether the first key still lies on this machine, where it protects nothing."""
