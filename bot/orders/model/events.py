"""What may happen to an order, each a frozen fact; `bot.orders.model.order.apply` makes the next order of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from bot.orders.model.reason import Reason
from kis.models import OrderReport


class CancelState(StrEnum):
    """What is known of the request to cancel an order."""

    NONE = "none"
    SUBMITTING = "submitting"
    ASKED = "asked"
    UNKNOWN = "unknown"
    REFUSED = "refused"


@dataclass(frozen=True)
class Event:
    """Something that happened. `action` is the word the audit log stores it under: it stays when a class is renamed."""

    action: ClassVar[str]

    def __init_subclass__(cls, *, action: str) -> None:
        cls.action = action


@dataclass(frozen=True)
class Confirmed(Event, action="order.confirmed"):
    """The person pressed the button: nothing is sent yet."""


@dataclass(frozen=True)
class Warned(Event, action="order.warned"):
    """The first of two taps: the person was shown what is unusual about the order and is asked once more."""

    expires_at: datetime


@dataclass(frozen=True)
class ApprovalRequested(Event, action="order.awaits"):
    """The person pressed the button, and so many others must agree before anything is sent."""

    needed: int
    expires_at: datetime
    asked: tuple[int, ...]
    """Chats that were asked."""
    held_after: int
    day_after: int


@dataclass(frozen=True)
class Deputised(Event, action="order.deputised"):
    """The request has stood for so long that other traders are asked as well."""

    asked: tuple[int, ...]


@dataclass(frozen=True)
class Voted(Event, action="order.voted"):
    """Somebody agreed or refused; one refusal is enough."""

    user_id: int
    name: str
    approve: bool


@dataclass(frozen=True)
class Voided(Event, action="order.voided"):
    """It can no longer be sent: a person it depends on left or lost their role, or its terms were edited."""

    code: str


@dataclass(frozen=True)
class Requoted(Event, action="order.requoted"):
    """The market moved, or something unusual came up: the ticket is shown again with new figures."""

    quote: int
    quote_at: datetime
    quote_change: Decimal
    unit: int
    reserve_unit: int
    fee: int
    tax: int
    cash_after: int | None
    sellable_after: int | None
    expires_at: datetime
    cautions: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class TimedOut(Event, action="order.timed_out"):
    """The order expired before it was sent."""


@dataclass(frozen=True)
class Discarded(Event, action="order.discarded"):
    """The person pressed 취소 on the ticket."""


@dataclass(frozen=True)
class BlockedByRisk(Event, action="order.blocked"):
    """Our own checks refused it after the tap; nothing was sent."""

    code: str
    message: str = ""


@dataclass(frozen=True)
class Submitting(Event, action="order.submitting"):
    """The attempt is recorded; after that a byte may leave."""

    attempt: int
    at: datetime


@dataclass(frozen=True)
class Accepted(Event, action="order.accepted"):
    """KIS answered with an order number: 접수, not yet 체결."""

    order_no: str
    branch: str
    time: str


@dataclass(frozen=True)
class Rejected(Event, action="order.refused"):
    """KIS answered no: nothing happened."""

    code: str
    message: str


@dataclass(frozen=True)
class NeverLeft(Event, action="order.never_left"):
    """No byte of the request left this machine: nothing happened."""

    code: str


@dataclass(frozen=True)
class RetryScheduled(Event, action="order.deferred"):
    """Nothing was carried out, and there is time for another attempt after the broker's list is read again."""

    code: str


@dataclass(frozen=True)
class AnswerLost(Event, action="order.lost"):
    """The request may have arrived and the answer did not: the broker's list has to show what happened."""

    code: str


@dataclass(frozen=True)
class RejectionUnconfirmed(Event, action="order.doubted"):
    """KIS answered no in a code that is not known to mean no: believed only once the list agrees."""

    code: str
    message: str


@dataclass(frozen=True)
class FoundAtBroker(Event, action="order.found"):
    """Exactly one new row of the broker's list is this order."""

    report: OrderReport


@dataclass(frozen=True)
class NotFound(Event, action="order.not_found"):
    """Not in the broker's list, for long enough and in enough complete readings."""


@dataclass(frozen=True)
class ManuallyLinked(Event, action="order.claimed"):
    """A person says: this row of the broker's list is the order."""

    order_no: str
    branch: str
    time: str


@dataclass(frozen=True)
class ManuallyRejected(Event, action="order.disowned"):
    """A person says: none of the rows is the order."""


class ReadBackResult(StrEnum):
    """Result of comparing the broker's row with the approved ticket."""

    NONE = "none"
    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True)
class ReadBack(Event, action="order.checked"):
    """The broker's row was compared with the ticket. A revision's quantity is what was left when it was carried out."""

    to: ReadBackResult
    quantity: int
    differs: str = ""


@dataclass(frozen=True)
class ReplacedBy(Event, action="order.moved"):
    """A revision was carried out: what was left of the order goes on under another number."""

    to: str


@dataclass(frozen=True)
class ExecutionReported(Event, action="order.reported"):
    """The broker's list shows new figures of this order; quantities are cumulative."""

    filled: int
    filled_amount: int
    cancelled: int
    rejected: int
    remaining: int


@dataclass(frozen=True)
class DayEnded(Event, action="order.day_ended"):
    """Its trading day is over, and what the complete list still shows as open can no longer fill."""


@dataclass(frozen=True)
class CancelStep(Event, action="order.cancel_step"):
    """State of the request to cancel; the order itself changes only by what the list reports."""

    to: CancelState
    code: str = ""
    message: str = ""
