"""What a tap comes to."""

from dataclasses import dataclass
from enum import StrEnum

from bot.orders.model.order import Order


class TapOutcome(StrEnum):
    """What a tap came to, at once; the rest follows in the chat."""

    SENDING = "sending"
    AGAIN = "again"
    STEP_UP = "step_up"
    PENDING = "pending"
    VOTED = "voted"
    DISCARDED = "discarded"
    CANCELLING = "cancelling"
    SETTLED = "settled"
    NOT_YOURS = "not_yours"
    BUSY = "busy"
    LATE = "late"
    USED = "used"
    GONE = "gone"


@dataclass(frozen=True)
class TapResult:
    """The tap's verdict and, where something remains to be done, the orders it concerns."""

    verdict: TapOutcome
    order: Order | None = None
    others: tuple[Order, ...] = ()
    proof: "ProofRequest | None" = None
    """What a second factor has to be given for first; nothing was done yet."""


@dataclass(frozen=True)
class ProofRequest:
    """A deed that waits for a second factor: which, for what one thing, and how many won are at stake."""

    act: str
    subject: str
    value: int = 0
