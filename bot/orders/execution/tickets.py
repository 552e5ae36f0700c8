"""Making tickets: from a request to a card with two buttons, and the same card once more where something changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from bot.orders.access.roles import Actor
from bot.orders.approvals.workflow import ApprovalWorkflow
from bot.orders.execution.pretrade_data import PretradeReader
from bot.orders.model.button import ButtonToken, KnownButton, TapAction
from bot.orders.model.events import Requoted, Warned
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
    """Puts orders before people."""

    def __init__(
        self,
        journal: Journal,
        looks: PretradeReader,
        situation: RiskContext,
        brakes: TradingHalt,
        consent: ApprovalWorkflow,
        limits_of: Callable[[int], Limits],
        *,
        clock: Callable[[], datetime],
        token: Callable[[], str],
        percent: Decimal,
    ) -> None:
        """`percent`: most of the account that may lie in one stock; 0 for any share."""
        self._journal = journal
        self._looks = looks
        self._situation = situation
        self._brakes = brakes
        self._consent = consent
        self._limits_of = limits_of
        self._percent = percent
        self._clock = clock
        self._token = token

    async def make(
        self,
        ask: OrderRequest,
        who: Actor,
        origin: int,
        parent: Order | None = None,
    ) -> Order | list[Reason]:
        """Check a request and put its ticket before the person; `parent` is the order it takes the place of.

        Raises:
            kis.errors.KisError: the market or the account could not be read; nothing was written.
        """
        known = self._journal.of_origin(origin)
        if known is not None:
            return known
        brake = self._brakes.now()
        if brake.level is HaltLevel.FREEZE:
            return [Reason("TRADING_HALTED", {"why": brake.why})]
        look = await self._looks.for_ticket(ask)
        limits = self._limits_of(who.user_id)
        now = self._clock()
        order = Order(
            id=0,
            version=1,
            state=OrderState.PROPOSED,
            **vars(ask),
            user_id=who.user_id,
            chat_id=who.chat_id,
            user_name=who.name,
            origin=origin,
            created_at=now,
            expires_at=now + timedelta(seconds=limits.ticket_seconds),
            quote=look.quote.price,
            quote_at=look.quote.at,
            quote_change=look.quote.change_rate,
            unit=0,
            reserve_unit=0,
            fee=0,
            tax=0,
            cash_after=None,
            sellable_after=None,
            act=OrderAction.NEW if parent is None else OrderAction.REVISE,
            parent=parent.id if parent is not None else None,
        )
        facts = self._situation.facts(ask, look, who.user_id, but=order)
        reasons = check(ask, facts, limits, now) or await self._position(ask, facts)
        if reasons:
            return reasons
        figures = estimate(ask, facts, limits, now)
        order = replace(
            order,
            **vars(figures),
            cautions=tuple(cautions(ask, facts, limits, now)),
            notes=tuple(notes(ask, facts, limits, now)),
        )
        order = replace(order, fingerprint=order.terms())
        if ask.side is Side.BUY and self._consent.needed(order):
            order = replace(order, held_after=await self._looks.held(ask.code) + ask.quantity)
        buttons, tokens = self._buttons(order)
        made = self._journal.add(order, buttons, [Notice("card", who.chat_id, tokens)])
        self._looks.keep(made.id, ask, made.expires_at)
        return made

    async def _position(self, ask: OrderRequest, facts: Facts) -> list[Reason]:
        """Whether too much of the account would lie in this stock; asked only where the house cares."""
        if not self._percent or ask.side is Side.SELL:
            return []
        others = self._journal.in_state(WORKING | IN_DOUBT)
        coming = sum(one.remaining for one in others if (one.code, one.side) == (ask.code, ask.side))
        return position_reasons(ask, facts, await self._looks.balance(), self._percent, coming=coming)

    def _buttons(self, order: Order) -> tuple[list[ButtonToken], dict[str, object]]:
        acts = (TapAction.CONFIRM, TapAction.DISCARD)
        made = [ButtonToken(self._token(), act, order.user_id, order.expires_at, order.terms()) for act in acts]
        return made, {str(button.action): button.token for button in made}

    def ask_again(self, order: Order, event: Requoted) -> None:
        """Put the ticket before the person once more, with the figures as they are now."""
        after = apply(order, event, self._clock())
        buttons, tokens = self._buttons(after)
        self._journal.save(after, event, buttons=buttons, notices=cards(after, **tokens))
        self._looks.keep(after.id, after.request, after.expires_at)

    def warn(self, order: Order, button: KnownButton, who: Actor) -> TapResult:
        """The first of two taps: what is unusual is shown, and another button is needed."""
        event = Warned(self._clock() + timedelta(seconds=self._limits_of(who.user_id).ticket_seconds))
        after = apply(order, event, self._clock())
        buttons, tokens = self._buttons(after)
        self._journal.save(after, event, who=who, uses=button.id, buttons=buttons, notices=cards(after, **tokens))
        self._looks.keep(after.id, after.request, after.expires_at)
        return TapResult(TapOutcome.AGAIN, after)
