"""The order desk: propose, press, carry out, cancel. Beside `watch`, the only code that changes an order.

Every change is a compare-and-swap in the journal, in one transaction with what people will be told of it. Nothing is
awaited inside a transaction, and one order at a time is on its way to the broker.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from bot.orders.events import (
    Accepted,
    Blocked,
    CancelState,
    CancelStep,
    Claimed,
    Confirmed,
    Discarded,
    Disowned,
    Event,
    Lost,
    NeverLeft,
    Refused,
    Requoted,
    Submitting,
    TimedOut,
)
from bot.orders.model import IN_DOUBT, WORKING, Order, OrderRequest, State, Who, apply
from bot.orders.people import Role
from bot.orders.ports import Broker, Button, Journal, KnownButton, Notice, Stale, card, digest, new_token
from bot.orders.reconcile import Attempt
from bot.orders.rules import Facts, Limits, Reason, check, estimate, moved
from kis import errors
from kis.models import Side

log = structlog.get_logger(__name__)

SEND_BUDGET = timedelta(seconds=10)
"""From tap to wire. Later than this the person is asked again: the market they saw is gone."""
DRAIN_SECONDS = 15.0
"""How long a stop waits for orders on their way."""


class Press(StrEnum):
    """What a tap came to, at once; the rest follows in the chat."""

    SENDING = "sending"
    DISCARDED = "discarded"
    CANCELLING = "cancelling"
    SETTLED = "settled"
    NOT_YOURS = "not_yours"
    LATE = "late"
    USED = "used"
    GONE = "gone"


@dataclass(frozen=True)
class Pressed:
    """The tap's verdict and, where something remains to be done, the order it concerns."""

    verdict: Press
    order: Order | None = None


