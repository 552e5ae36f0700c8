"""Sends confirmed orders one at a time and records each attempt before the first byte leaves, then its answer.

Between the last check and the attempt's row nothing is awaited. What was sent and not answered is never sent again;
what provably was not carried out may be, at most four times within ten seconds, each time after all checks anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar

import structlog

from bot.orders.approvals.workflow import ApprovalWorkflow
from bot.orders.execution.pretrade_data import PretradeReader
from bot.orders.execution.tickets import Tickets
from bot.orders.model import events
from bot.orders.model.events import CancelState, Event
from bot.orders.model.notice import cards
from bot.orders.model.order import IN_DOUBT, WORKING, Attempt, Order, OrderAction, OrderState, apply
from bot.orders.model.reason import Reason
from bot.orders.ports import Broker, Journal, Stale
from bot.orders.reconciliation.resolution import candidates, may_be
from bot.orders.risk.checks import Limits, cautions, check, moved
from bot.orders.risk.context import PretradeData, RiskContext
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from kis import errors
from kis import failpoints as crash
from kis.outcome import Outcome
from kis.receipts import Receipt, Written

log = structlog.get_logger(__name__)

T = TypeVar("T")

SEND_BUDGET = timedelta(seconds=10)
"""From tap to request. Later than this the ticket expires: its prices are out of date."""
RECHECK_TIME = timedelta(seconds=2)
"""What must be left of that for reading the pre-trade data."""
MAX_ATTEMPTS = 4
RETRY_PAUSES = {Outcome.NOT_SENT: (0.5, 1.0, 2.0), Outcome.THROTTLED: (1.1, 1.5, 2.0), Outcome.TOKEN: (0.1,)}
"""Seconds before each further attempt. An outcome that is not named here is not sent again."""
SAVE_RETRY_INTERVAL = 1.0
"""Seconds between attempts to record an outcome while the disk refuses."""
IN_DOUBT_HALT_COUNT = 2
"""This many orders in doubt at once halt trading until a person resumes it."""


class OrderSender:
    """The only code that sends orders and cancels to the broker."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        pretrade: PretradeReader,
        risk_context: RiskContext,
        trading_halt: TradingHalt,
        approvals: ApprovalWorkflow,
        tickets: Tickets,
        limits_of: Callable[[int], Limits],
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        run_number: Callable[[], int],
    ) -> None:
        self._broker = broker
        self._journal = journal
        self._pretrade = pretrade
        self._risk_context = risk_context
        self._trading_halt = trading_halt
        self._limits_of = limits_of
        self._clock = clock
        self._sleep = sleep
        self._approvals = approvals
        self._tickets = tickets
        self._run_number = run_number
        self._lock = asyncio.Lock()
        self.stopping = False
        """Whether the program is stopping: nothing is sent again then."""

    async def submit(self, order: Order, tapped: datetime) -> bool:
        """Send an order that was confirmed at `tapped` and record the outcome; returns whether a request was made."""
        sent = False
        async with self._lock:
            while (ready := await self._recheck(order, tapped)) is not None:
                attempt, written = ready
                crash.at("before_attempt")
                submitting = events.Submitting(attempt.n, attempt.started_at)
                order = apply(order, submitting, self._clock())
                self._journal.save(order, submitting, attempt=attempt)
                sent = True
                crash.at("after_attempt")
                receipt = await self._send(written)
                pause = self._pause(order, receipt.outcome, tapped)
                event = _event_of(order, receipt, again=pause is not None)
                crash.at("before_outcome")
                order = await self._recorded(order, partial(self._save, order, event, receipt=receipt))
                crash.at("after_outcome")
                await self._recorded(order, partial(self._halt_if_needed, receipt))
                if pause is None:
                    break
                await self._sleep(pause)
        return sent

    async def _send(self, written: Written) -> Receipt:
        try:
            return await self._broker.send(written)
        except Exception:  # an internal error: the request may have arrived all the same
            log.exception("sending failed with an internal error")
            return Receipt(Outcome.UNKNOWN, code="INTERNAL")
        finally:
            self._pretrade.spent()

    # --- the last check -----------------------------------------------------------------------------------------------

    async def _recheck(self, order: Order, tapped: datetime) -> tuple[Attempt, Written] | None:
        """All checks once more: what is to be sent, or None when the order stops here, and its card says why."""
        if self.stopping or self._clock() - tapped > SEND_BUDGET - RECHECK_TIME:
            self._save(order, events.TimedOut())  # before any read, which would delay the orders queued behind it
            return None
        try:
            earlier = self._journal.attempt(order.id)
            data = await self._pretrade.for_send(order.request, earlier.started_at if earlier is not None else None)
            parent = self._journal.get(order.parent)
            if order.state is OrderState.WAITING and earlier is not None and self._shows(order, earlier, data, parent):
                self._save(order, events.AnswerLost("SEEN"))
                return None
            written = self._write(order, parent)
        except errors.KisError as error:
            self._stop(order, "BROKER_UNREADABLE", error.message)
            return None
        except Exception:  # nothing was sent yet, and after an internal error nothing is
            log.exception("order stopped before it was sent", order=order.id)
            self._stop(order, "INTERNAL")
            return None
        # from here to the attempt's row nothing is awaited
        now = self._clock()
        if written is None:
            self._stop(order, "PARENT_GONE")
        if written is None or not self._passes(order, data, tapped, now):
            return None
        known = data.orders.numbers | self._journal.linked(now.date())
        first = earlier or Attempt(order.id, 0, now, known)
        attempt = replace(
            first,
            n=order.attempt + 1,
            started_at=now,
            first_at=first.first_at or now,
            offset=self._broker.clock_offset,
            means=data.sellable if data.buyable is None else data.buyable,
            endpoint=written.endpoint,
            body=written.shown,
            digest=written.digest,
            run=self._run_number(),
        )
        return attempt, written

    def _shows(self, order: Order, attempt: Attempt, data: PretradeData, parent: Order | None) -> bool:
        """Whether the broker's list shows an order that was reported as not carried out."""
        linked = self._journal.linked(self._clock().date())
        parent_no = parent.order_no if parent is not None else ""
        shown = candidates(order, attempt, data.orders.rows, linked, parent_no=parent_no)
        return any(shown) or may_be(order, data.orders.unreadable, attempt.baseline | linked)

    def _write(self, order: Order, parent: Order | None) -> Written | None:
        """The exact request; None for a revision whose parent can no longer be revised."""
        if order.act is OrderAction.NEW:
            return self._broker.written(order.side, order.code, order.quantity, price=order.price, kind=order.kind)
        if parent is None or not parent.changeable:
            return None
        return self._broker.written_revision(parent.order_no, branch=parent.branch, price=order.price, kind=order.kind)

    def _passes(self, order: Order, data: PretradeData, tapped: datetime, now: datetime) -> bool:
        """Whether the order passes every check; where one fails it is recorded as blocked, or requoted."""
        if order.terms() != order.fingerprint:
            log.error("an order's terms are not those that were approved", order=order.id)
            self._stop(order, "FINGERPRINT")
            return False
        if lacking := self._approvals.lacks(order):
            self._stop(order, lacking)
            return False
        facts = self._risk_context.facts(order.request, data, order.user_id, order_id=order.id, parent_id=order.parent)
        limits = self._limits_of(order.user_id)
        reasons = check(order.request, facts, limits, now, quote_seconds=limits.quote_seconds_send)
        if reasons:
            self._stop(order, reasons[0].code, reasons=reasons)
            return False
        seen = {one.code for one in order.cautions}
        unseen = {one.code for one in cautions(order.request, facts, limits, now)} - seen
        if unseen or moved(order.quote, facts.quote.price, self._max_move(order)):
            self._tickets.requote(order, facts, now)
            return False
        if now - tapped > SEND_BUDGET:
            self._save(order, events.TimedOut())
            return False
        return True

    def _max_move(self, order: Order) -> Decimal:
        """Percent the market may have moved since the ticket; more for one that had to wait for approvals."""
        limits = self._limits_of(order.user_id)
        return max(limits.requote_percent, limits.collar_confirm) if order.needed else limits.requote_percent

    def _stop(self, order: Order, code: str, message: str = "", reasons: Sequence[Reason] = ()) -> None:
        """Block the order; nothing was sent, or nothing that was carried out."""
        self._save(order, events.BlockedByRisk(code, message), reasons=reasons)

    # --- the answer ---------------------------------------------------------------------------------------------------

    def _pause(self, order: Order, outcome: Outcome, tapped: datetime) -> float | None:
        """Seconds before another attempt, None for never."""
        pauses = RETRY_PAUSES.get(outcome, ())
        if self.stopping or order.attempt >= min(MAX_ATTEMPTS, len(pauses) + 1):
            return None
        pause = pauses[order.attempt - 1]
        return pause if self._clock() - tapped + timedelta(seconds=pause) < SEND_BUDGET else None

    def _halt_if_needed(self, receipt: Receipt) -> None:
        if receipt.outcome is Outcome.MISCONFIGURED:
            self._trading_halt.halt(HaltLevel.NEW, "MISCONFIGURED")
        if len(self._journal.in_state(IN_DOUBT)) >= IN_DOUBT_HALT_COUNT:
            self._trading_halt.halt(HaltLevel.NEW, "TWO_UNKNOWN")

    async def _recorded(self, order: Order, record: Callable[[], T]) -> T:
        """What `record` returns, however long the disk refuses; meanwhile nothing else is sent."""
        refused = False
        while True:
            try:
                recorded = record()
            except Stale:
                raise
            except Exception:
                if not refused:
                    log.exception("an outcome cannot be recorded; nothing more is sent", order=order.id)
                refused = True
                self._risk_context.conflicts["DISK"] = None
                await self._sleep(SAVE_RETRY_INTERVAL)
            else:
                if refused:
                    self._risk_context.conflicts.pop("DISK", None)
                    self._trading_halt.halt(HaltLevel.NEW, "DISK")
                return recorded

    # --- cancels ------------------------------------------------------------------------------------------------------

    async def cancel(self, order: Order) -> bool:
        """Ask the broker to cancel what is left of an order. A cancel does not wait for orders, and may be repeated."""
        for n in range(MAX_ATTEMPTS):
            written = self._broker.written_cancel(order.order_no, branch=order.branch, kind=order.kind)
            attempt = Attempt(order.id, 0, self._clock(), frozenset(), endpoint="cancel")
            attempt = replace(attempt, body=written.shown, digest=written.digest, run=self._run_number())
            await self._recorded(order, partial(self._journal.attempted, attempt))
            receipt = await self._send(written)
            await self._recorded(order, partial(self._journal.answered, order.id, receipt))
            pauses = RETRY_PAUSES.get(receipt.outcome, ())
            current = self._journal.get(order.id)
            if n >= len(pauses) or self.stopping or current is None or current.state not in WORKING:
                break
            await self._sleep(pauses[n])
        await self._recorded(order, partial(self._settle_cancel, order.id, _cancel_step(receipt)))
        return True

    def _settle_cancel(self, order_id: int, step: events.CancelStep) -> None:
        """Record the outcome, unless the broker's list has already ended the order."""
        order = self._journal.get(order_id)
        while order is not None and order.state in WORKING:
            try:
                self._save(order, step)
            except Stale:
                order = self._journal.get(order_id)
            else:
                return

    def _save(
        self, order: Order, event: Event, *, receipt: Receipt | None = None, reasons: Sequence[Reason] = ()
    ) -> Order:
        """Record an event; the order's cards are brought up to date and give the reasons."""
        after = apply(order, event, self._clock())
        shown = {"reasons": [_plain(reason) for reason in reasons]} if reasons else {}
        self._journal.save(after, event, receipt=receipt, notices=cards(after, **shown))
        return after


