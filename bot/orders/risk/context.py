"""What the rules ask about beside the order's own figures: the day so far, the brakes, the doubts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.orders.model.order import IN_DOUBT, Order, OrderRequest
from bot.orders.ports import Broker, Journal, MarketHours
from bot.orders.risk.checks import Facts
from bot.orders.risk.day_totals import past
from bot.orders.risk.trading_halt import TradingHalt
from kis.models import OrderReport, Quote, Side


@dataclass(frozen=True)
class PretradeData:
    """What was read for one order, and since when it may be out of date."""

    quote: Quote
    buyable: int | None
    sellable: int | None
    rows: tuple[OrderReport, ...] = ()
    """Today's list for the order's code; only for a send."""
    expected: int | None = None
    """Won per share at which a market order would fill, from the order book; only for a ticket."""
    fresh: bool = False
    """Whether all of it was there already."""


class RiskContext:
    """How things stand, asked anew for every check."""

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        brakes: TradingHalt,
        market: MarketHours,
        *,
        clock: Callable[[], datetime],
        elsewhere: Callable[[], Sequence[OrderReport]] = tuple,
    ) -> None:
        """`elsewhere`: rows of today's list that are not ours, as last read."""
        self._broker = broker
        self._journal = journal
        self._brakes = brakes
        self._market = market
        self._clock = clock
        self._elsewhere = elsewhere
        self.recovering = False
        """From a start until it is known what became of everything that was on its way."""
        self.conflicts: dict[str, None] = {}
        """Why nothing new may go out for now, by code; each goes away when its cause does."""

    def facts(self, ask: OrderRequest, look: PretradeData, user_id: int, *, but: Order | None = None) -> Facts:
        """What the rules need. `but`: the order itself, which is none of its own past; its parent goes with it."""
        now = self._clock()
        left_out = {but.id, but.parent} if but is not None else set()
        doubts = [one for one in self._journal.in_state(IN_DOUBT) if one.id not in left_out]
        tried = [one for one in self._journal.tried_on(now.date()) if one.id not in left_out]
        parent = self._journal.get(but.parent) if but is not None and but.parent is not None else None
        brake = self._brakes.now()
        open_now = self._market.open(now)
        return Facts(
            quote=look.quote,
            open_now=open_now,
            next_open=None if open_now else self._market.next_open(now),
            edge=self._market.at_edge(now),
            expected=look.expected,
            buyable=_more(look.buyable, parent, won=True),
            sellable=_more(look.sellable, parent, won=False),
            reserved_won=sum(one.quantity * one.reserve_unit for one in doubts if one.side is Side.BUY),
            reserved_shares=sum(one.quantity for one in doubts if one.side is Side.SELL and one.code == ask.code),
            symbol_in_doubt=any(one.code == ask.code for one in doubts),
            brake=brake.level,
            brake_why=brake.why,
            recovering=self.recovering,
            conflict=next(iter(self.conflicts), ""),
            offset=self._broker.clock_offset,
            past=past(ask, user_id, tried, self._elsewhere(), now),
        )


def _more(means: int | None, parent: Order | None, *, won: bool) -> int | None:
    """A revision frees what its parent has set aside."""
    if means is None or parent is None:
        return means
    return means + parent.remaining * (parent.reserve_unit if won else 1)
