"""The order desk: propose, press, cancel, revise, halt. With `sender` and `watch` the only code that changes an order.

Every change is a compare-and-swap in the journal, in one transaction with what people will be told of it. Nothing is
awaited inside a transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from bot.orders.access.roles import Actor, Role
from bot.orders.approvals.policy import ApprovalPolicy, value_of
from bot.orders.approvals.workflow import ApprovalWorkflow
from bot.orders.execution.pretrade_data import PretradeReader
from bot.orders.execution.sender import HALTING_DOUBTS, SEND_BUDGET, OrderSender
from bot.orders.execution.tickets import Tickets
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
from bot.orders.model.events import (
    AnswerLost,
    CancelState,
    CancelStep,
    Confirmed,
    Discarded,
    Event,
    ManuallyLinked,
    ManuallyRejected,
    NeverLeft,
    TimedOut,
    Voided,
)
from bot.orders.model.notice import Notice, cards
from bot.orders.model.order import IN_DOUBT, WORKING, Order, OrderRequest, OrderState, apply
from bot.orders.model.reason import Reason
from bot.orders.model.tap_result import ProofRequest, TapOutcome, TapResult
from bot.orders.ports import Broker, Journal, MarketHours, Roster, Stale
from bot.orders.risk.checks import Limits
from bot.orders.risk.context import RiskContext
from bot.orders.risk.resume import Resume
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from kis.models import OrderKind, OrderReport

__all__ = ["Desk", "TapOutcome", "TapResult"]

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 15.0
"""How long a stop waits for orders on their way."""
MOST_UNDER_WAY = 30
"""More orders than this cannot leave within their ten seconds at KIS's pace: the next tap is asked to come again."""
SENDING_TAPS = frozenset({TapAction.CONFIRM, TapAction.APPROVE})
"""Taps after which an order may leave."""
CANCEL_KEY_LIVES = timedelta(hours=1)
CANCEL_ALL_LIVES = timedelta(seconds=60)


