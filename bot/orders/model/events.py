"""What may happen to an order, each a frozen fact; `model.apply` says what it makes of the order.

`action` is the word under which the audit log keeps the event. It is stored, so it never changes with a class's name.
"""

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
class Confirmed:
    """The person pressed the button: nothing is sent yet."""

    action: ClassVar[str] = "order.confirmed"


@dataclass(frozen=True)
class Warned:
    """The first of two taps: the person was shown what is unusual about the order and is asked once more."""

    action: ClassVar[str] = "order.warned"

    expires_at: datetime


@dataclass(frozen=True)
class ApprovalRequested:
    """The person pressed the button, and so many others must agree before anything is sent."""

    action: ClassVar[str] = "order.awaits"

    needed: int
    expires_at: datetime
    asked: tuple[int, ...]
    """Chats that were asked."""
    held_after: int
    day_after: int


@dataclass(frozen=True)
class Deputised:
    """The request has stood for so long that other traders are asked as well."""

    action: ClassVar[str] = "order.deputised"

    asked: tuple[int, ...]


@dataclass(frozen=True)
class Voted:
    """Somebody agreed or refused; one refusal is enough."""

    action: ClassVar[str] = "order.voted"

    user_id: int
    name: str
    approve: bool


@dataclass(frozen=True)
class Voided:
    """Somebody it hangs on has left or lost their role: it is over, and nothing was sent."""

    action: ClassVar[str] = "order.voided"

    code: str


@dataclass(frozen=True)
class Requoted:
    """The price moved while the ticket stood there: the same order is asked again with the new figures."""

    action: ClassVar[str] = "order.requoted"

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
class TimedOut:
    """The ticket's life ended before a decision reached the wire."""

    action: ClassVar[str] = "order.timed_out"


@dataclass(frozen=True)
class Discarded:
    """The person pressed 취소 on the ticket."""

    action: ClassVar[str] = "order.discarded"


@dataclass(frozen=True)
class BlockedByRisk:
    """Our own checks refused it after the tap; nothing was sent."""

    action: ClassVar[str] = "order.blocked"

    code: str
    message: str = ""


@dataclass(frozen=True)
class Submitting:
    """The attempt is about to be durable, and after that a byte may leave."""

    action: ClassVar[str] = "order.submitting"

    attempt: int
    at: datetime


@dataclass(frozen=True)
class Accepted:
    """KIS answered with an order number: 접수, not yet 체결."""

    action: ClassVar[str] = "order.accepted"

    order_no: str
    branch: str
    time: str


@dataclass(frozen=True)
class Rejected:
    """KIS answered no: nothing happened."""

    action: ClassVar[str] = "order.refused"

    code: str
    message: str


@dataclass(frozen=True)
class NeverLeft:
    """No byte of the request left this machine: nothing happened."""

    action: ClassVar[str] = "order.never_left"

    code: str


@dataclass(frozen=True)
class RetryScheduled:
    """It is proven that nothing was carried out, and there is time for another try after a look at the list."""

    action: ClassVar[str] = "order.deferred"

    code: str


@dataclass(frozen=True)
class AnswerLost:
    """The request may have arrived and the answer did not: read before anything else."""

    action: ClassVar[str] = "order.lost"

    code: str


@dataclass(frozen=True)
class RejectionUnconfirmed:
    """KIS said no in a code that is not known to mean no: believed only once the list agrees."""

    action: ClassVar[str] = "order.doubted"

    code: str
    message: str


@dataclass(frozen=True)
class FoundAtBroker:
    """Exactly one new row of the broker's list is this order."""

    action: ClassVar[str] = "order.found"

    report: OrderReport


@dataclass(frozen=True)
class NotFound:
    """Looked for long enough, in enough clean lists, and it is not there."""

    action: ClassVar[str] = "order.not_found"


@dataclass(frozen=True)
class ManuallyLinked:
    """A person looked and says: this row of the broker's list is the order."""

    action: ClassVar[str] = "order.claimed"

    order_no: str
    branch: str
    time: str


@dataclass(frozen=True)
class ManuallyRejected:
    """A person looked and says: none of the rows is the order."""

    action: ClassVar[str] = "order.disowned"


class ReadBackResult(StrEnum):
    """Whether the broker's own row was held against the ticket the person approved."""

    NONE = "none"
    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True)
class ReadBack:
    """The broker's row was held against the ticket. A revision's quantity is what was left when it was carried out."""

    action: ClassVar[str] = "order.checked"

    to: ReadBackResult
    quantity: int
    differs: str = ""


@dataclass(frozen=True)
class ReplacedBy:
    """A revision was carried out: what was left of the order goes on under another number."""

    action: ClassVar[str] = "order.moved"

    to: str


@dataclass(frozen=True)
class ExecutionReported:
    """The broker's list has news of this order: quantities are cumulative."""

    action: ClassVar[str] = "order.reported"

    filled: int
    filled_amount: int
    cancelled: int
    rejected: int
    remaining: int


@dataclass(frozen=True)
class DayEnded:
    """Its trading day is over and a clean list still shows a remainder, which can no longer fill."""

    action: ClassVar[str] = "order.day_ended"


@dataclass(frozen=True)
class CancelStep:
    """News of the request to cancel; the order itself changes only by what the list reports."""

    action: ClassVar[str] = "order.cancel_step"

    to: CancelState
    code: str = ""
    message: str = ""


Event = (
    Confirmed
    | Warned
    | ApprovalRequested
    | Deputised
    | Voted
    | Voided
    | Requoted
    | TimedOut
    | Discarded
    | BlockedByRisk
    | Submitting
    | Accepted
    | Rejected
    | NeverLeft
    | RetryScheduled
    | AnswerLost
    | RejectionUnconfirmed
    | FoundAtBroker
    | NotFound
    | ManuallyLinked
    | ManuallyRejected
    | ReadBack
    | ReplacedBy
    | ExecutionReported
    | DayEnded
    | CancelStep
)
