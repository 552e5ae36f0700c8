"""An order, the events that may befall it, and the one table that says what each event makes of it.

    PROPOSED ─tap─> CONFIRMED ─attempt on disk─> SUBMITTING ─┬─ order number ──> OPEN ──> PARTIAL ──> FILLED
       │  │  (PENDING, DENIED)     └─ BLOCKED / EXPIRED      ├─ refused ───────> REJECTED   │  (or CANCELLED, LAPSED,
       └─ EXPIRED / DISCARDED;                               ├─ never left ────> NOT_SENT   └─  REPLACED, REJECTED)
          requoted: PROPOSED again                           ├─ not yet ───────> WAITING ──> SUBMITTING, NOT_SENT ...
                                                             └─ anything else ─> UNKNOWN ─┬─ found ──> OPEN ...
                                                                                          └─ ABSENT ─ late ─> OPEN

A send has three outcomes: placed, not placed, not known. UNKNOWN is never sent again; it is looked up. WAITING is sent
again only because nothing was carried out, and only after the broker's list was read again.
A cancel is not a state of the order: the order lives until the broker's own list says otherwise, so what is known of
the request stands beside the state, in `cancel`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from bot.orders.model import events
from bot.orders.model.events import CancelState, Event, ReadBackResult
from bot.orders.model.reason import Reason
from bot.orders.model.request import Link, OrderAction, OrderRequest
from kis.models import OrderKind, Side

__all__ = ["Link", "Order", "OrderAction", "OrderRequest", "OrderState", "apply"]


class OrderState(StrEnum):
    """Where an order stands; `chat/messages/order_card.py` makes the five words a user reads from these."""

    PROPOSED = "proposed"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    SUBMITTING = "submitting"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    LAPSED = "lapsed"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    ABSENT = "absent"
    NEVER_BOOKED = "never_booked"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    DENIED = "denied"
    DISCARDED = "discarded"


UNDECIDED = frozenset({OrderState.PROPOSED, OrderState.PENDING})
"""On the screen, waiting for a tap."""
WORKING = frozenset({OrderState.OPEN, OrderState.PARTIAL})
"""At the broker and able to fill: may be cancelled."""
ON_ITS_WAY = frozenset({OrderState.CONFIRMED, OrderState.SUBMITTING, OrderState.WAITING})
"""Confirmed, and no final answer yet."""
IN_DOUBT = frozenset({OrderState.SUBMITTING, OrderState.UNKNOWN})
"""May or may not be at the broker: its symbol takes no further order until that is known."""
WATCHED = WORKING | IN_DOUBT | {OrderState.ABSENT}
"""Every order whose next news can only come from the broker's list. ABSENT is watched until its day is over."""
AT_BROKER = WORKING | {OrderState.FILLED, OrderState.CANCELLED, OrderState.REPLACED, OrderState.LAPSED}
"""Known to have reached the broker."""


