"""The order desk: propose, press, cancel, revise, halt. Only it, `sender` and `report_handler` change an order.

Every change is a compare-and-swap in the journal, in one transaction with its notices. Nothing is awaited inside a
transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.access.roles import Actor, Role, Roster
from bot.orders.access.second_factor import SecondFactor
from bot.orders.approvals.policy import ApprovalPolicy, value_of
from bot.orders.approvals.workflow import ApprovalWorkflow
from bot.orders.execution.pretrade_data import PretradeReader
from bot.orders.execution.sender import IN_DOUBT_HALT_COUNT, SEND_BUDGET, OrderSender
from bot.orders.execution.tickets import Tickets
from bot.orders.hours import TradingHours
from bot.orders.model import events
from bot.orders.model.button import (
    AgreeResume,
    ButtonToken,
    KnownButton,
    LinkOrder,
    RejectLink,
    TapAction,
    digest,
    new_token,
)
from bot.orders.model.events import CancelState, Event
from bot.orders.model.notice import cards
from bot.orders.model.order import IN_DOUBT, UNDECIDED, WORKING, Order, OrderRequest, OrderState, apply
from bot.orders.model.reason import Reason
from bot.orders.model.tap_result import ProofRequest, TapOutcome, TapResult
from bot.orders.ports import Broker, Journal, Stale
from bot.orders.risk.checks import Limits
from bot.orders.risk.context import RiskContext
from bot.orders.risk.trading_halt import HaltLevel, Resume, TradingHalt
from kis.models import OrderKind, OrderReport

__all__ = ["Desk", "TapOutcome", "TapResult"]

log = structlog.get_logger(__name__)

DRAIN_TIMEOUT = 15.0
"""Seconds a stop waits for orders being sent."""
MAX_SENDING = 30
"""More orders than this cannot be sent within their ten seconds at KIS's rate: the next tap is refused as BUSY."""
SENDING_TAPS = frozenset({TapAction.CONFIRM, TapAction.APPROVE})
"""Taps after which an order may be sent."""
CANCEL_BUTTON_TTL = timedelta(hours=1)
CANCEL_ALL_BUTTON_TTL = timedelta(seconds=60)


