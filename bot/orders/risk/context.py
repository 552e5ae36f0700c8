"""What the checks need beside the order's own figures: day totals, trading halt, orders in doubt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.orders.hours import TradingHours
from bot.orders.model.order import IN_DOUBT, Order, OrderRequest
from bot.orders.ports import Broker, Journal
from bot.orders.risk.checks import Facts
from bot.orders.risk.day_totals import day_totals
from bot.orders.risk.trading_halt import TradingHalt
from kis.models import OrderList, OrderReport, Quote, Side

_NO_LIST = OrderList(())


@dataclass(frozen=True)
class PretradeData:
    """What was read for one order."""

    quote: Quote
    buyable: int | None
    sellable: int | None
    orders: OrderList = _NO_LIST
    """Today's order list for this stock; only for a send."""
    expected: int | None = None
    """Won per share at which a market order would fill, from the order book; only for a ticket."""
    fresh: bool = False
    """Whether nothing had to be read anew."""


class RiskContext:
    """Gathers the facts of each check."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        trading_halt: TradingHalt,
        market: TradingHours,
        *,
        clock: Callable[[], datetime],
        external_orders: Callable[[], Sequence[OrderReport]],
    ) -> None:
        """`external_orders`: rows of today's list that are not ours, as last read."""
        self._broker = broker
        self._journal = journal
        self._trading_halt = trading_halt
        self._market = market
        self._clock = clock
        self._external_orders = external_orders
        self.recovering = False
        """From a start until the outcome of everything that was being sent is known."""
        self.conflicts: dict[str, None] = {}
        """Codes of passing reasons why nothing new may go out; each is removed with its cause."""

    def facts(
        self,
        request: OrderRequest,
        data: PretradeData,
        user_id: int,
        *,
        order_id: int | None = None,
        parent_id: int | None = None,
    ) -> Facts:
        """The facts for one request. Its own order and the one it revises are left out of the sums."""
        now = self._clock()
        left_out = {order_id, parent_id}
        doubts = [one for one in self._journal.in_state(IN_DOUBT) if one.id not in left_out]
        tried = [one for one in self._journal.tried_on(now.date()) if one.id not in left_out]
        parent = self._journal.get(parent_id)
        halt = self._trading_halt.now()
        open_now = self._market.open(now)
        return Facts(
            quote=data.quote,
            open_now=open_now,
            next_open=None if open_now else self._market.next_open(now),
            edge=self._market.at_edge(now),
            expected=data.expected,
            buyable=_with_parent(data.buyable, parent, won=True),
            sellable=_with_parent(data.sellable, parent, won=False),
            reserved_won=sum(one.quantity * one.reserve_unit for one in doubts if one.side is Side.BUY),
            reserved_shares=sum(one.quantity for one in doubts if one.side is Side.SELL and one.code == request.code),
            symbol_in_doubt=any(one.code == request.code for one in doubts),
            halt_level=halt.level,
            halt_why=halt.why,
            recovering=self.recovering,
            conflict=next(iter(self.conflicts), ""),
            offset=self._broker.clock_offset,
            day_totals=day_totals(request, user_id, tried, self._external_orders(), now),
        )


def _with_parent(funds: int | None, parent: Order | None, *, won: bool) -> int | None:
    """Funds plus what a revision frees: whatever its parent has reserved."""
    if funds is None or parent is None:
        return funds
    return funds + parent.remaining * (parent.reserve_unit if won else 1)
