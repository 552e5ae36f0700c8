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

from bot.orders.approvals import Policy, value_of
from bot.orders.brakes import Brake, Brakes
from bot.orders.consent import Consent
from bot.orders.events import (
    CancelState,
    CancelStep,
    Claimed,
    Confirmed,
    Discarded,
    Disowned,
    Event,
    Lost,
    NeverLeft,
    TimedOut,
    Voided,
)
from bot.orders.looks import Looks
from bot.orders.model import IN_DOUBT, WORKING, Order, OrderRequest, State, Who, apply
from bot.orders.people import Role
from bot.orders.ports import (
    Broker,
    Button,
    Journal,
    KnownButton,
    Market,
    Notice,
    Roster,
    Stale,
    cards,
    digest,
    new_token,
)
from bot.orders.press import Press, Pressed, Proof
from bot.orders.release import Release
from bot.orders.rules import Limits, Reason
from bot.orders.sender import HALTING_DOUBTS, SEND_BUDGET, Sender
from bot.orders.situation import Situation
from bot.orders.tickets import Tickets
from kis.models import OrderKind, OrderReport

__all__ = ["Desk", "Press", "Pressed"]

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 15.0
"""How long a stop waits for orders on their way."""
MOST_UNDER_WAY = 30
"""More orders than this cannot leave within their ten seconds at KIS's pace: the next tap is asked to come again."""
CANCEL_KEY_LIVES = timedelta(hours=1)
CANCEL_ALL_LIVES = timedelta(seconds=60)


