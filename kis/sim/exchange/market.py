"""The market: issues, order books, sessions, and the trading of other participants (the public)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from kis import krx
from kis.sim.exchange.book import BookLevel, MatchingBook
from kis.sim.exchange.orders import OrderRejected, OrderSide, RejectReason
from kis.sim.exchange.prices import Issue, open_issues
from kis.sim.exchange.scenario import ScriptSchedule, parse_scenarios

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable
    from datetime import date, datetime

    from kis.sim.exchange.book import Match
    from kis.sim.exchange.orders import BookedOrder
    from kis.sim.exchange.prices import Listing

_MOVE_PROBABILITY = 0.45  # of a price moving by a tick in one step
_MEAN_REVERSION = 0.6  # how strongly a price far from its base is drawn back; 0 for not at all
_SECONDS_A_DAY = 23_400
_WHOLE_LEVEL_PROBABILITY = 0.6


class Market(ABC):
    """Where the account's orders and the public's are matched.

    Attributes:
        issues: every listed issue by code.
        books: their order books.
        schedule: steps of market scripts to come.
    """

    def __init__(
        self, *, clock: Callable[[], datetime], rng: random.Random, always_open: bool, listings: Iterable[Listing]
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._always_open = always_open
        self._today = self.now().date()
        self.issues = open_issues(listings, self._today, rng)
        self.books = {code: MatchingBook(issue, rng) for code, issue in self.issues.items()}
        self.schedule = ScriptSchedule()
        for issue in self.issues.values():
            issue.clock = self.now

    @abstractmethod
    def _fill(self, order: BookedOrder, quantity: int, price: int) -> None:
        """Books a fill of an order of the account."""

    @abstractmethod
    def _lapse(self, today: date) -> None:
        """Ends the day: open orders lapse and cash settles."""

    @abstractmethod
    def _match_waiting(self) -> None:
        """Matches the orders that waited for continuous trading."""

    def now(self) -> datetime:
        """The present moment in KST."""
        return self._clock().astimezone(krx.KST)

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

    def roll(self) -> None:
        """Brings the state up to date: day change, scheduled steps, waiting orders."""
        now = self.now()
        if now.date() != self._today:
            self._start_day(now.date())
        self.schedule.run(self, now)
        if self._continuous():
            self._match_waiting()

    def _start_day(self, today: date) -> None:
        for code, issue in self.issues.items():
            issue.close_day(self._today)
            self.books[code].start_day()
        self._today = today
        self._lapse(today)

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

    def _settle(self, issue: Issue, matches: list[Match]) -> None:
        for match in matches:
            issue.record_trade(match.price, match.quantity)
            if match.order is not None:
                self._fill(match.order, match.quantity, match.price)
