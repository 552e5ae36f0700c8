"""The account's cash and shares: holdings, reservations for open orders, settlement."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from kis import krx
from kis.sim.exchange.orders import OrderSide

if TYPE_CHECKING:
    from datetime import date

    from kis.sim.exchange.orders import BookedOrder

FEE_RATE = Decimal("0.000142")
"""Commission as a fraction of the amount, each way."""


class Flow(NamedTuple):
    """Cash of a trade, in won, positive into the account.

    Attributes:
        traded: the day of the trade, KST.
        settles: the settlement day.
    """

    traded: date
    settles: date
    side: OrderSide
    amount: int


@dataclass(slots=True)
class Position:
    """The position in one issue.

    Attributes:
        average: won a share, without commission.
        settles: settlement day of its last trade; until then it is listed even without shares.
        bought_before, sold_before: shares traded on the trading day before today.
    """

    code: str
    quantity: int = 0
    average: Fraction = Fraction(0)
    bought: int = 0
    sold: int = 0
    bought_before: int = 0
    sold_before: int = 0
    settles: date | None = None

    @property
    def cost(self) -> int:
        """Won paid for the shares still held."""
        return int(self.average * self.quantity + Fraction(1, 2))


@dataclass(slots=True)
class Ledger:
    """One account.

    Attributes:
        deposit: won settled today (예수금, D+0).
        flows: cash not settled yet.
        reserved: won reserved for open buy orders.
        reserved_shares: shares reserved for open sell orders.
    """

    deposit: int
    today: date
    positions: dict[str, Position] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)
    reserved: dict[BookedOrder, int] = field(default_factory=dict)
    reserved_shares: dict[BookedOrder, int] = field(default_factory=dict)

    # --- cash ---------------------------------------------------------------------------------------------

    @property
    def cash(self) -> int:
        """Won once everything traded has settled (D+2)."""
        return self.deposit + sum(flow.amount for flow in self.flows)

    def cash_on(self, day: date) -> int:
        """Won that will have settled by a day."""
        return self.deposit + sum(flow.amount for flow in self.flows if flow.settles <= day)

    @property
    def buying_power(self) -> int:
        """Won available for new buy orders: unsettled sale proceeds included, reservations excluded."""
        return self.cash - sum(self.reserved.values())

    @property
    def proceeds(self) -> int:
        """Won of sales that have not settled yet."""
        return sum(flow.amount for flow in self.flows if flow.side is OrderSide.SELL)

    def fee(self, amount: int) -> int:
        """Commission on an order's whole amount, cut to the won."""
        return int(amount * FEE_RATE)

    def cost(self, amount: int) -> int:
        """Won that buying for `amount` takes, commission included."""
        return amount + self.fee(amount)

    def affordable(self) -> int:
        """The largest amount that can be bought with the buying power, in won."""
        return max(0, int(self.buying_power / (1 + FEE_RATE)))

    # --- reservations -------------------------------------------------------------------------------------

    def reserve(self, order: BookedOrder) -> None:
        """Reserves what the open part of an order may need: cash for a buy, shares for a sale."""
        if order.open == 0:
            self.reserved.pop(order, None)
            self.reserved_shares.pop(order, None)
        elif order.side is OrderSide.BUY:
            self.reserved[order] = self._cash_for(order, order.open)
        else:
            self.reserved_shares[order] = order.open

    def released_by(self, order: BookedOrder, quantity: int) -> int:
        """Won that closing part of a buy order releases."""
        return self._cash_for(order, order.open) - self._cash_for(order, order.open - quantity)

    def _cash_for(self, order: BookedOrder, quantity: int) -> int:
        done = order.filled_amount
        return self.cost(done + quantity * order.ceiling) - self.cost(done)

    def held(self, code: str) -> int:
        """Shares held."""
        position = self.positions.get(code)
        return position.quantity if position else 0

    def sellable(self, code: str) -> int:
        """Shares held and not reserved for an open sale."""
        return self.held(code) - sum(n for order, n in self.reserved_shares.items() if order.code == code)

    # --- trades -------------------------------------------------------------------------------------------

    def book(self, order: BookedOrder, quantity: int, price: int, *, etf: bool) -> tuple[int, int]:
        """Books a fill (shares, unsettled cash, the remaining reservation); returns its commission and tax in won.

        Both are calculated on the order's cumulative amount, so that many fills cost as much as one.
        """
        amount = quantity * price
        order.filled += quantity
        order.filled_amount += amount
        fee = self.fee(order.filled_amount) - order.fee
        order.fee += fee
        tax = 0
        position = self.positions.setdefault(order.code, Position(order.code))
        if order.side is OrderSide.BUY:
            paid = position.average * position.quantity + amount
            position.quantity += quantity
            position.average = paid / position.quantity
            position.bought += quantity
            flow = -amount - fee
        else:
            rate = krx.sell_tax_rate(self.today, etf=etf)
            tax = int(order.filled_amount * rate) - order.tax
            order.tax += tax
            position.quantity -= quantity
            position.sold += quantity
            flow = amount - fee - tax
        position.settles = krx.settlement_day(self.today)
        self.flows.append(Flow(self.today, position.settles, order.side, flow))
        self.reserve(order)
        return fee, tax

    def start_day(self, today: date) -> None:
        """Starts a day: settled cash becomes deposit, day counters restart, empty positions are removed."""
        self.today = today
        self.deposit = self.cash_on(today)
        self.flows = [flow for flow in self.flows if flow.settles > today]
        for position in list(self.positions.values()):
            position.bought_before, position.sold_before = position.bought, position.sold
            position.bought = position.sold = 0
            if position.quantity == 0 and (position.settles is None or position.settles <= today):
                del self.positions[position.code]
