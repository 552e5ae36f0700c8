"""The simulated broker and exchange: orders in, fills out. No HTTP, no wall clock, no chance of its own."""

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

    from kis.sim.exchange.events import Watcher
    from kis.sim.exchange.prices import Issue, Listing

_REMEMBERED_FILLS = 10_000


class Exchange(Market):
    """One account at one broker on one exchange.

    Every call first brings the day up to date: past midnight (KST) open orders lapse, money settles, and the
    close becomes the base price.

    Attributes:
        ledger: the account's money and shares.
        orders: every order and request, oldest first.
        fills: the last executions, oldest first.
        branch: KRX_FWDG_ORD_ORGNO given to every order.
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
        """Open the exchange.

        Args:
            clock: tells the time; aware, KST.
            rng: chance.
            cash: won in the account.
            holdings: code to (shares, average price in won).
            always_open: take orders at any hour, matching continuously.
            ledger_lag: seconds until an order shows in the order lists.
            branch: branch number of the orders.
            listings: what is listed; by default the bundled table.
        """
        listings = listed() if listings is None else listings
        super().__init__(clock=clock, rng=rng, always_open=always_open, listings=listings)
        self.ledger_lag = ledger_lag
        self.branch = branch
        self.ledger = Ledger(cash, self._today)
        for code, (quantity, average) in (holdings or {}).items():
            self.ledger.positions[code] = Position(code, quantity, average=Fraction(average))
        self.orders: list[BookedOrder] = []
        self.fills: deque[Fill] = deque(maxlen=_REMEMBERED_FILLS)
        self._waiting: list[BookedOrder] = []
        self._last_number = 0
        self._watcher: Watcher | None = None

    def watch(self, watcher: Watcher) -> None:
        """Have somebody told of every trade and of everything that becomes of the account's orders."""
        self._watcher = watcher
        for issue in self.issues.values():
            issue.heard = watcher.printed

    # --- reading ------------------------------------------------------------------------------------------

    @property
    def cash(self) -> int:
        """Won in the account once everything traded has settled (D+2)."""
        self.roll()
        return self.ledger.cash

    def find(self, number: str, day: date | None = None) -> BookedOrder | None:
        """The order of a number, leading zeros or not; of today unless a day is given."""
        self.roll()
        wanted, day = number.lstrip("0"), day or self._today
        for order in reversed(self.orders):
            if order.number.lstrip("0") == wanted and order.day == day:
                return order
        return None

    def visible(self) -> list[BookedOrder]:
        """What the order lists show by now, oldest first."""
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
        """Give an order.

        Args:
            side: which way.
            code: of the issue.
            kind: ORD_DVSN.
            quantity: shares, at least 1.
            price: won; 0 for the kinds that name none.
            channel: where it was given; `HTS_CHANNEL` makes it a stranger to API clients.
            delay: seconds more until it shows in the order lists.

        Returns:
            The order, matched as far as the book went.

        Raises:
            TurnedAway: the broker refused; nothing changed.
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
        self.ledger.promise(order)
        self._tell(order, UpdateKind.RECEIVED)
        self._work(order)
        return order

    def cancel(
        self,
        number: str,
        quantity: int | None = None,
        *,
        channel: str = API_CHANNEL,
        delay: float = 0.0,
    ) -> BookedOrder:
        """Take back an order, or part of it.

        Args:
            number: ODNO of the order, leading zeros or not.
            quantity: shares to take back; None for all that is open.
            channel: where the request was given.
            delay: seconds more until the request shows in the order lists.

        Returns:
            The request, a row of its own with the order's number as its original.

        Raises:
            TurnedAway: no such order today, nothing left of it, or more asked than is open.
        """
        original, quantity = self._about(number, quantity)
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
        self._tell(request, UpdateKind.RECEIVED)
        self._close(original, quantity)
        self._tell(request, UpdateKind.CONFIRMED)
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
        """Change the price of an order, or of part of it: that part goes on under a new number, last in line.

        Args:
            number: ODNO of the order.
            price: new price in won.
            quantity: shares to move; None for all that is open.
            kind: new ORD_DVSN.
            channel: where the request was given.
            delay: seconds more until the new order shows in the order lists.

        Returns:
            The new order.

        Raises:
            TurnedAway: as for `cancel`, or the new price cannot be taken.
        """
        original, quantity = self._about(number, quantity)
        issue = self.issues[original.code]
        if issue.halted:
            raise OrderRejected(RejectReason.HALTED)
        kind = self._kind(kind)
        price = self._price(issue, original.side, kind, price)
        ceiling = price or issue.upper
        if original.side is OrderSide.BUY:
            freed = self.ledger.freed(original, quantity)
            if self.ledger.need(quantity, ceiling) > self.ledger.buying_power + freed:
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
        self._tell(order, UpdateKind.RECEIVED)
        self._close(original, quantity, moved=True)
        self.ledger.promise(order)
        self._tell(order, UpdateKind.CONFIRMED)
        self._work(order)
        return order

    # --- inside -------------------------------------------------------------------------------------------

    def _opened(self) -> None:
        waiting, self._waiting = self._waiting, []
        for order in waiting:
            if self.issues[order.code].still:
                self._waiting.append(order)
            elif order.open:
                self._match(order)

    def _lapse(self, today: date) -> None:
        self._waiting.clear()
        self._last_number = 0
        for order in self.orders:
            if order.open:
                order.cancelled += order.open
                self.ledger.promise(order)
        self.ledger.turn(today)

    def _kind(self, kind: OrderDivision | str) -> OrderDivision:
        try:
            return OrderDivision(kind)
        except ValueError:
            raise OrderRejected(RejectReason.KIND) from None

    def _price(self, issue: Issue, side: OrderSide, kind: OrderDivision, price: int) -> int:
        """The price an order stands at; 0 for a market order."""
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

    def _about(self, number: str, quantity: int | None) -> tuple[BookedOrder, int]:
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
        # Other customers' orders share the numbers.
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

    def _work(self, order: BookedOrder) -> None:
        if self._continuous() and not self.issues[order.code].still:
            self._match(order)
        else:
            self._waiting.append(order)

    def _match(self, order: BookedOrder) -> None:
        book, issue = self.books[order.code], self.issues[order.code]
        if order.kind.condition == "FOK":
            there = sum(level.quantity for level in book.available(order.side, order.price or None))
            if there < order.open:
                self._lapsed(order)
                return
        for match in book.sweep(order.side, order.open, order.price or None):
            issue.printed(match.price, match.quantity)
            self._fill(order, match.quantity, match.price)
            if match.order is not None:
                self._fill(match.order, match.quantity, match.price)
        if order.open and order.price and not order.kind.condition:
            book.rest(order, order.open)
        elif order.open:
            self._lapsed(order)

    def _fill(self, order: BookedOrder, quantity: int, price: int) -> None:
        held = self.ledger.positions.get(order.code)
        cost = round(held.average * quantity) if held and order.side is OrderSide.SELL else 0
        fee, tax = self.ledger.book(order, quantity, price, etf=self.issues[order.code].listing.etf)
        self.fills.append(Fill(self.now(), order, quantity, price, fee, tax, cost))
        self._tell(order, UpdateKind.FILLED, quantity, price)

    def _lapsed(self, order: BookedOrder) -> None:
        self._tell(order, UpdateKind.LAPSED, order.open)
        self._close(order, order.open)

    def _tell(
        self,
        order: BookedOrder,
        news: UpdateKind,
        quantity: int | None = None,
        price: int | None = None,
    ) -> None:
        if self._watcher is not None:
            quantity = order.quantity if quantity is None else quantity
            self._watcher.told(OrderUpdate(self.now(), order, news, quantity, order.price if price is None else price))

    def _close(self, order: BookedOrder, quantity: int, *, moved: bool = False) -> None:
        if order.price and order not in self._waiting:
            self.books[order.code].withdraw(order, quantity)
        if moved:
            order.moved += quantity
        else:
            order.cancelled += quantity
        self.ledger.promise(order)