class Desk:
    """One account's order desk."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        trading_halt: TradingHalt,
        market: TradingHours,
        roster: Roster,
        second_factor: SecondFactor,
        notifications: Notifications,
        *,
        clock: Callable[[], datetime],
        limits_of: Callable[[int], Limits],
        policy: ApprovalPolicy,
        position_percent: Decimal,
        resume_pause: float,
        external_orders: Callable[[], Sequence[OrderReport]],
        poll_reports: Callable[[], None],
        run_number: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        token: Callable[[], str] = new_token,
    ) -> None:
        """Builds the parts that check, approve and send.

        `position_percent`: most of the account that may lie in one stock; 0 for any share. `resume_pause`: seconds a
        halt must have stood before somebody alone in charge may resume. `external_orders`: rows of today's broker list
        that are not ours, as last read; `poll_reports` has that list read at once. `run_number`: of this run of the
        program, for the record.
        """
        self._journal = journal
        self._clock = clock
        self._second_factor = second_factor
        self._poll_reports = poll_reports
        self._token = token
        self.trading_halt = trading_halt
        self.pretrade = PretradeReader(broker, clock=clock, sleep=sleep)
        self._resume = Resume(journal, trading_halt, notifications, clock=clock, token=token, pause=resume_pause)
        self.approvals = ApprovalWorkflow(journal, roster, policy, market, clock=clock, token=token)
        self.risk_context = RiskContext(
            broker, journal, trading_halt, market, clock=clock, external_orders=external_orders
        )
        self._tickets = Tickets(
            journal,
            self.pretrade,
            self.risk_context,
            trading_halt,
            self.approvals,
            limits_of,
            clock=clock,
            token=token,
            position_percent=position_percent,
        )
        self._sender = OrderSender(
            broker,
            journal,
            self.pretrade,
            self.risk_context,
            trading_halt,
            self.approvals,
            self._tickets,
            limits_of,
            clock=clock,
            sleep=sleep,
            run_number=run_number,
        )
        self._sending: dict[asyncio.Task[None], int] = {}
        """Orders being sent, by their task."""

    # --- a ticket -----------------------------------------------------------------------------------------------------

    async def propose(self, request: OrderRequest, actor: Actor, origin: int) -> Order | list[Reason]:
        """Check a request and show its ticket; `origin` (the update's id) makes it happen once. Raises as `Tickets`."""
        return await self._tickets.make(request, actor, origin)

    async def propose_revision(
        self, order_no: str, price: int | None, actor: Actor, origin: int
    ) -> Order | list[Reason]:
        """A ticket that changes the price of an open order; None makes it a market order. Raises as `propose`."""
        parent = self._journal.of_number(order_no)
        if parent is None or not self.may_cancel(parent, actor):
            return [Reason("NO_SUCH_ORDER", {"number": order_no})]
        if not parent.changeable:
            return [Reason("PARENT_GONE", {"number": order_no})]
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        if (kind, price) == (parent.kind, parent.price):
            return [Reason("SAME_PRICE", {})]
        request = replace(parent.request, quantity=parent.remaining, kind=kind, price=price)
        return await self._tickets.make(request, actor, origin, parent)

    # --- a tap --------------------------------------------------------------------------------------------------------

    def press(self, token: str, actor: Actor, *, late: bool = False) -> TapResult:  # noqa: PLR0911  # a verdict per case
        """Decide a tap and record it, without awaiting anything; `carry_out` then talks to the broker.

        `late`: it was made so long ago that nothing is sent for it; the button stays as it is.
        """
        found = self._journal.button(digest(token))
        if found is None:
            return TapResult(TapOutcome.GONE)
        if found.user_id != actor.user_id:
            log.warning("tap by another person", order=found.order_id, user=actor.user_id)
            return TapResult(TapOutcome.NOT_YOURS)
        if found.used:
            return TapResult(TapOutcome.USED)
        if self._clock() >= found.expires_at:
            self.expire()
            return TapResult(TapOutcome.LATE)
        if found.action in SENDING_TAPS and late:
            return TapResult(TapOutcome.DELAYED)
        if found.action in SENDING_TAPS and len(self._sending) >= MAX_SENDING:
            return TapResult(TapOutcome.BUSY)
        try:
            return self._act(found, actor)
        except Stale:
            return TapResult(TapOutcome.USED)

    def _act(self, button: KnownButton, actor: Actor) -> TapResult:  # noqa: PLR0911  # one case per kind of button
        if button.action is None:
            return TapResult(TapOutcome.GONE)
        proof, now = self._proof(button), self._clock()
        if proof is not None and self._second_factor.needs(actor, proof.action, proof.value, now, proof.subject):
            return TapResult(TapOutcome.STEP_UP, proof=proof)
        if button.action is TapAction.CANCEL_ALL:
            self._journal.use(button.id, actor, "order.cancel_all")
            return self.request_cancel_all(actor)
        if isinstance(button.action, AgreeResume):
            doubts = len(self.in_doubt()) >= IN_DOUBT_HALT_COUNT
            return TapResult(TapOutcome.LATE) if doubts else self._resume.agree(button.id, button.action, actor)
        order = self._journal.get(button.order_id)
        if order is None or button.terms not in {"", order.terms()}:
            return TapResult(TapOutcome.GONE)
        if order.state in UNDECIDED and order.terms() != order.fingerprint:
            log.error("an order's terms are not those that were shown", order=order.id)
            return TapResult(TapOutcome.GONE, self._save(order, events.Voided("FINGERPRINT"), actor=actor))
        if isinstance(button.action, LinkOrder | RejectLink):
            return self._link(order, button.id, button.action, actor)
        if button.action in {TapAction.APPROVE, TapAction.DENY}:
            return self.approvals.vote(order, button, actor)
        if button.action is TapAction.CANCEL:
            return self.request_cancel(order, actor, uses=button.id)
        return self._decide(order, button, actor)

    def _proof(self, button: KnownButton) -> ProofRequest | None:
        """What a second factor would have to prove, where this button may need one. Cancels and refusals never do."""
        if isinstance(button.action, AgreeResume):
            return ProofRequest("resume", f"button:{button.id}")
        order = self._journal.get(button.order_id)
        if order is None or button.action not in SENDING_TAPS:
            return None
        return ProofRequest(str(button.action), f"order:{order.id}:{order.terms()[:16]}", value_of(order))

    def _decide(self, order: Order, button: KnownButton, actor: Actor) -> TapResult:
        confirms = button.action is TapAction.CONFIRM
        withdraws = order.state is OrderState.PENDING and not confirms
        if order.state is not OrderState.PROPOSED and not withdraws:
            return TapResult(TapOutcome.USED)
        if confirms and order.cautions and not order.warned:
            return self._tickets.warn(order, button, actor)
        if confirms and (needed := self.approvals.needed(order)):
            self.pretrade.drop(order.id)
            return self.approvals.request(order, needed, button, actor)
        event = events.Confirmed() if confirms else events.Discarded()
        after = self._save(order, event, actor=actor, uses=button.id)
        self.pretrade.drop(order.id)
        return TapResult(TapOutcome.SENDING if confirms else TapOutcome.DISCARDED, after)

    def _link(self, order: Order, button_id: int, answer: LinkOrder | RejectLink, actor: Actor) -> TapResult:
        """A person has named the row of the broker's list that is the lost order, or said that none of them is."""
        if order.state not in {OrderState.UNKNOWN, OrderState.ABSENT}:
            return TapResult(TapOutcome.USED)
        event = events.ManuallyLinked(**vars(answer)) if isinstance(answer, LinkOrder) else events.ManuallyRejected()
        after = self._save(order, event, actor=actor, uses=button_id)
        self._poll_reports()
        return TapResult(TapOutcome.SETTLED, after)

    # --- cancels ------------------------------------------------------------------------------------------------------

    def cancel_token(self, order: Order, actor: Actor) -> str:
        """Token of a single-use button with which this person may cancel this order during the next hour."""
        until = self._clock() + CANCEL_BUTTON_TTL
        button = ButtonToken(self._token(), TapAction.CANCEL, actor.user_id, until, order.terms())
        self._journal.add_buttons(order.id, [button])
        return button.token

    def request_cancel(self, order: Order, actor: Actor, *, uses: int | None = None) -> TapResult:
        """Record that this person wants the order cancelled; `carry_out` asks the broker."""
        if order.cancel is CancelState.SUBMITTING and order.id not in self._sending.values():
            return TapResult(TapOutcome.CANCELLING, order)  # recorded, and a fault kept it from being asked for
        if not order.changeable:
            return TapResult(TapOutcome.USED, order)
        try:
            after = self._save(order, events.CancelStep(CancelState.SUBMITTING), actor=actor, uses=uses)
        except Stale:
            return TapResult(TapOutcome.USED, order)
        return TapResult(TapOutcome.CANCELLING, after)

    def may_cancel(self, order: Order, actor: Actor) -> bool:
        """One's own orders, and an administrator everybody's."""
        return actor.role.covers(Role.ADMIN) or (order.user_id == actor.user_id and actor.role.covers(Role.TRADER))

    def cancel_number(self, order_no: str, actor: Actor) -> TapResult:
        """Ask to cancel the order of this number at the broker."""
        order = self._journal.of_number(order_no)
        if order is None:
            return TapResult(TapOutcome.GONE)
        if not self.may_cancel(order, actor):
            return TapResult(TapOutcome.NOT_YOURS, order)
        return self.request_cancel(order, actor)

    def cancel_all_token(self, actor: Actor) -> tuple[str, int]:
        """Token of a single-use button that cancels every open order this person may cancel, and how many there are."""
        button = ButtonToken(self._token(), TapAction.CANCEL_ALL, actor.user_id, self._clock() + CANCEL_ALL_BUTTON_TTL)
        count = sum(self.may_cancel(order, actor) for order in self.working())
        if count:
            self._journal.add_buttons(None, [button])
        return button.token, count

    def request_cancel_all(self, actor: Actor) -> TapResult:
        """Record that this person wants all of them cancelled; `carry_out` asks the broker."""
        orders = self._request_cancels([order for order in self.working() if self.may_cancel(order, actor)], actor)
        return TapResult(TapOutcome.CANCELLING, None, orders) if orders else TapResult(TapOutcome.USED)

    def _request_cancels(self, orders: Sequence[Order], actor: Actor) -> tuple[Order, ...]:
        asked = [self.request_cancel(order, actor) for order in orders]
        return tuple(one.order for one in asked if one.verdict is TapOutcome.CANCELLING and one.order is not None)

    def working(self) -> list[Order]:
        """Orders at the broker that can still fill, oldest first."""
        return self._journal.in_state(WORKING)

    def in_doubt(self) -> list[Order]:
        """Orders of which it is not known whether the broker has them."""
        return self._journal.in_state(IN_DOUBT)

    # --- trading halt -------------------------------------------------------------------------------------------------

    def halt(self, level: HaltLevel, actor: Actor) -> TapResult | Reason:
        """Halt trading, or say why not; from 전체취소 on every open order is asked to be cancelled.

        Anybody may stop what is new. Open orders are for those who trade.
        """
        if level > HaltLevel.NEW and not actor.role.covers(Role.TRADER):
            return Reason("NOT_ALLOWED", {})
        halted = self.trading_halt.halt(level, "BY_PERSON", actor)
        orders = self._request_cancels(self.working(), actor) if level >= HaltLevel.CANCEL_ALL else ()
        if not halted and not orders:
            return Reason("HALTED_ALREADY", {})
        return TapResult(TapOutcome.CANCELLING if orders else TapOutcome.SETTLED, None, orders)

    def resume(self, level: HaltLevel, actor: Actor) -> Reason | None:
        """Lower the halt, or ask another administrator to agree; a reason that says what else is needed, or None."""
        if len(self.in_doubt()) >= IN_DOUBT_HALT_COUNT and level < HaltLevel.NEW:
            return Reason("STILL_IN_DOUBT", {"count": len(self.in_doubt())})
        return self._resume.request(level, actor)

    # --- carrying out -------------------------------------------------------------------------------------------------

    async def carry_out(self, pressed: TapResult) -> None:
        """Do what the tap asked for. A stop of the program waits for it; cancelling the caller does not stop it."""
        if pressed.verdict is TapOutcome.SENDING and pressed.order is not None:
            await self._shielded(pressed.order.id, self._sender.submit(pressed.order, self._clock()))
        if pressed.verdict is TapOutcome.CANCELLING:
            orders = [one for one in (pressed.order, *pressed.others) if one is not None]
            await asyncio.gather(*(self._shielded(one.id, self._sender.cancel(one)) for one in orders))

    async def _shielded(self, order_id: int, act: Awaitable[bool]) -> None:
        async def run() -> None:
            try:
                if await act:
                    self._poll_reports()
            except Stale:
                log.info("an order was changed meanwhile", order=order_id)
            except Exception:  # what is recorded is still true: housekeeping or the next start settles the order
                log.exception("sending an order failed", order=order_id)

        task = asyncio.get_running_loop().create_task(run())
        self._sending[task] = order_id
        task.add_done_callback(lambda done: self._sending.pop(done, None))
        await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for the orders being sent, up to DRAIN_TIMEOUT."""
        self._sender.stopping = True
        if self._sending:
            await asyncio.wait(self._sending, timeout=DRAIN_TIMEOUT)
        await self.pretrade.close()

    # --- housekeeping -------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """Expire every ticket whose time is up; its buttons become void and its message says so."""
        self.approvals.deputise()
        now = self._clock()
        sending = set(self._sending.values())
        for order in self._journal.due(UNDECIDED | {OrderState.CONFIRMED, OrderState.WAITING}, now):
            being_sent = order.id in sending or now < order.expires_at + SEND_BUDGET
            if order.state not in UNDECIDED and being_sent:
                continue
            with suppress(Stale):
                self._save(order, events.TimedOut())
        for order in self._journal.in_state({OrderState.SUBMITTING}):
            if order.id in sending:
                continue
            with suppress(Stale):  # a fault of ours ended it after its attempt was recorded
                self._save(order, events.AnswerLost("INTERNAL"))

    def recover(self) -> None:
        """After a start: what was being sent is in doubt, what was not yet sent is over. Nothing is sent again."""
        self.risk_context.recovering = True
        for order in self._journal.in_state({OrderState.CONFIRMED}):
            self._save(order, events.TimedOut())
        for order in self._journal.in_state({OrderState.WAITING}):
            event = events.NeverLeft("NOT_SENT") if order.code_word == "NOT_SENT" else events.AnswerLost("RESTART")
            self._save(order, event)
        for order in self._journal.in_state({OrderState.SUBMITTING}):
            self._save(order, events.AnswerLost("RESTART"))
        for order in self._journal.in_state(WORKING):
            if order.cancel is CancelState.SUBMITTING:
                self._save(order, events.CancelStep(CancelState.UNKNOWN, "RESTART"))
        self.expire()

    def _save(self, order: Order, event: Event, *, actor: Actor | None = None, uses: int | None = None) -> Order:
        after = apply(order, event, self._clock())
        self._journal.save(after, event, actor=actor, uses=uses, notices=cards(after))
        return after