class Desk:
    """One account's order desk."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        *,
        clock: Callable[[], datetime],
        market_open: Callable[[datetime], bool],
        next_open: Callable[[datetime], datetime],
        limits: Limits,
        wake: Callable[[], None],
        token: Callable[[], str] = new_token,
    ) -> None:
        self._broker = broker
        self._journal = journal
        self._clock = clock
        self._market_open = market_open
        self._next_open = next_open
        self._limits = limits
        self._wake = wake
        self._token = token
        self._one_at_a_time = asyncio.Lock()
        self._on_their_way: set[asyncio.Task[None]] = set()
        self.held = ""
        """Why nothing new may be sent, or empty. Cancels and reads always work."""

    # --- a ticket -----------------------------------------------------------------------------------------------------

    async def propose(self, ask: OrderRequest, who: Who, origin: int) -> Order | list[Reason]:
        """Check a request and put its ticket before the person; `origin` (the update's id) makes it happen once.

        Raises:
            kis.errors.KisError: the market or the account could not be read; nothing was written.
        """
        known = self._journal.of_origin(origin)
        if known is not None:
            return known
        facts = await self._facts(ask)
        now = self._clock()
        reasons = check(ask, facts, self._limits, now)
        if reasons:
            return reasons
        figures = estimate(ask, facts, self._limits, now)
        order = Order(
            id=0,
            version=1,
            state=State.PROPOSED,
            **vars(ask),
            user_id=who.user_id,
            chat_id=who.chat_id,
            user_name=who.name,
            origin=origin,
            created_at=now,
            expires_at=now + timedelta(seconds=self._limits.ticket_seconds),
            quote=facts.quote.price,
            quote_at=facts.quote.at,
            quote_change=facts.quote.change_rate,
            **vars(figures),
        )
        buttons, tokens = self._buttons(order)
        return self._journal.add(order, buttons, [Notice("card", who.chat_id, tokens)])

    def _buttons(self, order: Order) -> tuple[list[Button], dict[str, object]]:
        made = [Button(self._token(), act, order.user_id, order.expires_at) for act in ("confirm", "discard")]
        return made, {button.action: button.token for button in made}

    def cancel_token(self, order: Order, who: Who) -> str:
        """A single-use key with which this person may cancel this order during the next hour."""
        button = Button(self._token(), "cancel", who.user_id, self._clock() + timedelta(hours=1))
        self._journal.add_buttons(order.id, [button])
        return button.token

    async def _facts(self, ask: OrderRequest, *, but: int = 0) -> Facts:
        means = self._buyable(ask) if ask.side is Side.BUY else self._sellable(ask)
        quote, have = await asyncio.gather(self._broker.price(ask.code), means)
        now = self._clock()
        open_now = self._market_open(now)
        return Facts(
            quote=quote,
            open_now=open_now,
            next_open=None if open_now else self._next_open(now),
            buyable=have if ask.side is Side.BUY else None,
            sellable=have if ask.side is Side.SELL else None,
            symbol_in_doubt=any(one.code == ask.code and one.id != but for one in self._journal.in_state(IN_DOUBT)),
            held=self.held,
        )

    async def _buyable(self, ask: OrderRequest) -> int:
        return (await self._broker.buying_power(ask.code, price=ask.price, kind=ask.kind)).amount

    async def _sellable(self, ask: OrderRequest) -> int:
        holdings = (await self._broker.balance()).holdings
        return sum(one.sellable for one in holdings if one.code == ask.code)

    # --- a tap --------------------------------------------------------------------------------------------------------

    def press(self, token: str, who: Who) -> Pressed:  # noqa: PLR0911  # one verdict per case
        """Judge a tap and write it down, at once and without the broker; `carry_out` does the rest."""
        found = self._journal.button(digest(token))
        order = self._journal.get(found.order_id) if found else None
        if found is None or order is None:
            return Pressed(Press.GONE)
        if found.user_id != who.user_id:
            log.warning("tap by another person", order=order.id, user=who.user_id)
            return Pressed(Press.NOT_YOURS)
        if found.used:
            return Pressed(Press.USED)
        now = self._clock()
        if now >= found.expires_at:
            self.expire()
            return Pressed(Press.LATE)
        try:
            if found.action == "cancel":
                return self.request_cancel(order, who, uses=found.id)
            if found.action.startswith("claim:"):
                return self._claim(order, found, who)
            event = Confirmed() if found.action == "confirm" else Discarded()
            if order.state is not State.PROPOSED:
                return Pressed(Press.USED)
            after = self._save(order, event, who=who, uses=found.id, notices=[card(order)])
        except Stale:
            return Pressed(Press.USED)
        return Pressed(Press.SENDING if found.action == "confirm" else Press.DISCARDED, after)

    def _claim(self, order: Order, button: KnownButton, who: Who) -> Pressed:
        """A person has said which row of the broker's list the lost order is, or that it is none of them."""
        if order.state not in {State.UNKNOWN, State.ABSENT}:
            return Pressed(Press.USED)
        _, *row = button.action.split(":")
        event = Disowned() if row == ["none"] else Claimed(*row)
        after = self._save(order, event, who=who, uses=button.id, notices=[card(order)])
        self._wake()
        return Pressed(Press.SETTLED, after)

    def request_cancel(self, order: Order, who: Who, *, uses: int | None = None) -> Pressed:
        """Write down that this person wants the order cancelled; `carry_out` asks the broker."""
        if order.state not in WORKING or order.cancel in {CancelState.SUBMITTING, CancelState.ASKED}:
            return Pressed(Press.USED, order)
        try:
            after = self._save(order, CancelStep(CancelState.SUBMITTING), who=who, uses=uses, notices=[card(order)])
        except Stale:
            return Pressed(Press.USED, order)
        return Pressed(Press.CANCELLING, after)

    def may_cancel(self, order: Order, who: Who) -> bool:
        """One's own orders, and an owner everybody's."""
        return who.role.covers(Role.OWNER) or (order.user_id == who.user_id and who.role.covers(Role.TRADER))

    def cancel_number(self, order_no: str, who: Who) -> Pressed:
        """Ask to cancel the order of this number at the broker."""
        order = self._journal.of_number(order_no)
        if order is None:
            return Pressed(Press.GONE)
        if not self.may_cancel(order, who):
            return Pressed(Press.NOT_YOURS, order)
        return self.request_cancel(order, who)

    def working(self) -> list[Order]:
        """Orders at the broker that can still fill, oldest first."""
        return self._journal.in_state(WORKING)

    def in_doubt(self) -> list[Order]:
        """Orders of which it is not known whether the broker has them."""
        return self._journal.in_state(IN_DOUBT)

    async def carry_out(self, pressed: Pressed) -> None:
        """Do what the tap asked for. A stop of the program waits for it; nothing else can interrupt it."""
        if pressed.order is None or pressed.verdict not in {Press.SENDING, Press.CANCELLING}:
            return
        act = self._submit if pressed.verdict is Press.SENDING else self._cancel
        task = asyncio.get_running_loop().create_task(act(pressed.order))
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)
        await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for the orders on their way, as long as a stop may take."""
        if self._on_their_way:
            await asyncio.wait(self._on_their_way, timeout=DRAIN_SECONDS)

    # --- to the wire --------------------------------------------------------------------------------------------------

    async def _submit(self, order: Order) -> None:
        tapped = self._clock()
        async with self._one_at_a_time:
            ready = await self._last_look(order, tapped)
            if ready is None:
                return
            order, baseline = ready
            now = self._clock()
            attempt = Attempt(order.id, order.attempt + 1, now, baseline)
            order = self._save(order, Submitting(attempt.n, now), attempt=attempt, notices=[card(order)])
            event = await self._send(order)
            self._save(order, event, notices=[card(order)])
        self._wake()

    async def _last_look(self, order: Order, tapped: datetime) -> tuple[Order, frozenset[str]] | None:
        """Read again what the ticket was made from; None when the order stops here, and its card says why."""
        ask = OrderRequest(order.side, order.code, order.name, order.etf, order.quantity, order.kind, order.price)
        try:
            facts, rows = await asyncio.gather(
                self._facts(ask, but=order.id), self._broker.executions(self._clock().date(), code=order.code)
            )
        except errors.KisError as error:
            self._save(order, Blocked("BROKER_UNREADABLE", error.message), notices=[card(order)])
            return None
        except Exception:  # nothing was sent yet, and after a fault of ours nothing is
            log.exception("order stopped before it was sent", order=order.id)
            self._save(order, Blocked("INTERNAL"), notices=[card(order)])
            return None
        now = self._clock()
        reasons = check(ask, facts, self._limits, now)
        if reasons:
            self._save(order, Blocked(reasons[0].code), notices=[card(order, reasons=_plain(reasons))])
            return None
        if moved(order.quote, facts.quote.price, self._limits.requote_percent):
            self._ask_again(order, ask, facts, now)
            return None
        if now - tapped > SEND_BUDGET:
            self._save(order, TimedOut(), notices=[card(order)])
            return None
        return order, frozenset(row.order_no for row in rows)

    def _ask_again(self, order: Order, ask: OrderRequest, facts: Facts, now: datetime) -> None:
        event = Requoted(
            quote=facts.quote.price,
            quote_at=facts.quote.at,
            quote_change=facts.quote.change_rate,
            expires_at=now + timedelta(seconds=self._limits.ticket_seconds),
            **vars(estimate(ask, facts, self._limits, now)),
        )
        after = apply(order, event, now)
        buttons, tokens = self._buttons(after)
        self._journal.save(after, event, buttons=buttons, notices=[card(after, **tokens)])

    async def _send(self, order: Order) -> Event:
        """One order to the wire and what became of it: placed, not placed, or not known."""
        try:
            placed = await self._broker.place(
                order.side, order.code, order.quantity, price=order.price, kind=order.kind
            )
        except errors.Refused as error:
            return Refused(error.code or "", error.message)
        except errors.NotSent as error:
            return NeverLeft(error.code or "NOT_SENT")
        except errors.Unknown as error:
            log.warning("order outcome unknown", order=order.id, code=error.code)
            return Lost(error.code or "NO_ANSWER")
        except Exception:  # whatever it was, the request may have arrived
            log.exception("order outcome unknown", order=order.id)
            return Lost("INTERNAL")
        return Accepted(placed.order_no, placed.branch, placed.time)

    async def _cancel(self, order: Order) -> None:
        async with self._one_at_a_time:
            try:
                await self._broker.cancel(order.order_no, branch=order.branch, kind=order.kind)
                step = CancelStep(CancelState.ASKED)
            except errors.Refused as error:
                step = CancelStep(CancelState.REFUSED, error.code or "", error.message)
            except errors.NotSent as error:
                step = CancelStep(CancelState.NONE, error.code or "NOT_SENT")
            except errors.KisError as error:
                step = CancelStep(CancelState.UNKNOWN, error.code or "NO_ANSWER")
            except Exception:  # as for an order: it may have arrived
                log.exception("cancel outcome unknown", order=order.id)
                step = CancelStep(CancelState.UNKNOWN, "INTERNAL")
            self._settle_cancel(order.id, step)
        self._wake()

    def _settle_cancel(self, order_id: int, step: CancelStep) -> None:
        """The list may have told the outcome first: then the answer to the request is no news."""
        order = self._journal.get(order_id)
        while order is not None and order.state in WORKING:
            try:
                self._save(order, step, notices=[card(order)])
            except Stale:
                order = self._journal.get(order_id)
            else:
                return

    # --- housekeeping -------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """End every ticket whose time is up: its buttons die and its message says so."""
        now = self._clock()
        for order in self._journal.in_state({State.PROPOSED}):
            if now >= order.expires_at:
                try:
                    self._save(order, TimedOut(), notices=[card(order)])
                except Stale:
                    continue

    def recover(self) -> None:
        """After a start: what was on its way is in doubt, what was not yet sent is over. Nothing is sent again."""
        for order in self._journal.in_state({State.CONFIRMED}):
            self._save(order, TimedOut(), notices=[card(order)])
        for order in self._journal.in_state({State.SUBMITTING}):
            self._save(order, Lost("RESTART"), notices=[card(order)])
        for order in self._journal.in_state(WORKING):
            if order.cancel is CancelState.SUBMITTING:
                self._save(order, CancelStep(CancelState.UNKNOWN, "RESTART"), notices=[card(order)])
        self.expire()

    def _save(
        self,
        order: Order,
        event: Event,
        *,
        who: Who | None = None,
        uses: int | None = None,
        attempt: Attempt | None = None,
        notices: Sequence[Notice] = (),
    ) -> Order:
        after = apply(order, event, self._clock())
        self._journal.save(after, event, who=who, uses=uses, attempt=attempt, notices=notices)
        return after


def _plain(reasons: Sequence[Reason]) -> list[dict[str, object]]:
    """Reasons as the notice keeps them: plain values that survive the outbox."""
    return [
        {
            "code": one.code,
            "values": {k: v.isoformat() if isinstance(v, datetime) else v for k, v in one.values.items()},
        }
        for one in reasons
    ]