@dataclass(frozen=True)
class Order:
    """One order and all that is known of it. Only `apply` makes the next version. Won unless said otherwise; KST."""

    id: int
    version: int
    state: OrderState
    side: Side
    code: str
    name: str
    etf: bool
    quantity: int
    kind: OrderKind
    price: int | None
    user_id: int
    chat_id: int
    user_name: str
    origin: int
    created_at: datetime
    expires_at: datetime

    quote: int
    """Market price the person was shown last."""
    quote_at: datetime
    quote_change: Decimal
    """Percent against the previous close, as shown."""
    unit: int
    """Won per share used for `amount`: the limit, or the expected price of a market order."""
    reserve_unit: int
    """Won per share that KIS sets aside: the limit, or the upper limit price of a market buy."""
    fee: int
    tax: int
    cash_after: int | None
    """Buying power left after a buy, as estimated on the ticket."""
    sellable_after: int | None
    """Shares left to sell after a sell."""
    was_quote: int | None = None
    """The price shown before, when a move made the ticket ask again."""
    cautions: tuple[Reason, ...] = ()
    """What is unusual about it and needs a second, different tap."""
    notes: tuple[Reason, ...] = ()
    """What the ticket says beside its figures."""
    warned: bool = False
    """Whether the first of two taps was made."""
    act: OrderAction = OrderAction.NEW
    parent: int | None = None
    """The order that a revision takes the place of."""
    round: int = 1
    """Grows when the ticket changes; votes of an earlier round do not count."""
    needed: int = 0
    """How many others must agree."""
    approvals: int = 0
    approvers: tuple[str, ...] = ()
    """Who agreed, or who refused, by name."""
    asked: tuple[int, ...] = ()
    """Chats beside the person's own that follow the order's card."""
    asked_at: datetime | None = None
    held_after: int | None = None
    """Shares of the stock held once the order has filled, as those who must agree are shown."""
    day_after: int | None = None
    """Won this person will have ordered today, with this order."""
    fingerprint: str = ""
    """Of the terms a person approved; an order whose terms no longer give it is not sent."""

    attempt: int = 0
    sent_at: datetime | None = None
    day: date | None = None
    order_no: str = ""
    branch: str = ""
    accepted_time: str = ""
    link: Link = Link.NONE
    checked: ReadBackResult = ReadBackResult.NONE
    filled: int = 0
    filled_amount: int = 0
    growths: int = 0
    """How often the filled quantity grew: the number of the push that tells it."""
    cancelled: int = 0
    rejected: int = 0
    moved_to: str = ""
    """The number under which a revision goes on with what was left."""
    cancel: CancelState = CancelState.NONE
    claimed: bool = False
    """Whether KIS answered no in a code that is not known to mean no."""
    code_word: str = ""
    """Stable code of the refusal or doubt: ours or KIS's."""
    message: str = ""
    """KIS's own words for it, unescaped."""
    finished_at: datetime | None = None

    @property
    def amount(self) -> int:
        """Quantity times unit price, won."""
        return self.quantity * self.unit

    @property
    def remaining(self) -> int:
        """Shares that may still fill."""
        return max(0, self.quantity - self.filled - self.cancelled - self.rejected)

    @property
    def average(self) -> Decimal | None:
        """Average fill price in won, or None before the first fill."""
        return Decimal(self.filled_amount) / self.filled if self.filled else None

    @property
    def changeable(self) -> bool:
        """Whether it may be revised or cancelled: it may still fill, and no request to cancel it is under way."""
        return self.state in WORKING and self.cancel not in {CancelState.SUBMITTING, CancelState.ASKED}

    @property
    def request(self) -> OrderRequest:
        """What was asked for."""
        return OrderRequest(self.side, self.code, self.name, self.etf, self.quantity, self.kind, self.price)

    def terms(self) -> str:
        """The hash of all that makes it this order and no other: who asked for what, on which terms."""
        who = f"{self.act}|{self.parent}|{self.round}|{self.user_id}"
        what = f"{self.side}|{self.code}|{self.quantity}|{self.kind}|{self.price}|{self.reserve_unit}"
        return hashlib.sha256(f"{who}|{what}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Attempt:
    """One attempt to send an order or its cancel, recorded before the first byte leaves."""

    order_id: int
    n: int
    started_at: datetime
    baseline: frozenset[str]
    """Order numbers in the broker's list for this code beforehand: a match must be a new number."""
    first_at: datetime | None = None
    """When the order's first attempt began; `baseline` is from then, so that a row of that attempt counts as new."""
    offset: float = 0.0
    """Seconds KIS's clock was ahead of ours."""
    means: int | None = None
    """Won that could buy, or shares that could be sold, just before."""
    endpoint: str = ""
    body: str = ""
    """The exact request, its account number masked."""
    digest: str = ""
    """Keyed hash of the exact request."""
    run: int = 0
    """Which run of the program sent it."""


@dataclass(frozen=True)
class Vote:
    """An approver's vote in one round of an order."""

    order_id: int
    round: int
    user_id: int
    name: str
    approve: bool
    at: datetime


class ImpossibleEvent(Exception):
    """An event that cannot happen to this order: a fault in this program, or a list that contradicts itself."""


def _after_report(order: Order, event: events.ExecutionReported) -> OrderState:
    if event.rejected >= order.quantity:
        return OrderState.REJECTED
    if event.filled >= order.quantity:
        return OrderState.FILLED
    if event.filled + event.cancelled + event.rejected >= order.quantity:
        return OrderState.CANCELLED
    if order.moved_to and event.remaining == 0:
        return OrderState.REPLACED
    return OrderState.PARTIAL if event.filled else OrderState.OPEN


def _after_vote(order: Order, event: events.Voted) -> OrderState:
    if not event.approve:
        return OrderState.DENIED
    return OrderState.CONFIRMED if order.approvals + 1 >= order.needed else OrderState.PENDING


_S = OrderState
TRANSITIONS: dict[type[Event], dict[OrderState, OrderState | Callable[..., OrderState]]] = {
    events.Confirmed: {_S.PROPOSED: _S.CONFIRMED},
    events.Warned: {_S.PROPOSED: _S.PROPOSED},
    events.ApprovalRequested: {_S.PROPOSED: _S.PENDING},
    events.Deputised: {_S.PENDING: _S.PENDING},
    events.Voted: {_S.PENDING: _after_vote},
    events.Voided: {_S.PROPOSED: _S.BLOCKED, _S.PENDING: _S.BLOCKED},
    events.Requoted: {_S.CONFIRMED: _S.PROPOSED, _S.WAITING: _S.PROPOSED},
    events.TimedOut: dict.fromkeys(UNDECIDED | {_S.CONFIRMED, _S.WAITING}, _S.EXPIRED),
    events.Discarded: {_S.PROPOSED: _S.DISCARDED, _S.PENDING: _S.DISCARDED},
    events.BlockedByRisk: {_S.CONFIRMED: _S.BLOCKED, _S.WAITING: _S.BLOCKED},
    events.Submitting: {_S.CONFIRMED: _S.SUBMITTING, _S.WAITING: _S.SUBMITTING},
    events.Accepted: {_S.SUBMITTING: _S.OPEN},
    events.Rejected: {_S.SUBMITTING: _S.REJECTED},
    events.NeverLeft: {_S.SUBMITTING: _S.NOT_SENT, _S.WAITING: _S.NOT_SENT},
    events.RetryScheduled: {_S.SUBMITTING: _S.WAITING},
    events.AnswerLost: {_S.SUBMITTING: _S.UNKNOWN, _S.WAITING: _S.UNKNOWN},
    events.RejectionUnconfirmed: {_S.SUBMITTING: _S.UNKNOWN},
    events.FoundAtBroker: {_S.UNKNOWN: _S.OPEN, _S.ABSENT: _S.OPEN},
    events.NotFound: {_S.UNKNOWN: _S.ABSENT},
    events.ManuallyLinked: {_S.UNKNOWN: _S.OPEN, _S.ABSENT: _S.OPEN},
    events.ManuallyRejected: {_S.UNKNOWN: _S.NEVER_BOOKED, _S.ABSENT: _S.NEVER_BOOKED},
    events.ReadBack: {_S.OPEN: _S.OPEN, _S.PARTIAL: _S.PARTIAL},
    events.ReplacedBy: {_S.OPEN: _S.OPEN, _S.PARTIAL: _S.PARTIAL},
    events.ExecutionReported: {_S.OPEN: _after_report, _S.PARTIAL: _after_report},
    events.DayEnded: {_S.OPEN: _S.LAPSED, _S.PARTIAL: _S.LAPSED, _S.ABSENT: _S.NEVER_BOOKED},
    events.CancelStep: {_S.OPEN: _S.OPEN, _S.PARTIAL: _S.PARTIAL},
}
"""What each event makes of an order in each state; anything else is an `ImpossibleEvent`."""

FINAL = frozenset(OrderState) - {state for steps in TRANSITIONS.values() for state in steps}
"""States that no event leads out of."""


def apply(order: Order, event: Event, at: datetime) -> Order:
    """The order after the event; `ImpossibleEvent` if the table has no such step or filled quantities contradict it."""
    step = TRANSITIONS[type(event)].get(order.state)
    if step is None:
        raise ImpossibleEvent(f"{type(event).__name__} cannot happen to an order that is {order.state}")
    changed = _details(order, event, at)
    to = step(order, event) if callable(step) else step
    return replace(changed, state=to, version=order.version + 1, finished_at=at if to in FINAL else changed.finished_at)


def _details(order: Order, event: Event, at: datetime) -> Order:  # noqa: C901, PLR0911, PLR0912  # one answer per event
    match event:
        case events.Warned():
            return replace(order, warned=True, expires_at=event.expires_at)
        case events.ApprovalRequested():
            return replace(order, **vars(event), asked_at=at)
        case events.Deputised():
            return replace(order, asked=event.asked)
        case events.Voted():
            names = (*order.approvers, event.name) if event.approve else (event.name,)
            return replace(order, approvals=order.approvals + event.approve, approvers=names)
        case events.Requoted():
            anew = replace(order, **vars(event), was_quote=order.quote, warned=False, round=order.round + 1)
            anew = replace(anew, needed=0, approvals=0, approvers=())
            return replace(anew, fingerprint=anew.terms())
        case events.Submitting():
            return replace(order, attempt=event.attempt, sent_at=event.at, day=event.at.date(), code_word="")
        case events.Accepted() | events.ManuallyLinked():
            link = Link.DIRECT if isinstance(event, events.Accepted) else Link.HUMAN
            return _linked(order, event.order_no, event.branch, event.time, link)
        case events.FoundAtBroker():
            row = event.report
            link = Link.LATE if order.state is OrderState.ABSENT else Link.MATCHED
            return replace(_linked(order, row.order_no, row.branch, row.time, link), day=row.day)
        case events.BlockedByRisk() | events.Rejected():
            return replace(order, code_word=event.code, message=event.message)
        case events.RejectionUnconfirmed():
            return replace(order, code_word=event.code, message=event.message, claimed=True)
        case events.Voided() | events.NeverLeft() | events.RetryScheduled() | events.AnswerLost():
            return replace(order, code_word=event.code)
        case events.ReadBack():
            return replace(order, checked=event.to, quantity=event.quantity)
        case events.ReplacedBy():
            return replace(order, moved_to=event.to)
        case events.ExecutionReported():
            return _grown(order, event)
        case events.CancelStep():
            return replace(order, cancel=event.to, code_word=event.code, message=event.message)
        case _:
            return order


def _linked(order: Order, order_no: str, branch: str, time: str, link: Link) -> Order:
    found = replace(order, order_no=order_no, branch=branch, accepted_time=time, link=link)
    return replace(found, code_word="", message="", claimed=False)


def _grown(order: Order, event: events.ExecutionReported) -> Order:
    if event.filled < order.filled:
        raise ImpossibleEvent(f"the broker's list shrank from {order.filled} to {event.filled} filled shares")
    if event.filled > order.quantity:
        raise ImpossibleEvent(f"the broker's list fills {event.filled} of {order.quantity} ordered shares")
    grown = replace(order, filled=event.filled, filled_amount=event.filled_amount, cancelled=event.cancelled)
    return replace(grown, rejected=event.rejected, growths=order.growths + (event.filled > order.filled))
