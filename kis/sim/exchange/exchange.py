"""The simulated broker and exchange: orders in, fills out; clock and random numbers are handed in."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from kis import krx
from kis.sim.exchange.book import MatchingBook
from kis.sim.exchange.ledger import Ledger, Position
from kis.sim.exchange.orders import (
    API_CHANNEL,
    Action,
    BookedOrder,
    Fill,
    OrderDivision,
    OrderRejected,
    OrderSide,
    OrderUpdate,
    RejectReason,
    UpdateKind,
)
from kis.sim.exchange.prices import listed, open_issues
from kis.sim.exchange.scenario import ALL_CODES, ScriptAction, ScriptSchedule, parse_scenarios, price_at

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date, datetime

    from kis.sim.exchange.book import BookLevel, Match
    from kis.sim.exchange.prices import Issue, Listing
    from kis.sim.exchange.scenario import ScheduledStep

_MAX_FILLS = 10_000
_MOVE_PROBABILITY = 0.45  # of a price moving by a tick in one step
_MEAN_REVERSION = 0.6  # how strongly a price far from its base is drawn back; 0 for not at all
_SECONDS_A_DAY = 23_400
_WHOLE_LEVEL_PROBABILITY = 0.6


class ExchangeListener(Protocol):
    """Receives the events; it must not change the exchange meanwhile."""

    def on_price(self, issue: Issue, price: int, quantity: int) -> None:
        """A trade; 0 shares move the price only."""

    def on_order_update(self, update: OrderUpdate) -> None:
        """An event of an order of the account."""


class Exchange:
    """One account at one broker on one exchange, where its orders are matched with those of the public.

    Every call first brings the day up to date: at midnight (KST) open orders lapse, cash settles, and the close
    becomes the base price.

    Attributes:
        clock: the present moment, aware.
        issues: every listed issue by code.
        books: their order books.
        schedule: steps of market scripts to come.
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
            rng: all random numbers.
            cash: won in the account.
            holdings: code to (shares, average price in won).
            always_open: accept orders at any hour, matching continuously.
            ledger_lag: seconds until an order appears in the order lists.
            branch: branch number of the orders.
            listings: the listed issues; by default the bundled table.
        """
        self.clock = clock
        self._rng = rng
        self._always_open = always_open
        self._today = self.now().date()
        self.issues = open_issues(listed() if listings is None else listings, self._today, rng)
        self.books = {code: MatchingBook(issue, rng) for code, issue in self.issues.items()}
        self.schedule = ScriptSchedule()
        for issue in self.issues.values():
            issue.clock = self.now
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

    def now(self) -> datetime:
        """The present moment in KST."""
        return self.clock().astimezone(krx.KST)

    def quote(self, code: str) -> Issue:
        """The state of one issue.

        Raises:
            OrderRejected: it is not listed.
        """
        self.roll()
        issue = self.issues.get(code)
        if issue is None:
            raise OrderRejected(RejectReason.UNKNOWN_CODE)
        return issue

    def levels(self, code: str, side: OrderSide | str) -> list[BookLevel]:
        """The visible levels of one side, best first: BUY for bids, SELL for asks."""
        self.quote(code)
        return self.books[code].levels(OrderSide(side))

    @property
    def cash(self) -> int:
        """Won in the account once everything traded has settled (D+2)."""
        self.roll()
        return self.ledger.cash

    def find(self, number: str, day: date | None = None) -> BookedOrder | None:
        """The order with a number, leading zeros or not; of today unless a day is given."""
        self.roll()
        wanted, day = number.lstrip("0"), day or self._today
        return next((o for o in reversed(self.orders) if o.number.lstrip("0") == wanted and o.day == day), None)

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
        """Places an order, and matches it as far as possible.

        Args:
            side: buy or sell.
            code: of the issue.
            kind: ORD_DVSN.
            quantity: shares, at least 1.
            price: won; 0 for kinds without a price.
            channel: where it was placed, `API_CHANNEL` or `HTS_CHANNEL`.
            delay: additional seconds until it appears in the order lists.

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
        if side is OrderSide.BUY and self.ledger.cost(quantity * ceiling) > self.ledger.buying_power:
            raise OrderRejected(RejectReason.CASH)
        if side is OrderSide.SELL and quantity > self.ledger.sellable(code):
            raise OrderRejected(RejectReason.HOLDING)
        order = self._enter(issue, side, kind, quantity, price, channel, delay)
        order.ceiling = ceiling
        self.ledger.reserve(order)
        self._publish(order, UpdateKind.RECEIVED)
        self._start(order)
        return order

    def cancel(
        self, number: str, quantity: int | None = None, *, channel: str = API_CHANNEL, delay: float = 0.0
    ) -> BookedOrder:
        """Cancels an order, or `quantity` shares of it; arguments as for `submit`.

        Returns:
            The request, a row of its own with the order's number as its original.

        Raises:
            OrderRejected: no such order today, nothing open, or fewer shares open than requested.
        """
        original, quantity = self._open_original(number, quantity)
        issue = self.issues[original.code]
        request = self._enter(
            issue, original.side, original.kind, quantity, 0, channel, delay, action=Action.CANCEL, original=original
        )
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
        """Revises an order, or `quantity` shares of it, to a price in won; arguments as for `submit`.

        Returns:
            The new order: the shares continue under its number, last in their queue.

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
            if self.ledger.cost(quantity * ceiling) > self.ledger.buying_power + released:
                raise OrderRejected(RejectReason.CASH)
        order = self._enter(
            issue, original.side, kind, quantity, price, channel, delay, action=Action.REVISE, original=original
        )
        order.ceiling = ceiling
        self._publish(order, UpdateKind.RECEIVED)
        self._close(original, quantity, moved=True)
        self.ledger.reserve(order)
        self._publish(order, UpdateKind.CONFIRMED)
        self._start(order)
        return order

    # --- the public ---------------------------------------------------------------------------------------

    def trade(self, code: str, price: int, quantity: int) -> int:
        """The public trades `quantity` shares against the account's orders, as far as the price reaches them.

        The public's orders ahead of the account's count as traded. Orders with a better price than `price` are
        filled first, at their own price, then by time. The market stays where the trading stopped.

        Returns:
            Shares of the account's orders that were filled.
        """
        issue = self.quote(code)
        matches = self.books[code].trade_through(price, quantity)
        self._settle(issue, matches)
        filled = sum(match.quantity for match in matches)
        if filled < quantity:
            issue.record_trade(price, quantity - filled)
        return filled

    def set_price(self, code: str, price: int) -> None:
        """Moves the market to a price within the day's limits; the account's orders at it or beyond are filled.

        Raises:
            ValueError: the price is off tick or outside the limits.
        """
        issue = self.quote(code)
        if not krx.on_tick(price, etf=issue.listing.etf) or not issue.lower <= price <= issue.upper:
            raise ValueError(f"{code} trades on tick from {issue.lower} to {issue.upper}, not at {price}")
        self._settle(issue, self.books[code].move_to(price))
        issue.record_trade(price, max(1, issue.usual_volume // 1_000))

    def play(self, scenario: str) -> None:
        """Schedules market scripts: `name[:code][@seconds]`, separated by commas.

        Raises:
            ValueError: unknown script or code.
        """
        self.schedule.add(parse_scenarios(scenario, self.now(), self.issues))
        self.roll()

    def step(self) -> None:
        """One random step of the whole market, about a second of trading."""
        self.roll()
        if not self._continuous():
            return
        for code, issue in self.issues.items():
            if not issue.paused:
                self._step(issue, self.books[code])

    def _step(self, issue: Issue, book: MatchingBook) -> None:
        rng = self._rng
        lean = _MEAN_REVERSION * (issue.last - issue.base) / (issue.base * 0.1)
        taker = OrderSide.BUY if rng.random() > 0.5 + max(-0.45, min(0.45, lean)) / 2 else OrderSide.SELL
        moves = rng.random() < _MOVE_PROBABILITY
        quantity = max(1, int(issue.usual_volume / _SECONDS_A_DAY * rng.expovariate(1.0)))
        if not book.has_own_orders:
            price = book.ask if taker is OrderSide.BUY else book.bid
            if issue.lower <= price <= issue.upper:
                issue.record_trade(price, quantity)
            book.drift((1 if taker is OrderSide.BUY else -1) if moves else 0)
            return
        total, ahead, own = book.best(taker)
        if moves:
            # A large order comes through; sometimes it ends within the account's order, which is then filled in part.
            whole = own <= 1 or rng.random() < _WHOLE_LEVEL_PROBABILITY
            quantity = total if whole else ahead + rng.randrange(1, own)
        if quantity > 0:
            self._settle(issue, book.trade(taker, quantity))

    # --- inside -------------------------------------------------------------------------------------------

    def _match_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for order in waiting:
            if self.issues[order.code].paused:
                self._waiting.append(order)
            elif order.open:
                self._match(order)

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
        issue: Issue,
        side: OrderSide,
        kind: OrderDivision,
        quantity: int,
        price: int,
        channel: str,
        delay: float,
        *,
        action: Action = Action.NEW,
        original: BookedOrder | None = None,
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
            original=original.number if original else "",
            channel=channel,
            venue=original.venue if original else "KRX",
        )
        self.orders.append(order)
        return order

    def _start(self, order: BookedOrder) -> None:
        if self._continuous() and not self.issues[order.code].paused:
            self._match(order)
        else:
            self._waiting.append(order)

    def _match(self, order: BookedOrder) -> None:
        book = self.books[order.code]
        if order.kind.condition == "FOK":
            available = sum(level.quantity for level in book.available(order.side, order.price or None))
            if available < order.open:
                self._lapse_rest(order)
                return
        self._settle(self.issues[order.code], book.sweep(order.side, order.open, order.price or None), order)
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

    def roll(self) -> None:
        """Brings the state up to date: day change, scheduled steps, waiting orders."""
        now = self.now()
        if now.date() != self._today:
            self._start_day(now.date())
        self.schedule.run(now, self._run_step)
        if self._continuous():
            self._match_waiting()

    def _run_step(self, step: ScheduledStep) -> None:
        for code in self.issues if step.code == ALL_CODES else (step.code,):
            issue = self.issues[code]
            if step.action in {ScriptAction.HALT, ScriptAction.RESUME}:
                issue.halted = step.action is ScriptAction.HALT
            elif step.action in {ScriptAction.VI, ScriptAction.VI_END}:
                issue.vi = step.action is ScriptAction.VI
            else:
                if step.action is ScriptAction.OPEN:
                    issue.reset_day()
                self.set_price(code, price_at(issue, step.percent))

    def _start_day(self, today: date) -> None:
        for code, issue in self.issues.items():
            issue.close_day(self._today)
            self.books[code].start_day()
        self._today = today
        self._waiting.clear()
        self._last_number = 0
        for order in self.orders:
            if order.open:
                order.cancelled += order.open
                self.ledger.reserve(order)
        self.ledger.start_day(today)

    def _continuous(self) -> bool:
        return self._always_open or krx.session_at(self.now()) is krx.MarketSession.REGULAR

    def _require_session(self) -> None:
        if self._always_open:
            return
        now = self.now()
        session = krx.session_at(now)
        if krx.takes_orders(session):
            return
        if not krx.is_trading_day(now.date()):
            raise OrderRejected(RejectReason.HOLIDAY)
        if session is krx.MarketSession.AFTER_MARKET:
            raise OrderRejected(RejectReason.AFTER_MARKET)
        begins = krx.next_open(now)
        raise OrderRejected(RejectReason.NOT_YET_OPEN if begins.date() == now.date() else RejectReason.CLOSED)

    def _settle(self, issue: Issue, matches: list[Match], taker: BookedOrder | None = None) -> None:
        """Records trades and fills the account's orders in them, the incoming one first."""
        for match in matches:
            issue.record_trade(match.price, match.quantity)
            for order in (taker, match.order):
                if order is not None:
                    self._fill(order, match.quantity, match.price)
