"""Asks other people to approve an order and counts their votes.

A request expires with its session and is never approved by time. Approvers see what the proposer saw, and the position
and the day's total beside it. Before the order is sent, the votes are counted again among those who may vote then.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from bot.orders.access.roles import Actor, Person, Roster
from bot.orders.approvals.policy import ApprovalPolicy, value_of
from bot.orders.hours import TradingHours
from bot.orders.model.button import ButtonToken, KnownButton, TapAction
from bot.orders.model.events import ApprovalRequested, Deputised, Voided, Voted
from bot.orders.model.notice import Notice, card
from bot.orders.model.order import ON_ITS_WAY, Order, OrderState, Vote, apply
from bot.orders.model.tap_result import TapOutcome, TapResult
from bot.orders.ports import Journal, Stale
from bot.orders.risk.day_totals import UNCOUNTED, day_totals
from kis.models import Side

log = structlog.get_logger(__name__)

OUTSTANDING = ON_ITS_WAY | {OrderState.PENDING}
"""Orders that were confirmed and are not at the broker yet: they count as if they were."""


class ApprovalWorkflow:
    """Carries out the approval policy."""

    def __init__(
        self,
        journal: Journal,
        roster: Roster,
        policy: ApprovalPolicy,
        market: TradingHours,
        *,
        clock: Callable[[], datetime],
        token: Callable[[], str],
    ) -> None:
        self._journal = journal
        self._roster = roster
        self.policy = policy
        self._market = market
        self._clock = clock
        self._token = token

    def day_value(self, order: Order) -> int:
        """Won this person will have ordered today with this order; orders being sent count already."""
        now = self._clock()
        tried = [one for one in self._journal.tried_on(now.date()) if one.id != order.id]
        counted = {one.id for one in tried if one.state not in UNCOUNTED}
        waiting = [one for one in self._journal.in_state(OUTSTANDING) if one.id not in counted and one.id != order.id]
        done = day_totals(order.request, order.user_id, tried, (), now).user_value
        return done + sum(value_of(one) for one in waiting if one.user_id == order.user_id) + value_of(order)

    def needed(self, order: Order) -> int:
        """How many others must agree to this order now."""
        return self.policy.needed(value_of(order), self.day_value(order), order.side)

    # --- asking -------------------------------------------------------------------------------------------------------

    def request(self, order: Order, needed: int, button: KnownButton, actor: Actor) -> TapResult:
        """Ask the approvers; `Stale` if somebody else changed the order first."""
        now = self._clock()
        voters = self._voters(order)
        if len(voters) < needed:
            gone = Voided("NO_APPROVERS")
            after = apply(order, gone, now)
            self._journal.save(after, gone, actor=actor, uses=button.id, notices=[card(after)])
            return TapResult(TapOutcome.SETTLED, after)
        held = order.sellable_after if order.side is Side.SELL else order.held_after
        event = ApprovalRequested(
            needed=needed,
            expires_at=self._market.closes(now),
            asked=_chats(voters),
            held_after=held if held is not None else order.quantity,
            day_after=self.day_value(order),
        )
        after = apply(order, event, now)
        buttons, notices = self._cards(after, ())
        self._journal.save(after, event, actor=actor, uses=button.id, buttons=buttons, notices=notices)
        return TapResult(TapOutcome.PENDING, after)

    def _voters(self, order: Order) -> list[Person]:
        return self.policy.voters(self._roster.all(), order, self._clock())

    def _cards(self, order: Order, votes: Sequence[Vote]) -> tuple[list[ButtonToken], list[Notice]]:
        """The order's card for everybody it concerns; approvers who have not voted get the two buttons."""
        voted = {vote.user_id for vote in votes if vote.round == order.round}
        withdraw = ButtonToken(self._token(), TapAction.DISCARD, order.user_id, order.expires_at, order.terms())
        buttons, notices = [withdraw], [card(order, secrets={"withdraw": withdraw.token})]
        open_to = {one.user_id for one in self._voters(order)} - voted if order.state is OrderState.PENDING else set()
        for chat in order.asked:
            data: dict[str, object] = {"order": order.id}
            if chat in open_to:
                pair = [
                    ButtonToken(self._token(), act, chat, order.expires_at, order.terms())
                    for act in (TapAction.APPROVE, TapAction.DENY)
                ]
                buttons += pair
                data["secrets"] = {str(one.action): one.token for one in pair}
            notices.append(Notice("card", chat, data))
        return buttons, notices

    # --- voting -------------------------------------------------------------------------------------------------------

    def vote(self, order: Order, button: KnownButton, actor: Actor) -> TapResult:
        """Take a vote; the last one needed confirms the order. `Stale` if the order changed or they have voted."""
        now = self._clock()
        person = self._roster.get(actor.user_id)
        if person is None or not self.policy.may_vote(person, order, now):
            log.warning("a vote that does not count", order=order.id, user=actor.user_id)
            return TapResult(TapOutcome.NOT_YOURS, order)
        if order.state is not OrderState.PENDING:
            return TapResult(TapOutcome.USED, order)
        approve = button.action is TapAction.APPROVE
        event = Voted(actor.user_id, person.name or actor.name, approve)
        vote = Vote(order.id, order.round, actor.user_id, event.name, approve, now)
        after = apply(order, event, now)
        buttons, notices = self._cards(after, [*self._journal.votes(order.id), vote])
        self._journal.save(after, event, actor=actor, uses=button.id, vote=vote, buttons=buttons, notices=notices)
        if after.state is OrderState.CONFIRMED:
            return TapResult(TapOutcome.SENDING, after)
        return TapResult(TapOutcome.VOTED, after)

    def deputise(self) -> None:
        """Ask deputies too where a request has stood for longer than the policy says."""
        now = self._clock()
        for order in self._journal.in_state({OrderState.PENDING}):
            chats = _chats(self._voters(order))
            if order.terms() != order.fingerprint:
                continue  # the stored terms were edited: nobody is asked about it
            if not self.policy.deputies(order, now) or set(chats) <= set(order.asked):
                continue
            event = Deputised(chats)
            after = apply(order, event, now)
            buttons, notices = self._cards(after, self._journal.votes(order.id))
            try:
                self._journal.save(after, event, buttons=buttons, notices=notices)
            except Stale:
                continue

    def lacks(self, order: Order) -> str:
        """Code of why an order may not be sent for want of approvals, or empty. Asked just before it is sent."""
        proposer = self._roster.get(order.user_id)
        if proposer is None or not proposer.may_trade:
            return "PERSON_GONE"
        needed = max(order.needed, self.policy.needed(value_of(order), 0, order.side))
        if not needed:
            return ""
        votes = self._journal.votes(order.id)
        if any(vote.round == order.round and not vote.approve for vote in votes):
            return "QUORUM"
        return "" if self.policy.standing(votes, self._roster.all(), order, self._clock()) >= needed else "QUORUM"


def _chats(people: Sequence[Person]) -> tuple[int, ...]:
    return tuple(one.user_id for one in people)
