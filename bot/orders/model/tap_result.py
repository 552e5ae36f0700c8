"""The result of a tap on a button."""

from dataclasses import dataclass
from enum import StrEnum

from bot.orders.model.order import Order


class TapOutcome(StrEnum):
    """What a tap did at once; the rest follows in the chat."""

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
    DELAYED = "delayed"
    USED = "used"
    GONE = "gone"


@dataclass(frozen=True)
class ProofRequest:
    """What a second factor is asked for: a `ProtectedAction`, its one subject, and the won at stake."""

    action: str
    subject: str
    value: int = 0


@dataclass(frozen=True)
class TapResult:
    """The tap's verdict, and the orders that remain to be sent or cancelled."""

    verdict: TapOutcome
    order: Order | None = None
    others: tuple[Order, ...] = ()
    proof: ProofRequest | None = None
    """The second factor that is needed first; nothing was done yet."""
