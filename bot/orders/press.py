"""What a tap comes to."""

from dataclasses import dataclass
from enum import StrEnum

from bot.orders.model import Order


class Press(StrEnum):
    """What a tap came to, at once; the rest follows in the chat."""

    SENDING = "sending"
    AGAIN = "again"
    DISCARDED = "discarded"
    CANCELLING = "cancelling"
    SETTLED = "settled"
    NOT_YOURS = "not_yours"
    LATE = "late"
    USED = "used"
    GONE = "gone"


@dataclass(frozen=True)
class Pressed:
    """The tap's verdict and, where something remains to be done, the orders it concerns."""

    verdict: Press
    order: Order | None = None
    others: tuple[Order, ...] = ()