class Desk:
    """One account's order desk."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        brakes: Brakes,
        market: Market,
        *,
        clock: Callable[[], datetime],
        limits: Limits,
        policy: Policy | None = None,
        resume_pause: float = 0,
        limits_of: Callable[[int], Limits] | None = None,
        needs_proof: Callable[[Who, Proof], bool] = lambda *_: False,
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
        self.looks = Looks(broker, clock=clock, sleep=sleep)
        self.release = Release(journal, brakes, roster, clock=clock, token=token, pause=resume_pause)
        self.consent = Consent(journal, roster, policy or Policy(), market, clock=clock, token=token)
        self.situation = Situation(broker, journal, brakes, market, clock=clock, elsewhere=elsewhere)
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
        self._sender = Sender(
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

    async def propose(self, ask: OrderRequest, who: Who, origin: int) -> Order | list[Reason]:
        """Check a request and put its ticket before the person; `origin` (the update's id) makes it happen once.

        Raises:
            kis.errors.KisError: the market or the account could not be read; nothing was written.
        """
        return await self._tickets.make(ask, who, origin)

    async def propose_revision(self, order_no: str, price: int | None, who: Who, origin: int) -> Order | list[Reason]:
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

    def press(self, token: str, who: Who) -> Pressed:  # noqa: PLR0911  # one verdict per case
        """Judge a tap and write it down, at once and without the broker; `carry_out` does the rest."""
        found = self._journal.button(digest(token))
        if found is None:
            return Pressed(Press.GONE)
        if found.user_id != who.user_id:
            log.warning("tap by another person", order=found.order_id, user=who.user_id)
            return Pressed(Press.NOT_YOURS)
        if found.used:
            return Pressed(Press.USED)
        if self._clock() >= found.expires_at:
            self.expire()
            return Pressed(Press.LATE)
        if found.action in {"confirm", "approve"} and len(self._on_their_way) >= MOST_UNDER_WAY:
            return Pressed(Press.BUSY)
        try:
            return self._act(found, who)
        except Stale:
            return Pressed(Press.USED)

    def _act(self, button: KnownButton, who: Who) -> Pressed:  # noqa: PLR0911  # one act per kind of button
        proof = self._proof(button)
        if proof is not None and self._needs_proof(who, proof):
            return Pressed(Press.STEP_UP, proof=proof)
        if button.action == "cancel_all":
            self._journal.use(button.id, who, "order.cancel_all")
            return self.request_cancel_all(who)
        if button.action.startswith("release:"):
            doubts = len(self.in_doubt()) >= HALTING_DOUBTS
            return Pressed(Press.LATE) if doubts else self.release.agree(button, who)
        order = self._journal.get(button.order_id) if button.order_id is not None else None
        if order is None or button.terms not in {"", order.terms()}:
            return Pressed(Press.GONE)
        if order.state in {State.PROPOSED, State.PENDING} and order.terms() != order.fingerprint:
            log.error("an order's terms are not those that were shown", order=order.id)
            return Pressed(Press.GONE, self._save(order, Voided("FINGERPRINT"), who=who, notices=cards(order)))
        if button.action.startswith("claim:"):
            return self._claim(order, button, who)
        if button.action in {"approve", "deny"}:
            return self.consent.vote(order, button, who)
        if button.action == "cancel":
            return self.request_cancel(order, who, uses=button.id)
        return self._decide(order, button, who)

    def _proof(self, button: KnownButton) -> Proof | None:
        """What a second factor would be given for, where this button could need one. Cancels and refusals never do."""
        if button.action.startswith("release:"):
            return Proof("resume", f"button:{button.id}")
        order = self._journal.get(button.order_id) if button.order_id is not None else None
        if order is None or button.action not in {"confirm", "approve"}:
            return None
        return Proof(button.action, f"order:{order.id}:{order.terms()[:16]}", value_of(order))

    def _decide(self, order: Order, button: KnownButton, who: Who) -> Pressed:
        withdraws = order.state is State.PENDING and button.action == "discard"
        if order.state is not State.PROPOSED and not withdraws:
            return Pressed(Press.USED)
        if button.action == "confirm" and order.cautions and not order.warned:
            return self._tickets.warn(order, button, who)
        if button.action == "confirm" and (needed := self.consent.needed(order)):
            self.looks.drop(order.id)
            return self.consent.ask(order, needed, button, who)
        event = Confirmed() if button.action == "confirm" else Discarded()
        after = self._save(order, event, who=who, uses=button.id, notices=cards(order))
        self.looks.drop(order.id)
        return Pressed(Press.SENDING if button.action == "confirm" else Press.DISCARDED, after)

    def _claim(self, order: Order, button: KnownButton, who: Who) -> Pressed:
        """A person has said which row of the broker's list the lost order is, or that it is none of them."""
        if order.state not in {State.UNKNOWN, State.ABSENT}:
            return Pressed(Press.USED)
        _, *row = button.action.split(":")
        event = Disowned() if row == ["none"] else Claimed(*row)
        after = self._save(order, event, who=who, uses=button.id, notices=cards(order))
        self._wake()
        return Pressed(Press.SETTLED, after)

    # --- cancels ------------------------------------------------------------------------------------------------------

    def cancel_token(self, order: Order, who: Who) -> str:
        """A single-use key with which this person may cancel this order during the next hour."""
        button = Button(self._token(), "cancel", who.user_id, self._clock() + CANCEL_KEY_LIVES, order.terms())
        self._journal.add_buttons(order.id, [button])
        return button.token

    def request_cancel(self, order: Order, who: Who, *, uses: int | None = None) -> Pressed:
        """Write down that this person wants the order cancelled; `carry_out` asks the broker."""
        if order.state not in WORKING or order.cancel in {CancelState.SUBMITTING, CancelState.ASKED}:
            return Pressed(Press.USED, order)
        try:
            after = self._save(order, CancelStep(CancelState.SUBMITTING), who=who, uses=uses, notices=cards(order))
        except Stale:
            return Pressed(Press.USED, order)
        return Pressed(Press.CANCELLING, after)

    def may_cancel(self, order: Order, who: Who) -> bool:
        """One's own orders, and an administrator everybody's."""
        return who.role.covers(Role.ADMIN) or (order.user_id == who.user_id and who.role.covers(Role.TRADER))

    def cancel_number(self, order_no: str, who: Who) -> Pressed:
        """Ask to cancel the order of this number at the broker."""
        order = self._journal.of_number(order_no)
        if order is None:
            return Pressed(Press.GONE)
        if not self.may_cancel(order, who):
            return Pressed(Press.NOT_YOURS, order)
        return self.request_cancel(order, who)

    def cancel_all_key(self, who: Who) -> tuple[str, int]:
        """A single-use key that cancels every open order this person may cancel, and how many there are now."""
        button = Button(self._token(), "cancel_all", who.user_id, self._clock() + CANCEL_ALL_LIVES)
        count = sum(self.may_cancel(order, who) for order in self.working())
        if count:
            self._journal.add_buttons(None, [button])
        return button.token, count

    def request_cancel_all(self, who: Who) -> Pressed:
        """Write down that this person wants all of them cancelled; `carry_out` asks the broker."""
        asked = [self.request_cancel(order, who) for order in self.working() if self.may_cancel(order, who)]
        orders = tuple(one.order for one in asked if one.verdict is Press.CANCELLING and one.order is not None)
        return Pressed(Press.CANCELLING, None, orders) if orders else Pressed(Press.USED)

    def working(self) -> list[Order]:
        """Orders at the broker that can still fill, oldest first."""
        return self._journal.in_state(WORKING)

    def in_doubt(self) -> list[Order]:
        """Orders of which it is not known whether the broker has them."""
        return self._journal.in_state(IN_DOUBT)

    # --- the brakes ---------------------------------------------------------------------------------------------------

    def halt(self, level: Brake, who: Who) -> Pressed | Reason:
        """Raise the brakes, or the reason why not; from 전체취소 on every open order is asked to be cancelled.

        Anybody may stop what is new. Open orders are for those who trade.
        """
        if level > Brake.NEW and not who.role.covers(Role.TRADER):
            return Reason("NOT_ALLOWED", {})
        if not self.brakes.pull(level, "BY_PERSON", who):
            return Reason("HALTED_ALREADY", {})
        if level < Brake.CANCEL_ALL:
            return Pressed(Press.SETTLED)
        asked = [self.request_cancel(order, who) for order in self.working()]
        orders = tuple(one.order for one in asked if one.verdict is Press.CANCELLING and one.order is not None)
        return Pressed(Press.CANCELLING if orders else Press.SETTLED, None, orders)

    def resume(self, level: Brake, who: Who) -> Reason | None:
        """Lower the brakes, or ask another administrator to agree; a reason that says what else is needed, or None."""
        if len(self.in_doubt()) >= HALTING_DOUBTS and level < Brake.NEW:
            return Reason("STILL_IN_DOUBT", {"count": len(self.in_doubt())})
        return self.release.ask(level, who)

    # --- carrying out -------------------------------------------------------------------------------------------------

    async def carry_out(self, pressed: Pressed) -> None:
        """Do what the tap asked for. A stop of the program waits for it; nothing else can interrupt it."""
        if pressed.verdict is Press.SENDING and pressed.order is not None:
            await self._shielded(pressed.order.id, self._sender.submit(pressed.order, self._clock()))
        if pressed.verdict is Press.CANCELLING:
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
        for order in self._journal.due({State.PROPOSED, State.PENDING, State.CONFIRMED, State.WAITING}, now):
            open_still = order.state in {State.PROPOSED, State.PENDING}
            stuck = not open_still and order.id not in under_way
            if (open_still or stuck) and now >= order.expires_at + (SEND_BUDGET if stuck else timedelta()):
                try:
                    self._save(order, TimedOut(), notices=cards(order))
                except Stale:
                    continue

    def recover(self) -> None:
        """After a start: what was on its way is in doubt, what was not yet sent is over. Nothing is sent again."""
        self.situation.recovering = True
        for order in self._journal.in_state({State.CONFIRMED}):
            self._save(order, TimedOut(), notices=cards(order))
        for order in self._journal.in_state({State.WAITING}):
            event = NeverLeft("NOT_SENT") if order.code_word == "NOT_SENT" else Lost("RESTART")
            self._save(order, event, notices=cards(order))
        for order in self._journal.in_state({State.SUBMITTING}):
            self._save(order, Lost("RESTART"), notices=cards(order))
        for order in self._journal.in_state(WORKING):
            if order.cancel is CancelState.SUBMITTING:
                self._save(order, CancelStep(CancelState.UNKNOWN, "RESTART"), notices=cards(order))
        self.expire()

    def _save(
        self,
        order: Order,
        event: Event,
        *,
        who: Who | None = None,
        uses: int | None = None,
        notices: Sequence[Notice] = (),
    ) -> Order:
        after = apply(order, event, self._clock())
        self._journal.save(after, event, who=who, uses=uses, notices=notices)
        return after
