"""The simulated broker and exchange: orders in, fills out; clock and random numbers are handed in."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from kis import krx
from kis.sim.exchange.events import OrderUpdate, UpdateKind
from kis.sim.exchange.ledger import Ledger, Position
from kis.sim.exchange.market import Market
from kis.sim.exchange.orders import (
    API_CHANNEL,
    Action,
    BookedOrder,
    Fill,
    OrderDivision,
    OrderRejected,
    OrderSide,
    RejectReason,
)
from kis.sim.exchange.prices import listed

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date, datetime

    from kis.sim.exchange.events import ExchangeListener
    from kis.sim.exchange.prices import Issue, Listing

_MAX_FILLS = 10_000


class Exchange(Market):
    """One account at one broker on one exchange.

    Every call first brings the day up to date: at midnight (KST) open orders lapse, cash settles, and the close
    becomes the base price.

    Attributes:
        ledger: the account's cash and shares.
        orders: every order and request, oldest first.
        fills: the last executions, oldest first.
        branch: KRX_FWDG_ORD_ORGNO of every order.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        rng: random.Random,
        cash: int = 10_000_000,
        holdings: Mapping[str, tuple[int, int]] | None = None,
        always_open: bool = True,
        ledger_lag: float = 0.0,
        branch: str = "00950",
        listings: Iterable[Listing] | None = None,
    ) -> None:
        """Opens the exchange.

        Args:
            clock: the present moment, aware.
            rng: random numbers.
            cash: won in the account.
            holdings: code to (shares, average price in won).
            always_open: accept orders at any hour, matching continuously.
            ledger_lag: seconds until an order appears in the order lists.
            branch: branch number of the orders.
            listings: the listed issues; by default the bundled table.
        """
        listings = listed() if listings is None else listings
        super().__init__(clock=clock, rng=rng, always_open=always_open, listings=listings)
        self.ledger_lag = ledger_lag
        self.branch = branch
        self.ledger = Ledger(cash, self._today)
        for code, (quantity, average) in (holdings or {}).items():
            self.ledger.positions[code] = Position(code, quantity, average=Fraction(average))
        self.orders: list[BookedOrder] = []
        self.fills: deque[Fill] = deque(maxlen=_MAX_FILLS)
        self._waiting: list[BookedOrder] = []
        self._last_number = 0
        self._listener: ExchangeListener | None = None

    def set_listener(self, listener: ExchangeListener) -> None:
        """Sends every trade and every event of the account's orders to a listener, in place of the one before."""
        self._listener = listener
        for issue in self.issues.values():
            issue.on_trade = listener.on_price

    # --- reading ------------------------------------------------------------------------------------------

    @property
    def cash(self) -> int:
        """Won in the account once everything traded has settled (D+2)."""
        self.roll()
        return self.ledger.cash

    def find(self, number: str, day: date | None = None) -> BookedOrder | None:
        """The order with a number, leading zeros or not; of today unless a day is given."""
        self.roll()
        wanted, day = number.lstrip("0"), day or self._today
        for order in reversed(self.orders):
            if order.number.lstrip("0") == wanted and order.day == day:
                return order
        return None

    def visible(self) -> list[BookedOrder]:
        """Orders that the order lists show by now, oldest first."""
        self.roll()
        now = self.now()
        return [order for order in self.orders if order.visible_at <= now]

    def open_orders(self) -> list[BookedOrder]:
        """Orders with shares still in the book, oldest first, visible or not."""
        self.roll()
        return [order for order in self.orders if order.open > 0]

    # --- orders -------------------------------------------------------------------------------------------

    def submit(
        self,
        side: OrderSide | str,
        code: str,
        kind: OrderDivision | str = OrderDivision.LIMIT,
        quantity: int = 1,
        price: int = 0,
        *,
        channel: str = API_CHANNEL,
        delay: float = 0.0,
    ) -> BookedOrder:
        """Places an order.

        Args:
            side: buy or sell.
            code: of the issue.
            kind: ORD_DVSN.
            quantity: shares, at least 1.
            price: won; 0 for kinds without a price.
            channel: where it was placed, `API_CHANNEL` or `HTS_CHANNEL`.
            delay: additional seconds until it appears in the order lists.

        Returns:
            The order, matched as far as possible.

        Raises:
            OrderRejected: nothing changed.
        """
        self.roll()
        side = OrderSide(side)
        self._require_session()
        issue = self.quote(code)
        if issue.halted:
            raise OrderRejected(RejectReason.HALTED)
        kind = self._kind(kind)
        price = self._price(issue, side, kind, price)
        ceiling = price or issue.upper
        if side is OrderSide.BUY and self.ledger.need(quantity, ceiling) > self.ledger.buying_power:
            raise OrderRejected(RejectReason.CASH)
        if side is OrderSide.SELL and quantity > self.ledger.sellable(code):
            raise OrderRejected(RejectReason.HOLDING)
        order = self._enter(side, kind, issue, quantity, price, channel=channel, delay=delay)
        order.ceiling = ceiling
        self.ledger.reserve(order)
        self._publish(order, UpdateKind.RECEIVED)
        self._start(order)
        return order

    def cancel(
        self, number: str, quantity: int | None = None, *, channel: str = API_CHANNEL, delay: float = 0.0
    ) -> BookedOrder:
        """Cancels an order, or part of it.

        Args:
            number: ODNO of the order, leading zeros or not.
            quantity: shares to cancel; None for all that are open.
            channel: where the request was placed.
            delay: additional seconds until the request appears in the order lists.

        Returns:
            The request, a row of its own with the order's number as its original.

        Raises:
            OrderRejected: no such order today, nothing open, or fewer shares open than requested.
        """
        original, quantity = self._open_original(number, quantity)
        request = self._enter(
            original.side,
            original.kind,
            self.issues[original.code],
            quantity,
            0,
            channel=channel,
            delay=delay,
            action=Action.CANCEL,
            original=original.number,
        )
        request.venue = original.venue
        self._publish(request, UpdateKind.RECEIVED)
        self._close(original, quantity)
        self._publish(request, UpdateKind.CONFIRMED)
        return request

    def revise(
        self,
        number: str,
        price: int,
        quantity: int | None = None,
        *,
        kind: OrderDivision | str = OrderDivision.LIMIT,
        channel: str = API_CHANNEL,
        delay: float = 0.0,
    ) -> BookedOrder:
        """Revises the price of an order, or of part of it, which continues under a new number, last in its queue.

        Args:
            number: ODNO of the order.
            price: new price in won.
            quantity: shares to revise; None for all that are open.
            kind: new ORD_DVSN.
            channel: where the request was placed.
            delay: additional seconds until the new order appears in the order lists.

        Returns:
            The new order.

        Raises:
            OrderRejected: as for `cancel`, or for the new price.
        """
        original, quantity = self._open_original(number, quantity)
        issue = self.issues[original.code]
        if issue.halted:
            raise OrderRejected(RejectReason.HALTED)
        kind = self._kind(kind)
        price = self._price(issue, original.side, kind, price)
        ceiling = price or issue.upper
        if original.side is OrderSide.BUY:
            released = self.ledger.released_by(original, quantity)
            if self.ledger.need(quantity, ceiling) > self.ledger.buying_power + released:
                raise OrderRejected(RejectReason.CASH)
        order = self._enter(
            original.side,
            kind,
            issue,
            quantity,
            price,
            channel=channel,
            delay=delay,
            action=Action.REVISE,
            original=original.number,
        )
        order.ceiling = ceiling
        order.venue = original.venue
        self._publish(order, UpdateKind.RECEIVED)
        self._close(original, quantity, moved=True)
        self.ledger.reserve(order)
        self._publish(order, UpdateKind.CONFIRMED)
        self._start(order)
        return order

    # --- inside -------------------------------------------------------------------------------------------

    def _match_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for order in waiting:
            if self.issues[order.code].paused:
                self._waiting.append(order)
            elif order.open:
                self._match(order)

    def _lapse(self, today: date) -> None:
        self._waiting.clear()
        self._last_number = 0
        for order in self.orders:
            if order.open:
                order.cancelled += order.open
                self.ledger.reserve(order)
        self.ledger.start_day(today)

    def _kind(self, kind: OrderDivision | str) -> OrderDivision:
        try:
            return OrderDivision(kind)
        except ValueError:
            raise OrderRejected(RejectReason.KIND) from None

    def _price(self, issue: Issue, side: OrderSide, kind: OrderDivision, price: int) -> int:
        """The limit price of an order; 0 for a market order."""
        book = self.books[issue.listing.code]
        if kind.market:
            return 0
        if not kind.priced:
            buying = side is OrderSide.BUY
            return book.ask if buying is kind.best else book.bid
        if price > issue.upper:
            raise OrderRejected(RejectReason.ABOVE_LIMIT)
        if price < 1 or not krx.on_tick(price, etf=issue.listing.etf):
            raise OrderRejected(RejectReason.TICK)
        if price < issue.lower:
            raise OrderRejected(RejectReason.BELOW_LIMIT)
        return price

    def _open_original(self, number: str, quantity: int | None) -> tuple[BookedOrder, int]:
        self._require_session()
        original = self.find(number)
        if original is None:
            raise OrderRejected(RejectReason.NO_ORIGINAL)
        if original.open == 0:
            raise OrderRejected(RejectReason.NOTHING_LEFT)
        quantity = original.open if quantity is None else quantity
        if quantity > original.open:
            raise OrderRejected(RejectReason.TOO_MANY)
        return original, quantity

    def _enter(
        self,
        side: OrderSide,
        kind: OrderDivision,
        issue: Issue,
        quantity: int,
        price: int,
        *,
        channel: str,
        delay: float,
        action: Action = Action.NEW,
        original: str = "",
    ) -> BookedOrder:
        now = self.now()
        # Numbers are shared with other customers' orders.
        self._last_number += self._rng.randint(1, 9)
        order = BookedOrder(
            at=now,
            number=f"{self._last_number:010d}",
            branch=self.branch,
            side=side,
            kind=kind,
            code=issue.listing.code,
            name=issue.listing.name,
            quantity=quantity,
            price=price,
            visible_at=now + timedelta(seconds=self.ledger_lag + delay),
            action=action,
            original=original,
            channel=channel,
        )
        self.orders.append(order)
        return order

    def _start(self, order: BookedOrder) -> None:
        if self._continuous() and not self.issues[order.code].paused:
            self._match(order)
        else:
            self._waiting.append(order)

    def _match(self, order: BookedOrder) -> None:
        book, issue = self.books[order.code], self.issues[order.code]
        if order.kind.condition == "FOK":
            available = sum(level.quantity for level in book.available(order.side, order.price or None))
            if available < order.open:
                self._lapse_rest(order)
                return
        for match in book.sweep(order.side, order.open, order.price or None):
            issue.record_trade(match.price, match.quantity)
            self._fill(order, match.quantity, match.price)
            if match.order is not None:
                self._fill(match.order, match.quantity, match.price)
        if order.open and order.price and not order.kind.condition:
            book.rest(order, order.open)
        elif order.open:
            self._lapse_rest(order)

    def _fill(self, order: BookedOrder, quantity: int, price: int) -> None:
        held = self.ledger.positions.get(order.code)
        cost = round(held.average * quantity) if held and order.side is OrderSide.SELL else 0
        fee, tax = self.ledger.book(order, quantity, price, etf=self.issues[order.code].listing.etf)
        self.fills.append(Fill(self.now(), order, quantity, price, fee, tax, cost))
        self._publish(order, UpdateKind.FILLED, quantity, price)

    def _lapse_rest(self, order: BookedOrder) -> None:
        self._publish(order, UpdateKind.LAPSED, order.open)
        self._close(order, order.open)

    def _publish(
        self, order: BookedOrder, kind: UpdateKind, quantity: int | None = None, price: int | None = None
    ) -> None:
        if self._listener is not None:
            quantity = order.quantity if quantity is None else quantity
            self._listener.on_order_update(
                OrderUpdate(self.now(), order, kind, quantity, order.price if price is None else price)
            )

    def _close(self, order: BookedOrder, quantity: int, *, moved: bool = False) -> None:
        if order.price and order not in self._waiting:
            self.books[order.code].remove(order, quantity)
        if moved:
            order.moved += quantity
        else:
            order.cancelled += quantity
        self.ledger.reserve(order)
