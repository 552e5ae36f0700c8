"""The trading floor: issues, books, hours, and the public that trades there without us."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from kis import krx
from kis.sim.exchange.book import BookLevel, MatchingBook
from kis.sim.exchange.orders import OrderRejected, OrderSide, RejectReason
from kis.sim.exchange.prices import Issue, market
from kis.sim.exchange.scenario import MarketStage, scripted

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable
    from datetime import date, datetime

    from kis.sim.exchange.book import Match
    from kis.sim.exchange.orders import BookedOrder
    from kis.sim.exchange.prices import Listing

MOVES = 0.45
"""Chance that a price moves by a tick in one step."""
PULL = 0.6
"""How strongly a price far from its base is drawn back: 0 not at all."""
_SECONDS_A_DAY = 23_400
_WHOLE_LEVEL = 0.6


class Market(ABC):
    """Where the account's orders meet the public's.

    Attributes:
        issues: every listed issue by code.
        books: their order books.
        stage: market scripts that are under way.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        rng: random.Random,
        always_open: bool,
        listings: Iterable[Listing],
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._always_open = always_open
        self._today = self.now().date()
        self.issues = market(listings, self._today, rng)
        self.books = {code: MatchingBook(issue, rng) for code, issue in self.issues.items()}
        self.stage = MarketStage()
        for issue in self.issues.values():
            issue.clock = self.now

    @abstractmethod
    def _fill(self, order: BookedOrder, quantity: int, price: int) -> None:
        """An order of the account traded."""

    @abstractmethod
    def _lapse(self, today: date) -> None:
        """The day is over: open orders end and money moves on."""

    @abstractmethod
    def _opened(self) -> None:
        """Trading is continuous: what waited for it may match."""

    def now(self) -> datetime:
        """The time, KST."""
        return self._clock().astimezone(krx.KST)

    def quote(self, code: str) -> Issue:
        """The state of one issue.

        Raises:
            TurnedAway: it is not listed.
        """
        self.roll()
        issue = self.issues.get(code)
        if issue is None:
            raise OrderRejected(RejectReason.UNKNOWN_CODE)
        return issue

    def levels(self, code: str, side: OrderSide | str) -> list[BookLevel]:
        """The visible book of one side, best first: Side.BUY for bids, Side.SELL for asks."""
        self.quote(code)
        return self.books[code].levels(OrderSide(side))

    # --- the market ---------------------------------------------------------------------------------------

    def trade(self, code: str, price: int, quantity: int) -> int:
        """Somebody else trades `quantity` shares of ours at a price, or whatever of them that price reaches.

        The public's orders that stood before ours count as traded. Orders with a better price than `price` go
        first, at their own price; then first come first served. The market stays where the trading stopped.

        Returns:
            Shares of ours that changed hands.
        """
        issue = self.quote(code)
        matches = self.books[code].reach(price, quantity)
        self._settle(issue, matches)
        reached = sum(match.quantity for match in matches)
        if reached < quantity:
            issue.printed(price, quantity - reached)
        return reached

    def set_price(self, code: str, price: int) -> None:
        """The market moves to a price within the day's limits; orders of ours at it or beyond fill whole.

        Raises:
            ValueError: the price is off tick or outside the limits.
        """
        issue = self.quote(code)
        if not krx.on_tick(price, etf=issue.listing.etf) or not issue.lower <= price <= issue.upper:
            raise ValueError(f"{code} trades on tick from {issue.lower} to {issue.upper}, not at {price}")
        self._settle(issue, self.books[code].jump(price))
        issue.printed(price, max(1, issue.usual_volume // 1_000))

    def play(self, scenario: str) -> None:
        """Stage one of the market scripts: `name[:code][@seconds]`, several with commas.

        Raises:
            ValueError: there is no such script or code.
        """
        self.stage.put(scripted(scenario, self.now(), self.issues))
        self.roll()

    def step(self) -> None:
        """One random step of the whole market: about a second of trading."""
        self.roll()
        if not self._continuous():
            return
        for code, issue in self.issues.items():
            if not issue.still:
                self._step(issue, self.books[code])

    def _step(self, issue: Issue, book: MatchingBook) -> None:
        rng = self._rng
        lean = PULL * (issue.last - issue.base) / (issue.base * 0.1)
        taker = OrderSide.BUY if rng.random() > 0.5 + max(-0.45, min(0.45, lean)) / 2 else OrderSide.SELL
        moves = rng.random() < MOVES
        quantity = max(1, int(issue.usual_volume / _SECONDS_A_DAY * rng.expovariate(1.0)))
        if book.quiet:
            price = book.ask if taker is OrderSide.BUY else book.bid
            if issue.lower <= price <= issue.upper:
                issue.printed(price, quantity)
            book.drift((1 if taker is OrderSide.BUY else -1) if moves else 0)
            return
        total, ahead, mine = book.best(taker)
        if moves:
            # A big order comes through; now and then it ends within our order, which is then filled in part.
            whole = mine <= 1 or rng.random() < _WHOLE_LEVEL
            quantity = total if whole else ahead + rng.randrange(1, mine)
        if quantity > 0:
            self._settle(issue, book.trade(taker, quantity))

    # --- inside -------------------------------------------------------------------------------------------

    def roll(self) -> None:
        """Bring the day up to date; free when nothing is due."""
        now = self.now()
        if now.date() != self._today:
            self._turn(now.date())
        self.stage.run(self, now)
        if self._continuous():
            self._opened()

    def _turn(self, today: date) -> None:
        for code, issue in self.issues.items():
            issue.close_day(self._today)
            self.books[code].refresh()
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
            issue.printed(match.price, match.quantity)
            if match.order is not None:
                self._fill(match.order, match.quantity, match.price)