class Desk:
    """One account's order desk."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        brakes: TradingHalt,
        market: MarketHours,
        *,
        clock: Callable[[], datetime],
        limits: Limits,
        policy: ApprovalPolicy | None = None,
        resume_pause: float = 0,
        limits_of: Callable[[int], Limits] | None = None,
        needs_proof: Callable[[Actor, ProofRequest], bool] = lambda *_: False,
        position_percent: Decimal = Decimal(0),
        roster: Roster | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wake: Callable[[], None] = lambda: None,
        elsewhere: Callable[[], Sequence[OrderReport]] = tuple,
        token: Callable[[], str] = new_token,
        run: Callable[[], int] = lambda: 0,
    ) -> None:
        """`wake` has the broker's list read at once; `elsewhere` gives its rows that are not ours, as last read.

        `limits_of` gives a person's own limits in place of the house's; `needs_proof` says if a second factor is due.
        `run` tells the number of this run of the program, for the record. Without a `roster` nobody's consent can be
        asked for, and nobody's role is looked up again before an order leaves.
        """
        self._journal = journal
        self._clock = clock
        self._needs_proof = needs_proof
        self._wake = wake
        self._token = token
        self.brakes = brakes
        self.looks = PretradeReader(broker, clock=clock, sleep=sleep)
        self.release = Resume(journal, brakes, roster, clock=clock, token=token, pause=resume_pause)
        self.consent = ApprovalWorkflow(journal, roster, policy or ApprovalPolicy(), market, clock=clock, token=token)
        self.situation = RiskContext(broker, journal, brakes, market, clock=clock, elsewhere=elsewhere)
        of = limits_of or (lambda _: limits)
        self._tickets = Tickets(
            journal,
            self.looks,
            self.situation,
            brakes,
            self.consent,
            of,
            clock=clock,
            token=token,
            percent=position_percent,
        )
        self._sender = OrderSender(
            broker,
            journal,
            self.looks,
            self.situation,
            brakes,
            of,
            clock=clock,
            sleep=sleep,
            ask_again=self._tickets.ask_again,
            lacks=self.consent.lacks,
            run=run,
        )
        self._on_their_way: dict[asyncio.Task[None], int] = {}

    # --- a ticket -----------------------------------------------------------------------------------------------------

    async def propose(self, ask: OrderRequest, who: Actor, origin: int) -> Order | list[Reason]:
        """Check a request and put its ticket before the person; `origin` (the update's id) makes it happen once.

        Raises:
            kis.errors.KisError: the market or the account could not be read; nothing was written.
        """
        return await self._tickets.make(ask, who, origin)

    async def propose_revision(self, order_no: str, price: int | None, who: Actor, origin: int) -> Order | list[Reason]:
        """A ticket that changes the price of an open order; None makes it a market order. Raises as `propose`."""
        parent = self._journal.of_number(order_no)
        if parent is None or not self.may_cancel(parent, who):
            return [Reason("NO_SUCH_ORDER", {"number": order_no})]
        if parent.state not in WORKING or parent.cancel in {CancelState.SUBMITTING, CancelState.ASKED}:
            return [Reason("PARENT_GONE", {"number": order_no})]
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        if (kind, price) == (parent.kind, parent.price):
            return [Reason("SAME_PRICE", {})]
        ask = replace(parent.request, quantity=parent.remaining, kind=kind, price=price)
        return await self._tickets.make(ask, who, origin, parent)

    # --- a tap --------------------------------------------------------------------------------------------------------

    def press(self, token: str, who: Actor) -> TapResult:  # noqa: PLR0911  # one verdict per case
        """Judge a tap and write it down, at once and without the broker; `carry_out` does the rest."""
        found = self._journal.button(digest(token))
        if found is None:
            return TapResult(TapOutcome.GONE)
        if found.user_id != who.user_id:
            log.warning("tap by another person", order=found.order_id, user=who.user_id)
            return TapResult(TapOutcome.NOT_YOURS)
        if found.used:
            return TapResult(TapOutcome.USED)
        if self._clock() >= found.expires_at:
            self.expire()
            return TapResult(TapOutcome.LATE)
        if found.action in SENDING_TAPS and len(self._on_their_way) >= MOST_UNDER_WAY:
            return TapResult(TapOutcome.BUSY)
        try:
            return self._act(found, who)
        except Stale:
            return TapResult(TapOutcome.USED)

    def _act(self, button: KnownButton, who: Actor) -> TapResult:  # noqa: PLR0911  # one act per kind of button
        if button.action is None:
            return TapResult(TapOutcome.GONE)
        proof = self._proof(button)
        if proof is not None and self._needs_proof(who, proof):
            return TapResult(TapOutcome.STEP_UP, proof=proof)
        if button.action is TapAction.CANCEL_ALL:
            self._journal.use(button.id, who, "order.cancel_all")
            return self.request_cancel_all(who)
        if isinstance(button.action, AgreeResume):
            doubts = len(self.in_doubt()) >= HALTING_DOUBTS
            return TapResult(TapOutcome.LATE) if doubts else self.release.agree(button.id, button.action, who)
        order = self._journal.get(button.order_id) if button.order_id is not None else None
        if order is None or button.terms not in {"", order.terms()}:
            return TapResult(TapOutcome.GONE)
        if order.state in {OrderState.PROPOSED, OrderState.PENDING} and order.terms() != order.fingerprint:
            log.error("an order's terms are not those that were shown", order=order.id)
            return TapResult(TapOutcome.GONE, self._save(order, Voided("FINGERPRINT"), who=who, notices=cards(order)))
        if isinstance(button.action, LinkOrder | RejectLink):
            return self._claim(order, button.id, button.action, who)
        if button.action in {TapAction.APPROVE, TapAction.DENY}:
            return self.consent.vote(order, button, who)
        if button.action is TapAction.CANCEL:
            return self.request_cancel(order, who, uses=button.id)
        return self._decide(order, button, who)

    def _proof(self, button: KnownButton) -> ProofRequest | None:
        """What a second factor would be given for, where this button could need one. Cancels and refusals never do."""
        if isinstance(button.action, AgreeResume):
            return ProofRequest("resume", f"button:{button.id}")
        order = self._journal.get(button.order_id) if button.order_id is not None else None
        if order is None or button.action not in SENDING_TAPS:
            return None
        return ProofRequest(str(button.action), f"order:{order.id}:{order.terms()[:16]}", value_of(order))

    def _decide(self, order: Order, button: KnownButton, who: Actor) -> TapResult:
        confirms = button.action is TapAction.CONFIRM
        withdraws = order.state is OrderState.PENDING and not confirms
        if order.state is not OrderState.PROPOSED and not withdraws:
            return TapResult(TapOutcome.USED)
        if confirms and order.cautions and not order.warned:
            return self._tickets.warn(order, button, who)
        if confirms and (needed := self.consent.needed(order)):
            self.looks.drop(order.id)
            return self.consent.ask(order, needed, button, who)
        event = Confirmed() if confirms else Discarded()
        after = self._save(order, event, who=who, uses=button.id, notices=cards(order))
        self.looks.drop(order.id)
        return TapResult(TapOutcome.SENDING if confirms else TapOutcome.DISCARDED, after)

    def _claim(self, order: Order, button_id: int, said: LinkOrder | RejectLink, who: Actor) -> TapResult:
        """A person has said which row of the broker's list the lost order is, or that it is none of them."""
        if order.state not in {OrderState.UNKNOWN, OrderState.ABSENT}:
            return TapResult(TapOutcome.USED)
        event = ManuallyLinked(**vars(said)) if isinstance(said, LinkOrder) else ManuallyRejected()
        after = self._save(order, event, who=who, uses=button_id, notices=cards(order))
        self._wake()
        return TapResult(TapOutcome.SETTLED, after)

    # --- cancels ------------------------------------------------------------------------------------------------------

    def cancel_token(self, order: Order, who: Actor) -> str:
        """A single-use key with which this person may cancel this order during the next hour."""
        until = self._clock() + CANCEL_KEY_LIVES
        button = ButtonToken(self._token(), TapAction.CANCEL, who.user_id, until, order.terms())
        self._journal.add_buttons(order.id, [button])
        return button.token

    def request_cancel(self, order: Order, who: Actor, *, uses: int | None = None) -> TapResult:
        """Write down that this person wants the order cancelled; `carry_out` asks the broker."""
        if order.state not in WORKING or order.cancel in {CancelState.SUBMITTING, CancelState.ASKED}:
            return TapResult(TapOutcome.USED, order)
        try:
            after = self._save(order, CancelStep(CancelState.SUBMITTING), who=who, uses=uses, notices=cards(order))
        except Stale:
            return TapResult(TapOutcome.USED, order)
        return TapResult(TapOutcome.CANCELLING, after)

    def may_cancel(self, order: Order, who: Actor) -> bool:
        """One's own orders, and an administrator everybody's."""
        return who.role.covers(Role.ADMIN) or (order.user_id == who.user_id and who.role.covers(Role.TRADER))

    def cancel_number(self, order_no: str, who: Actor) -> TapResult:
        """Ask to cancel the order of this number at the broker."""
        order = self._journal.of_number(order_no)
        if order is None:
            return TapResult(TapOutcome.GONE)
        if not self.may_cancel(order, who):
            return TapResult(TapOutcome.NOT_YOURS, order)
        return self.request_cancel(order, who)

    def cancel_all_key(self, who: Actor) -> tuple[str, int]:
        """A single-use key that cancels every open order this person may cancel, and how many there are now."""
        button = ButtonToken(self._token(), TapAction.CANCEL_ALL, who.user_id, self._clock() + CANCEL_ALL_LIVES)
        count = sum(self.may_cancel(order, who) for order in self.working())
        if count:
            self._journal.add_buttons(None, [button])
        return button.token, count

    def request_cancel_all(self, who: Actor) -> TapResult:
        """Write down that this person wants all of them cancelled; `carry_out` asks the broker."""
        asked = [self.request_cancel(order, who) for order in self.working() if self.may_cancel(order, who)]
        orders = tuple(one.order for one in asked if one.verdict is TapOutcome.CANCELLING and one.order is not None)
        return TapResult(TapOutcome.CANCELLING, None, orders) if orders else TapResult(TapOutcome.USED)

    def working(self) -> list[Order]:
        """Orders at the broker that can still fill, oldest first."""
        return self._journal.in_state(WORKING)

    def in_doubt(self) -> list[Order]:
        """Orders of which it is not known whether the broker has them."""
        return self._journal.in_state(IN_DOUBT)

    # --- the brakes ---------------------------------------------------------------------------------------------------

    def halt(self, level: HaltLevel, who: Actor) -> TapResult | Reason:
        """Raise the brakes, or the reason why not; from 전체취소 on every open order is asked to be cancelled.

        Anybody may stop what is new. Open orders are for those who trade.
        """
        if level > HaltLevel.NEW and not who.role.covers(Role.TRADER):
            return Reason("NOT_ALLOWED", {})
        if not self.brakes.pull(level, "BY_PERSON", who):
            return Reason("HALTED_ALREADY", {})
        if level < HaltLevel.CANCEL_ALL:
            return TapResult(TapOutcome.SETTLED)
        asked = [self.request_cancel(order, who) for order in self.working()]
        orders = tuple(one.order for one in asked if one.verdict is TapOutcome.CANCELLING and one.order is not None)
        return TapResult(TapOutcome.CANCELLING if orders else TapOutcome.SETTLED, None, orders)

    def resume(self, level: HaltLevel, who: Actor) -> Reason | None:
        """Lower the brakes, or ask another administrator to agree; a reason that says what else is needed, or None."""
        if len(self.in_doubt()) >= HALTING_DOUBTS and level < HaltLevel.NEW:
            return Reason("STILL_IN_DOUBT", {"count": len(self.in_doubt())})
        return self.release.ask(level, who)

    # --- carrying out -------------------------------------------------------------------------------------------------

    async def carry_out(self, pressed: TapResult) -> None:
        """Do what the tap asked for. A stop of the program waits for it; nothing else can interrupt it."""
        if pressed.verdict is TapOutcome.SENDING and pressed.order is not None:
            await self._shielded(pressed.order.id, self._sender.submit(pressed.order, self._clock()))
        if pressed.verdict is TapOutcome.CANCELLING:
            orders = [one for one in (pressed.order, *pressed.others) if one is not None]
            await asyncio.gather(*(self._shielded(one.id, self._sender.cancel(one)) for one in orders))

    async def _shielded(self, order_id: int, act: Awaitable[bool]) -> None:
        async def run() -> None:
            try:
                if await act:
                    self._wake()
            except Stale:
                log.info("an order was changed by somebody else meanwhile", order=order_id)
            except (
                Exception
            ):  # nothing that is on disk says more than was done: housekeeping or the next start settles it
                log.exception("an order's way ended in a fault", order=order_id)

        task = asyncio.get_running_loop().create_task(run())
        self._on_their_way[task] = order_id
        task.add_done_callback(lambda done: self._on_their_way.pop(done, None))
        await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for the orders on their way, as long as a stop may take."""
        self._sender.stopping = True
        if self._on_their_way:
            await asyncio.wait(self._on_their_way, timeout=DRAIN_SECONDS)
        await self.looks.close()

    # --- housekeeping -------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """End every ticket whose time is up: its buttons die and its message says so."""
        self.consent.deputise()
        now = self._clock()
        under_way = set(self._on_their_way.values())
        for order in self._journal.due(
            {OrderState.PROPOSED, OrderState.PENDING, OrderState.CONFIRMED, OrderState.WAITING},
            now,
        ):
            open_still = order.state in {OrderState.PROPOSED, OrderState.PENDING}
            stuck = not open_still and order.id not in under_way
            if (open_still or stuck) and now >= order.expires_at + (SEND_BUDGET if stuck else timedelta()):
                try:
                    self._save(order, TimedOut(), notices=cards(order))
                except Stale:
                    continue

    def recover(self) -> None:
        """After a start: what was on its way is in doubt, what was not yet sent is over. Nothing is sent again."""
        self.situation.recovering = True
        for order in self._journal.in_state({OrderState.CONFIRMED}):
            self._save(order, TimedOut(), notices=cards(order))
        for order in self._journal.in_state({OrderState.WAITING}):
            event = NeverLeft("NOT_SENT") if order.code_word == "NOT_SENT" else AnswerLost("RESTART")
            self._save(order, event, notices=cards(order))
        for order in self._journal.in_state({OrderState.SUBMITTING}):
            self._save(order, AnswerLost("RESTART"), notices=cards(order))
        for order in self._journal.in_state(WORKING):
            if order.cancel is CancelState.SUBMITTING:
                self._save(order, CancelStep(CancelState.UNKNOWN, "RESTART"), notices=cards(order))
        self.expire()

    def _save(
        self,
        order: Order,
        event: Event,
        *,
        who: Actor | None = None,
        uses: int | None = None,
        notices: Sequence[Notice] = (),
    ) -> Order:
        after = apply(order, event, self._clock())
        self._journal.save(after, event, who=who, uses=uses, notices=notices)
        return after
