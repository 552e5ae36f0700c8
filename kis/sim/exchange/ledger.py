"""The account's money and shares: what is owned, what is promised to open orders, what settles when."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from kis import krx
from kis.sim.exchange.orders import OrderSide

if TYPE_CHECKING:
    from datetime import date

    from kis.sim.exchange.orders import BookedOrder

FEE_RATE = Decimal("0.000142")
"""Commission as a fraction of the amount, each way: 10,000,000 won buy 9,998,580 won of shares."""


class Flow(NamedTuple):
    """Money that moves: won, positive into the account.

    Attributes:
        traded: the day of the trade, KST.
        settles: the day the money moves, the second trading day after it.
    """

    traded: date
    settles: date
    side: OrderSide
    amount: int


@dataclass(slots=True)
class Position:
    """What is held of one issue.

    Attributes:
        average: won a share, commission left out.
        settles: when the last trade of it settles; until then it is listed even with no share left.
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
    def average_price(self) -> Decimal:
        """The average price as KIS writes it, four decimals."""
        exact = Decimal(self.average.numerator) / Decimal(self.average.denominator)
        return exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)

    @property
    def cost(self) -> int:
        """Won paid for the shares still held."""
        return int(self.average * self.quantity + Fraction(1, 2))


@dataclass(slots=True)
class Ledger:
    """One account.

    Attributes:
        deposit: won settled today (예수금, D+0).
        flows: money under way.
    """

    deposit: int
    today: date
    fee_rate: Decimal = FEE_RATE
    positions: dict[str, Position] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)
    reserved: dict[BookedOrder, int] = field(default_factory=dict)
    promised: dict[BookedOrder, int] = field(default_factory=dict)

    # --- money --------------------------------------------------------------------------------------------

    @property
    def cash(self) -> int:
        """Won once everything traded has settled (D+2)."""
        return self.deposit + sum(flow.amount for flow in self.flows)

    def cash_on(self, day: date) -> int:
        """Won that will have settled by a day."""
        return self.deposit + sum(flow.amount for flow in self.flows if flow.settles <= day)

    @property
    def buying_power(self) -> int:
        """Won free for new buy orders, sale proceeds under way included, promises to open orders left out."""
        return self.cash - sum(self.reserved.values())

    @property
    def proceeds(self) -> int:
        """Won of sales that have not settled yet."""
        return sum(flow.amount for flow in self.flows if flow.side is OrderSide.SELL)

    def fee(self, amount: int) -> int:
        """Commission on an order's whole amount, cut to the won."""
        return int(amount * self.fee_rate)

    def cost(self, amount: int) -> int:
        """Won that buying for `amount` takes, commission included."""
        return amount + self.fee(amount)

    def affordable(self) -> int:
        """The largest amount that can be bought with the buying power, in won."""
        return max(0, int(self.buying_power / (1 + self.fee_rate)))

    # --- promises -----------------------------------------------------------------------------------------

    def promise(self, order: BookedOrder) -> None:
        """Set aside what the open part of an order may need: money for a buy, shares for a sale."""
        if order.open == 0:
            self.reserved.pop(order, None)
            self.promised.pop(order, None)
        elif order.side is OrderSide.BUY:
            self.reserved[order] = self._reserve(order, order.open)
        else:
            self.promised[order] = order.open

    def freed(self, order: BookedOrder, quantity: int) -> int:
        """Won that closing part of a buy order would set free."""
        return self._reserve(order, order.open) - self._reserve(order, order.open - quantity)

    def _reserve(self, order: BookedOrder, quantity: int) -> int:
        done = order.filled_amount
        return self.cost(done + quantity * order.ceiling) - self.cost(done)

    def need(self, quantity: int, ceiling: int) -> int:
        """Won a buy order of this size sets aside."""
        return self.cost(quantity * ceiling)

    def held(self, code: str) -> int:
        """Shares held."""
        position = self.positions.get(code)
        return position.quantity if position else 0

    def sellable(self, code: str) -> int:
        """Shares held and not promised to an open sale."""
        return self.held(code) - sum(n for order, n in self.promised.items() if order.code == code)

    # --- trades -------------------------------------------------------------------------------------------

    def book(self, order: BookedOrder, quantity: int, price: int, *, etf: bool) -> tuple[int, int]:
        """Enter a fill of an order: shares move, money is under way, promises shrink.

        Fee and tax count on the order's cumulative amount, so that many small fills cost what one would.

        Returns:
            Commission and tax of this fill in won.
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
        self.promise(order)
        return fee, tax

    def turn(self, today: date) -> None:
        """A new day: money that has arrived becomes deposit, counters start again, empty lines go."""
        self.today = today
        self.deposit = self.cash_on(today)
        self.flows = [flow for flow in self.flows if flow.settles > today]
        for position in list(self.positions.values()):
            position.bought_before, position.sold_before = position.bought, position.sold
            position.bought = position.sold = 0
            if position.quantity == 0 and (position.settles is None or position.settles <= today):
                del self.positions[position.code]
