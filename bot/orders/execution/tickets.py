"""Order tickets: a checked request becomes a card with two buttons, shown again where its figures changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from bot.orders.access.roles import Actor
from bot.orders.approvals.workflow import ApprovalWorkflow
from bot.orders.execution.pretrade_data import PretradeReader
from bot.orders.model.button import ButtonToken, KnownButton, TapAction
from bot.orders.model.events import Event, Requoted, Warned
from bot.orders.model.notice import Notice, cards
from bot.orders.model.order import IN_DOUBT, WORKING, Order, OrderAction, OrderRequest, OrderState, apply
from bot.orders.model.reason import Reason
from bot.orders.model.tap_result import TapOutcome, TapResult
from bot.orders.ports import Journal
from bot.orders.risk.checks import Facts, Limits, cautions, check, estimate, notes
from bot.orders.risk.concentration import position_reasons
from bot.orders.risk.context import RiskContext
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from kis.models import Side


class Tickets:
    """Creates tickets and brings them up to date."""

    def __init__(
        self,
        journal: Journal,
        pretrade: PretradeReader,
        risk_context: RiskContext,
        trading_halt: TradingHalt,
        approvals: ApprovalWorkflow,
        limits_of: Callable[[int], Limits],
        *,
        clock: Callable[[], datetime],
        token: Callable[[], str],
        position_percent: Decimal,
    ) -> None:
        """`position_percent`: most of the account that may lie in one stock; 0 for any share."""
        self._journal = journal
        self._pretrade = pretrade
        self._risk_context = risk_context
        self._trading_halt = trading_halt
        self._approvals = approvals
        self._limits_of = limits_of
        self._position_percent = position_percent
        self._clock = clock
        self._token = token

    async def make(
        self, request: OrderRequest, actor: Actor, origin: int, parent: Order | None = None
    ) -> Order | list[Reason]:
        """Check a request and show its ticket to the person; `parent` is the order a revision replaces.

        `KisError` if the market or the account could not be read; nothing was written.
        """
        known = self._journal.of_origin(origin)
        if known is not None:
            return known
        halt = self._trading_halt.now()
        if halt.level is HaltLevel.FREEZE:
            return [Reason("TRADING_HALTED", {"why": halt.why})]
        data = await self._pretrade.for_ticket(request)
        limits = self._limits_of(actor.user_id)
        now = self._clock()
        parent_id = parent.id if parent is not None else None
        facts = self._risk_context.facts(request, data, actor.user_id, parent_id=parent_id)
        reasons = check(request, facts, limits, now) or await self._position(request, facts)
        if reasons:
            return reasons
        order = Order(
            id=0,
            version=1,
            state=OrderState.PROPOSED,
            **vars(request),
            **vars(_quoted(request, facts, limits, now)),
            user_id=actor.user_id,
            chat_id=actor.chat_id,
            user_name=actor.name,
            origin=origin,
            created_at=now,
            notes=tuple(notes(request, facts, limits, now)),
            act=OrderAction.NEW if parent is None else OrderAction.REVISE,
            parent=parent_id,
        )
        order = replace(order, fingerprint=order.terms())
        if request.side is Side.BUY and self._approvals.needed(order):
            order = replace(order, held_after=await self._pretrade.held(request.code) + request.quantity)
        buttons, tokens = self._buttons(order)
        made = self._journal.add(order, buttons, [Notice("card", actor.chat_id, {"secrets": tokens})])
        self._pretrade.keep(made.id, request, made.expires_at)
        return made

    async def _position(self, request: OrderRequest, facts: Facts) -> list[Reason]:
        """Whether too much of the account would lie in this stock; reads the balance only where that is limited."""
        if not self._position_percent or request.side is Side.SELL:
            return []
        others = self._journal.in_state(WORKING | IN_DOUBT)
        coming = sum(one.remaining for one in others if (one.code, one.side) == (request.code, request.side))
        return position_reasons(request, facts, await self._pretrade.balance(), self._position_percent, coming=coming)

    def _buttons(self, order: Order) -> tuple[list[ButtonToken], dict[str, object]]:
        acts = (TapAction.CONFIRM, TapAction.DISCARD)
        made = [ButtonToken(self._token(), act, order.user_id, order.expires_at, order.terms()) for act in acts]
        return made, {str(button.action): button.token for button in made}

    def requote(self, order: Order, facts: Facts, now: datetime) -> None:
        """Show the ticket once more, with the figures as they are now."""
        self._show_again(order, _quoted(order.request, facts, self._limits_of(order.user_id), now))

    def warn(self, order: Order, button: KnownButton, actor: Actor) -> TapResult:
        """The first of two taps: show what is unusual, with new buttons."""
        warned = Warned(self._clock() + timedelta(seconds=self._limits_of(actor.user_id).ticket_seconds))
        return TapResult(TapOutcome.AGAIN, self._show_again(order, warned, actor, button.id))

    def _show_again(self, order: Order, event: Event, actor: Actor | None = None, uses: int | None = None) -> Order:
        after = apply(order, event, self._clock())
        buttons, tokens = self._buttons(after)
        self._journal.save(after, event, actor=actor, uses=uses, buttons=buttons, notices=cards(after, secrets=tokens))
        self._pretrade.keep(after.id, after.request, after.expires_at)
        return after


def _quoted(request: OrderRequest, facts: Facts, limits: Limits, now: datetime) -> Requoted:
    """The figures that a ticket shows; those of the first one are fields of its order, too."""
    return Requoted(
        quote=facts.quote.price,
        quote_at=facts.quote.at,
        quote_change=facts.quote.change_rate,
        **vars(estimate(request, facts, limits, now)),
        expires_at=now + timedelta(seconds=limits.ticket_seconds),
        cautions=tuple(cautions(request, facts, limits, now)),
    )
