"""The way of one order to the wire and of its answer back: one at a time, written down before a byte leaves.

Between the last check and the attempt's row nothing is awaited. What was sent and not answered is never sent again;
what provably was not carried out may be, at most four times within ten seconds, each time after another look at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from bot.orders.execution.pretrade_data import PretradeReader
from bot.orders.model.attempt import Attempt
from bot.orders.model.events import (
    Accepted,
    AnswerLost,
    BlockedByRisk,
    CancelState,
    CancelStep,
    Event,
    NeverLeft,
    Rejected,
    RejectionUnconfirmed,
    Requoted,
    RetryScheduled,
    Submitting,
    TimedOut,
)
from bot.orders.model.notice import Notice, cards
from bot.orders.model.order import IN_DOUBT, WORKING, Order, OrderAction, OrderState, apply
from bot.orders.model.reason import Reason
from bot.orders.ports import Broker, Journal, Stale
from bot.orders.reconciliation.resolution import candidates
from bot.orders.risk.checks import Facts, Limits, cautions, check, estimate, moved
from bot.orders.risk.context import PretradeData, RiskContext
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from kis import errors
from kis import failpoints as crash
from kis.outcome import Outcome
from kis.receipts import Receipt, Written

log = structlog.get_logger(__name__)

SEND_BUDGET = timedelta(seconds=10)
"""From tap to wire. Later than this the person is asked again: the market they saw is gone."""
READING = timedelta(seconds=2)
"""What must be left of that for the last look."""
MOST_ATTEMPTS = 4
BACK_OFF = {Outcome.NOT_SENT: (0.5, 1.0, 2.0), Outcome.THROTTLED: (1.1, 1.5, 2.0), Outcome.TOKEN: (0.1,)}
"""Seconds before another try, for each try that is allowed. Anything not named here is not sent again."""
SAVE_AGAIN = 1.0
"""Seconds between tries to write down an outcome when the disk refuses."""
HALTING_DOUBTS = 2
"""This many orders in doubt at once, and nothing new goes out until a person has looked."""


@dataclass(frozen=True)
class _Ready:
    """All that is needed to send, as of this very moment."""

    order: Order
    attempt: Attempt
    written: Written


class OrderSender:
    """Sends what was confirmed. The only code that writes to the broker."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        looks: PretradeReader,
        situation: RiskContext,
        brakes: TradingHalt,
        limits_of: Callable[[int], Limits],
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        ask_again: Callable[[Order, Requoted], None],
        lacks: Callable[[Order], str],
        run: Callable[[], int] = lambda: 0,
    ) -> None:
        """`ask_again` puts a ticket with new figures before the person; `lacks` says whose consent is missing.

        `run` tells the number of this run.
        """
        self._broker = broker
        self._journal = journal
        self._looks = looks
        self._situation = situation
        self._brakes = brakes
        self._limits_of = limits_of
        self._clock = clock
        self._sleep = sleep
        self._ask_again = ask_again
        self._lacks = lacks
        self._run = run
        self._one_at_a_time = asyncio.Lock()
        self.stopping = False
        """Whether the program is on its way out: nothing is tried again then."""

    async def submit(self, order: Order, tapped: datetime) -> bool:
        """Send an order that was confirmed at `tapped`, and write down what became of it; whether anything left."""
        left = False
        async with self._one_at_a_time:
            while (ready := await self._last_look(order, tapped)) is not None:
                submitting = Submitting(ready.attempt.n, ready.attempt.started_at)
                crash.at("before_attempt")
                order = self._save(ready.order, submitting, attempt=ready.attempt)
                left = True
                crash.at("after_attempt")
                receipt = await self._send(ready.written)
                event, pause = self._verdict(order, receipt, tapped)
                crash.at("before_outcome")
                order = await self._save_surely(order, event, receipt)
                crash.at("after_outcome")
                self._brake_if_needed(receipt)
                if pause is None:
                    break
                await self._sleep(pause)
        return left

    async def _send(self, written: Written) -> Receipt:
        try:
            return await self._broker.send(written)
        except Exception:  # a fault of ours, after which the request may have arrived all the same
            log.exception("a send ended in a fault of this program")
            return Receipt(Outcome.UNKNOWN, code="INTERNAL")
        finally:
            self._looks.spent()

    # --- the last look ------------------------------------------------------------------------------------------------

    async def _last_look(self, order: Order, tapped: datetime) -> _Ready | None:
        """Everything once more; None when the order stops here, and its card says why."""
        if self.stopping or self._clock() - tapped > SEND_BUDGET - READING:
            self._save(order, TimedOut(), notices=cards(order))  # before it costs the orders behind it their reads
            return None
        try:
            earlier = self._journal.attempt(order.id)
            look = await self._looks.for_send(order.request, earlier.started_at if earlier is not None else None)
            if order.state is OrderState.WAITING and earlier is not None and self._shows(order, earlier, look):
                self._save(order, AnswerLost("SEEN"), notices=cards(order))
                return None
            parent = self._journal.get(order.parent) if order.parent is not None else None
            written = self._write(order, parent)
        except errors.KisError as error:
            self._stop(order, "BROKER_UNREADABLE", error.message)
            return None
        except Exception:  # nothing was sent yet, and after a fault of ours nothing is
            log.exception("order stopped before it was sent", order=order.id)
            self._stop(order, "INTERNAL")
            return None
        # from here to the attempt's row nothing is awaited
        now = self._clock()
        if written is None or not self._passes(order, look, tapped, now):
            if written is None:
                self._stop(order, "PARENT_GONE")
            return None
        known = frozenset(row.order_no for row in look.rows) | self._journal.linked(now.date())
        first = earlier or Attempt(order.id, 0, now, known)
        attempt = replace(
            first,
            n=order.attempt + 1,
            started_at=now,
            first_at=first.first_at or now,
            offset=self._broker.clock_offset,
            means=look.sellable if look.buyable is None else look.buyable,
            endpoint=written.endpoint,
            body=written.shown,
            digest=written.digest,
            run=self._run(),
        )
        return _Ready(order, attempt, written)

    def _shows(self, order: Order, attempt: Attempt, look: PretradeData) -> bool:
        """Whether the list shows an order that was said not to have been carried out."""
        day = self._clock().date()
        fits, late = candidates(order, attempt, look.rows, self._journal.linked(day), parent_no=self._parent_no(order))
        return bool(fits or late)

    def _parent_no(self, order: Order) -> str:
        parent = self._journal.get(order.parent) if order.parent is not None else None
        return parent.order_no if parent is not None else ""

    def _write(self, order: Order, parent: Order | None) -> Written | None:
        """The request's exact text; None for a revision whose parent can no longer be revised."""
        if order.act is OrderAction.NEW:
            return self._broker.written(order.side, order.code, order.quantity, price=order.price, kind=order.kind)
        if (
            parent is None
            or parent.state not in WORKING
            or parent.cancel in {CancelState.SUBMITTING, CancelState.ASKED}
        ):
            return None
        return self._broker.written_revision(parent.order_no, branch=parent.branch, price=order.price, kind=order.kind)

    def _passes(self, order: Order, look: PretradeData, tapped: datetime, now: datetime) -> bool:
        """The checks, once more; where one fails the order is written down as stopped, or asked again."""
        if order.terms() != order.fingerprint:
            log.error("an order's terms are not those that were approved", order=order.id)
            self._stop(order, "FINGERPRINT")
            return False
        if lacking := self._lacks(order):
            self._stop(order, lacking)
            return False
        facts = self._situation.facts(order.request, look, order.user_id, but=order)
        limits = self._limits_of(order.user_id)
        reasons = check(order.request, facts, limits, now, quote_seconds=limits.quote_seconds_send)
        if reasons:
            self._stop(order, reasons[0].code, reasons=reasons)
            return False
        seen = {one.code for one in order.cautions}
        unseen = {one.code for one in cautions(order.request, facts, limits, now)} - seen
        if unseen or moved(order.quote, facts.quote.price, self._bears(order)):
            self._requote(order, facts, now)
            return False
        if now - tapped > SEND_BUDGET:
            self._save(order, TimedOut(), notices=cards(order))
            return False
        return True

    def _bears(self, order: Order) -> Decimal:
        """Percent the market may have moved since the ticket; more for one that had to wait for others to agree."""
        limits = self._limits_of(order.user_id)
        return max(limits.requote_percent, limits.collar_confirm) if order.needed else limits.requote_percent

    def _requote(self, order: Order, facts: Facts, now: datetime) -> None:
        limits = self._limits_of(order.user_id)
        figures = estimate(order.request, facts, limits, now)
        self._ask_again(
            order,
            Requoted(
                quote=facts.quote.price,
                quote_at=facts.quote.at,
                quote_change=facts.quote.change_rate,
                expires_at=now + timedelta(seconds=limits.ticket_seconds),
                cautions=tuple(cautions(order.request, facts, limits, now)),
                **vars(figures),
            ),
        )

    def _stop(self, order: Order, code: str, message: str = "", reasons: Sequence[Reason] = ()) -> None:
        """It goes no further; nothing was sent, or nothing that was carried out."""
        told = {"reasons": plain(reasons)} if reasons else {}
        self._save(order, BlockedByRisk(code, message), notices=cards(order, **told))

    # --- the answer ---------------------------------------------------------------------------------------------------

    def _verdict(self, order: Order, receipt: Receipt, tapped: datetime) -> tuple[Event, float | None]:
        """What the answer makes of the order, and after how many seconds it may be tried again, None for never."""
        code = receipt.code or receipt.outcome.value.upper()
        match receipt.outcome:
            case Outcome.PLACED:
                return Accepted(receipt.order_no, receipt.branch, receipt.time), None
            case Outcome.REFUSED | Outcome.MISCONFIGURED:
                return Rejected(code, receipt.message), None
            case Outcome.CLAIMED:
                return RejectionUnconfirmed(code, receipt.message), None
            case Outcome.NOT_SENT | Outcome.THROTTLED | Outcome.TOKEN:
                pause = self._pause(order, receipt.outcome, tapped)
                if pause is not None:
                    return RetryScheduled("NOT_SENT" if receipt.outcome is Outcome.NOT_SENT else code), pause
                return (
                    NeverLeft(code)
                    if receipt.outcome is Outcome.NOT_SENT
                    else RejectionUnconfirmed(code, receipt.message)
                ), None
            case _:
                log.warning("order outcome unknown", order=order.id, code=code)
                return AnswerLost(code), None

    def _pause(self, order: Order, outcome: Outcome, tapped: datetime) -> float | None:
        pauses = BACK_OFF[outcome]
        if self.stopping or order.attempt >= min(MOST_ATTEMPTS, len(pauses) + 1):
            return None
        pause = pauses[order.attempt - 1]
        return pause if self._clock() - tapped + timedelta(seconds=pause) < SEND_BUDGET else None

    def _brake_if_needed(self, receipt: Receipt) -> None:
        if receipt.outcome is Outcome.MISCONFIGURED:
            self._brakes.pull(HaltLevel.NEW, "MISCONFIGURED")
        if len(self._journal.in_state(IN_DOUBT)) >= HALTING_DOUBTS:
            self._brakes.pull(HaltLevel.NEW, "TWO_UNKNOWN")

    async def _save_surely(self, order: Order, event: Event, receipt: Receipt) -> Order:
        """Write the outcome down however long the disk refuses; meanwhile nothing else is sent."""
        while True:
            try:
                after = self._save(order, event, receipt=receipt, notices=cards(order))
            except Stale:
                raise
            except Exception:
                log.exception("an outcome cannot be written down; nothing more is sent", order=order.id)
                self._situation.conflicts["DISK"] = None
                await self._sleep(SAVE_AGAIN)
            else:
                if self._situation.conflicts.pop("DISK", "") is None:
                    self._brakes.pull(HaltLevel.NEW, "DISK")
                return after

    # --- cancels ------------------------------------------------------------------------------------------------------

    async def cancel(self, order: Order) -> bool:
        """Ask the broker to cancel what is left of an order. A cancel waits for no order, and may be repeated."""
        for n in range(MOST_ATTEMPTS):
            written = self._broker.written_cancel(order.order_no, branch=order.branch, kind=order.kind)
            self._journal.attempted(self._cancel_attempt(order, written))
            receipt = await self._send(written)
            self._journal.answered(order.id, receipt)
            pauses = BACK_OFF.get(receipt.outcome, ())
            current = self._journal.get(order.id)
            if n >= len(pauses) or self.stopping or current is None or current.state not in WORKING:
                break
            await self._sleep(pauses[n])
        self._settle_cancel(order.id, _step(receipt))
        return True

    def _cancel_attempt(self, order: Order, written: Written) -> Attempt:
        now = self._clock()
        return Attempt(
            order.id,
            0,
            now,
            frozenset(),
            endpoint="cancel",
            body=written.shown,
            digest=written.digest,
            run=self._run(),
        )

    def _settle_cancel(self, order_id: int, step: CancelStep) -> None:
        """The list may have told the outcome first: then the answer to the request is no news."""
        order = self._journal.get(order_id)
        while order is not None and order.state in WORKING:
            try:
                self._save(order, step, notices=cards(order))
            except Stale:
                order = self._journal.get(order_id)
            else:
                return

    def _save(
        self,
        order: Order,
        event: Event,
        *,
        attempt: Attempt | None = None,
        receipt: Receipt | None = None,
        notices: Sequence[Notice] = (),
    ) -> Order:
        after = apply(order, event, self._clock())
        self._journal.save(after, event, attempt=attempt, receipt=receipt, notices=notices)
        return after


def _step(receipt: Receipt) -> CancelStep:
    code = receipt.code or receipt.outcome.value.upper()
    match receipt.outcome:
        case Outcome.PLACED:
            return CancelStep(CancelState.ASKED)
        case Outcome.REFUSED | Outcome.MISCONFIGURED:
            return CancelStep(CancelState.REFUSED, code, receipt.message)
        case Outcome.NOT_SENT | Outcome.THROTTLED | Outcome.TOKEN:
            return CancelStep(CancelState.NONE, code, receipt.message)
        case _:
            return CancelStep(CancelState.UNKNOWN, code)


def plain(reasons: Sequence[Reason]) -> list[dict[str, object]]:
    """Reasons as a notice keeps them: plain values that survive the outbox."""
    return [
        {
            "code": one.code,
            "values": {k: v.isoformat() if isinstance(v, datetime) else v for k, v in one.values.items()},
        }
        for one in reasons
    ]
