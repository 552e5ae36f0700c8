"""The kinds of messages: how each is delivered. `bot.chat.messages.registry` holds the renderer of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bot.orders.access.preferences import Topic
from bot.orders.model.order import OrderState


class IfUndelivered(Enum):
    """What becomes of a message of which even the second copy may not have arrived."""

    DIGEST = "digest"
    """It is news: the digest lists it."""
    DROP = "drop"
    """It was an answer, or a card that the next change brings up to date: a log line."""


@dataclass(frozen=True)
class MessageKind:
    """How messages of one kind are delivered."""

    urgency: int
    """Lower goes first within a chat."""
    if_undelivered: IfUndelivered = IfUndelivered.DIGEST
    in_step: bool = False
    """Bears an order's running figures: told in the order in which they came about, whatever the urgency."""
    topic: Topic | None = None
    """Under what its reader may silence it; None: nobody can."""
    sounds: bool = True
    """Whether the phone may ring for it at all."""
    answers: bool = False
    """Its person has just written or tapped, and waits."""
    in_place: bool = False
    """Brings a message up to date: sent again it says the same, and nobody sees a repeat."""
    lists: bool = False
    """Its parts are listed in it and not delivered themselves."""


KINDS: dict[str, MessageKind] = {
    **dict.fromkeys(
        (
            "found", "absent", "late", "ambiguous", "manual", "contradiction", "mismatch", "trouble", "brake", "blind",
            "release", "heard", "heard_shown", "recovering", "recovered", "stopped", "audit_key", "stepup",
            "unreadable",
        ),
        MessageKind(0),
    ),
    "corrected": MessageKind(1, in_step=True, topic=Topic.FILLS),
    "ended": MessageKind(1, in_step=True, topic=Topic.ENDS),
    "digest": MessageKind(1, lists=True),
    "fill": MessageKind(2, in_step=True, topic=Topic.FILLS),
    "external_fill": MessageKind(2, topic=Topic.OUTSIDE),
    "group_fill": MessageKind(2, in_step=True),
    **dict.fromkeys(("join", "joined", "people", "stranger"), MessageKind(3)),
    "invite": MessageKind(3, IfUndelivered.DROP),
    "card": MessageKind(3, IfUndelivered.DROP),
    **dict.fromkeys(("reply", "chart"), MessageKind(4, IfUndelivered.DROP, answers=True)),
    **dict.fromkeys(("edit", "chart_edit"), MessageKind(4, IfUndelivered.DROP, answers=True, in_place=True)),
    "report": MessageKind(5, topic=Topic.REPORTS),
    "roundup": MessageKind(5, IfUndelivered.DROP, sounds=False, lists=True),
    "anchor": MessageKind(5, sounds=False),
    "limits": MessageKind(2),
    "alert": MessageKind(3, topic=Topic.ALERTS),
    "look": MessageKind(6, IfUndelivered.DROP, in_place=True),
}  # fmt: skip
"""By urgency: doubt, safety, halt; refusals and other ends; fills; cards; answers; reports; live messages."""
CARD_URGENCY = {
    OrderState.UNKNOWN: 0,
    OrderState.REJECTED: 1,
    OrderState.NOT_SENT: 1,
    OrderState.BLOCKED: 1,
    OrderState.ABSENT: 1,
    OrderState.NEVER_BOOKED: 1,
    OrderState.DENIED: 1,
}
"""The urgency of an order's card where it tells more than that the broker took it."""


def kind_of(kind: str) -> MessageKind:
    """How a message of this kind is delivered; one that is not in the table is news, as urgent as a fill."""
    return KINDS.get(kind, MessageKind(2))


def topic_of(kind: str, data: Mapping[str, Any]) -> Topic | None:
    """Under what a message may be silenced: news of somebody else's order is a topic of its own."""
    topic = kind_of(kind).topic
    return Topic.OTHERS if topic in {Topic.FILLS, Topic.ENDS} and data.get("others") else topic
