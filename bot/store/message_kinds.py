"""The kinds of letters, how urgent each is, and what becomes of one that may not have arrived."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bot.orders.access.preferences import Topic
from bot.orders.model.order import OrderState


class IfUndelivered(Enum):
    """What becomes of a letter of which even the second copy may not have arrived."""

    DIGEST = "digest"
    """It is news: the digest lists it."""
    DROP = "drop"
    """It was an answer, or a card that the next change brings up to date: a log line."""


@dataclass(frozen=True)
class MessageKind:
    """How letters of one kind are treated."""

    urgency: int
    """Lower goes first within a chat."""
    second: IfUndelivered = IfUndelivered.DIGEST
    in_step: bool = False
    """Bears an order's running figures: told in the order in which they came about, whatever the urgency."""
    topic: Topic | None = None
    """Under what its reader may silence it; None: nobody can."""
    sounds: bool = True
    """Whether the phone may ring for it at all."""


KINDS: dict[str, MessageKind] = {
    **dict.fromkeys(
        (
            "found", "absent", "late", "ambiguous", "manual", "contradiction", "mismatch", "trouble", "brake", "blind",
            "release", "heard", "heard_shown", "recovering", "recovered", "stopped", "audit_key", "stepup",
        ),
        MessageKind(0),
    ),
    "corrected": MessageKind(1, in_step=True, topic=Topic.FILLS),
    "ended": MessageKind(1, in_step=True, topic=Topic.ENDS),
    "digest": MessageKind(1),
    "fill": MessageKind(2, in_step=True, topic=Topic.FILLS),
    "external_fill": MessageKind(2, topic=Topic.OUTSIDE),
    "group_fill": MessageKind(2, in_step=True),
    **dict.fromkeys(("join", "joined", "people", "stranger"), MessageKind(3)),
    "invite": MessageKind(3, IfUndelivered.DROP),
    "card": MessageKind(3, IfUndelivered.DROP),
    "reply": MessageKind(4, IfUndelivered.DROP),
    "edit": MessageKind(4, IfUndelivered.DROP),
    "chart": MessageKind(4, IfUndelivered.DROP),
    "chart_edit": MessageKind(4, IfUndelivered.DROP),
    "report": MessageKind(5, topic=Topic.REPORTS),
    "roundup": MessageKind(5, IfUndelivered.DROP, sounds=False),
    "anchor": MessageKind(5, sounds=False),
    "limits": MessageKind(2),
    "alert": MessageKind(3, topic=Topic.ALERTS),
    "look": MessageKind(6, IfUndelivered.DROP),
}  # fmt: skip
"""Doubt, safety and brakes; refusals and other ends; fills; cards; answers to a person who waits; reports; looks."""
ANSWERS = ("reply", "edit", "chart", "chart_edit")
"""Kinds whose person has just written or tapped, and waits."""
IN_PLACE = ("edit", "chart_edit", "look")
"""What brings a message up to date: sent again it says the same, and nobody sees a repeat."""
OTHER = MessageKind(2)
"""A kind that is not in the table is news, as urgent as a fill."""
CARDS = {
    OrderState.UNKNOWN: 0,
    **dict.fromkeys(
        (
            OrderState.REJECTED,
            OrderState.NOT_SENT,
            OrderState.BLOCKED,
            OrderState.ABSENT,
            OrderState.NEVER_BOOKED,
            OrderState.DENIED,
        ),
        1,
    ),
}
"""The urgency of an order's card where it tells more than that the broker took it."""


def topic_of(kind: str, data: Mapping[str, Any]) -> Topic | None:
    """Under what a letter may be silenced: news of somebody else's order is a topic of its own."""
    topic = KINDS.get(kind, OTHER).topic
    return Topic.OTHERS if topic in {Topic.FILLS, Topic.ENDS} and data.get("others") else topic