def _event_of(order: Order, receipt: Receipt, *, again: bool) -> Event:
    """The event an answer becomes; `again`: another attempt follows where nothing was carried out."""
    code = receipt.code or receipt.outcome.value.upper()
    match receipt.outcome:
        case Outcome.PLACED:
            return events.Accepted(receipt.order_no, receipt.branch, receipt.time)
        case Outcome.REFUSED | Outcome.MISCONFIGURED:
            return events.Rejected(code, receipt.message)
        case Outcome.NOT_SENT | Outcome.THROTTLED | Outcome.TOKEN if again:
            return events.RetryScheduled("NOT_SENT" if receipt.outcome is Outcome.NOT_SENT else code)
        case Outcome.NOT_SENT:
            return events.NeverLeft(code)
        case Outcome.CLAIMED | Outcome.THROTTLED | Outcome.TOKEN:
            return events.RejectionUnconfirmed(code, receipt.message)
        case _:
            log.warning("order outcome unknown", order=order.id, code=code)
            return events.AnswerLost(code)


def _cancel_step(receipt: Receipt) -> events.CancelStep:
    code = receipt.code or receipt.outcome.value.upper()
    match receipt.outcome:
        case Outcome.PLACED:
            return events.CancelStep(CancelState.ASKED)
        case Outcome.REFUSED | Outcome.MISCONFIGURED:
            return events.CancelStep(CancelState.REFUSED, code, receipt.message)
        case Outcome.NOT_SENT | Outcome.THROTTLED | Outcome.TOKEN:
            return events.CancelStep(CancelState.NONE, code, receipt.message)
        case _:
            return events.CancelStep(CancelState.UNKNOWN, code)


def _plain(reason: Reason) -> dict[str, object]:
    """A reason as JSON values, as a notice stores it."""
    values = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in reason.values.items()}
    return {"code": reason.code, "values": values}
