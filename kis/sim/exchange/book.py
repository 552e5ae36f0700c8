"""The order book of one issue: the public's quantities at every price, and the account's orders among them.

The best bid and the best ask are always one tick apart: where an order has eaten through levels, the public
follows at once. Each price holds a queue, first come first served; what the public adds later stands behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kis.sim.exchange.orders import OrderSide

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from kis.sim.exchange.orders import BookedOrder
    from kis.sim.exchange.prices import Issue

DEPTH = 10
_LEVELS_PER_DAY = 300
_SPREAD_OF_SIZES = 1 << 16


@dataclass(slots=True)
class QueueEntry:
    """A place in a queue: the public's where `order` is None."""

    quantity: int
    order: BookedOrder | None = None


class Match(NamedTuple):
    """Shares that changed hands at a price; `order` is the account's resting order, None for the public's."""

    price: int
    quantity: int
    order: BookedOrder | None


class BookLevel(NamedTuple):
    """One visible line of the book."""

    price: int
    quantity: int


class MatchingBook:
    """Queues by price around the best bid.

    Attributes:
        issue: whose book it is.
        bid: the best bid in won; the best ask is one tick higher.
        depth: shares the public shows at every price, or None for seeded sizes.
    """

    def __init__(self, issue: Issue, rng: random.Random) -> None:
        self.issue = issue
        self.bid = issue.last
        self.depth: int | None = None
        self._salt = rng.getrandbits(32)
        self._queues: dict[OrderSide, dict[int, list[QueueEntry]]] = {OrderSide.BUY: {}, OrderSide.SELL: {}}
        self._own = 0

    @property
    def ask(self) -> int:
        """The best ask in won."""
        return self.issue.step(self.bid, 1)

    @property
    def quiet(self) -> bool:
        """Whether none of the account's orders rests here."""
        return self._own == 0

    def levels(self, side: OrderSide) -> list[BookLevel]:
        """The visible levels of one side, best first; fewer than ten only against a price limit."""
        return [
            BookLevel(price, sum(lot.quantity for lot in self._queue(side, price)))
            for price, _ in zip(self._prices(side), range(DEPTH), strict=False)
        ]

    def available(self, taker: OrderSide, limit: int | None) -> list[BookLevel]:
        """What an incoming order could trade with now: ten levels, or all up to its limit price."""
        resting = taker.other
        if limit is None:
            return self.levels(resting)
        found = []
        for price in self._prices(resting):
            if price > limit if taker is OrderSide.BUY else price < limit:
                break
            found.append(BookLevel(price, sum(lot.quantity for lot in self._queue(resting, price))))
        return found

    def sweep(self, taker: OrderSide, quantity: int, limit: int | None) -> list[Match]:
        """An incoming order trades with the other side, best price first, then first come first served.

        Args:
            taker: side of the incoming order.
            quantity: shares wanted.
            limit: worst acceptable price in won; None for whatever the ten levels hold.

        Returns:
            The matches in order; together at most `quantity`.
        """
        resting = taker.other
        matches: list[Match] = []
        for price, _ in self.available(taker, limit):
            if quantity <= 0:
                break
            taken = self._take(resting, price, quantity)
            matches += taken
            quantity -= sum(match.quantity for match in taken)
            if not self._queues[resting].get(price):
                self._follow(price if taker is OrderSide.BUY else self.issue.step(price, -1))
        return matches

    def rest(self, order: BookedOrder, quantity: int) -> None:
        """Put what is left of an order into its queue: last there, or first at a new best price."""
        lot = QueueEntry(quantity, order)
        if order.side is OrderSide.BUY and order.price > self.bid:
            self._follow(order.price)
            self._queue(order.side, order.price).insert(0, lot)
        elif order.side is OrderSide.SELL and order.price < self.ask:
            self._follow(self.issue.step(order.price, -1))
            self._queue(order.side, order.price).insert(0, lot)
        else:
            self._queue(order.side, order.price).append(lot)
        self._own += 1

    def withdraw(self, order: BookedOrder, quantity: int) -> None:
        """Take shares of a resting order out of its queue; what stays keeps its place."""
        queue = self._queues[order.side].get(order.price, [])
        for lot in queue:
            if lot.order is order:
                lot.quantity -= quantity
        self._sift(order.side, order.price)

    def jump(self, price: int) -> list[Match]:
        """The market moves to a price: every resting order at it or beyond is filled whole."""
        matches = []
        for side, order_price in self._own_prices(price):
            lots = [lot for lot in self._queues[side][order_price] if lot.order]
            matches += [Match(order_price, lot.quantity, lot.order) for lot in lots]
            self._forget(side, order_price)
        self._follow(price)
        return matches

    def reach(self, price: int, quantity: int) -> list[Match]:
        """Others trade through to a price; `quantity` shares of it reach the account's orders.

        Whatever of the public stood before those orders has traded already. Trading stops where the quantity
        does: then the price is that of the last order reached.
        """
        matches: list[Match] = []
        here, at = price, self._own_prices(price)
        for side, order_price in at:
            if quantity <= 0:
                break
            here = order_price
            queue = self._queues[side][order_price]
            while queue and quantity > 0:
                lot = queue[0]
                if lot.order is None:
                    queue.pop(0)
                    continue
                taken = min(quantity, lot.quantity)
                lot.quantity -= taken
                quantity -= taken
                matches.append(Match(order_price, taken, lot.order))
                if lot.quantity == 0:
                    queue.pop(0)
                    self._own -= 1
        if quantity > 0 or not matches:
            here = price
        selling = here >= self.ask or (bool(matches) and at[0][0] is OrderSide.SELL)
        self._follow(self.issue.step(here, -1) if selling else here)
        return matches

    def trade(self, taker: OrderSide, quantity: int) -> list[Match]:
        """The public trades at the best price only; an emptied level moves the market by a tick."""
        resting = taker.other
        price = self.ask if taker is OrderSide.BUY else self.bid
        if not self._allowed(price):
            return []
        matches = self._take(resting, price, quantity)
        if not self._queues[resting].get(price):
            self._follow(price if taker is OrderSide.BUY else self.issue.step(price, -1))
        return matches

    def drift(self, ticks: int) -> None:
        """Move a quiet book: nobody of ours is in it, so only the prices matter."""
        target = self.issue.step(self.bid, ticks)
        if self._allowed(target):
            self._follow(target)
        self._salt = (self._salt * 1_103_515_245 + 12_345) & 0xFFFFFFFF
        for queues in self._queues.values():
            queues.clear()

    def refresh(self) -> None:
        """A new day: no order is left, and the levels are drawn anew."""
        for queues in self._queues.values():
            queues.clear()
        self._own = 0
        self._follow(self.issue.last)

    def best(self, taker: OrderSide) -> tuple[int, int, int]:
        """The other side's best price: shares in all, those before our last order there, and in it."""
        price = self.ask if taker is OrderSide.BUY else self.bid
        if not self._allowed(price):
            return 0, 0, 0
        queue = self._queue(taker.other, price)
        before = ahead = mine = 0
        for lot in queue:
            if lot.order is not None:
                ahead, mine = before, lot.quantity
            before += lot.quantity
        return before, ahead, mine

    # --- inside -------------------------------------------------------------------------------------------

    def _allowed(self, price: int) -> bool:
        lower, upper = self.issue.band
        return lower <= price <= upper

    def _prices(self, side: OrderSide) -> Iterator[int]:
        lower, upper = self.issue.band
        price = self.bid if side is OrderSide.BUY else self.ask
        while lower <= price <= upper:
            yield price
            following = self.issue.step(price, -1 if side is OrderSide.BUY else 1)
            if following == price:
                return
            price = following

    def _public(self, side: OrderSide, price: int) -> int:
        if self.depth is not None:
            return self.depth
        mixed = (price * 2_654_435_761 ^ self._salt * (2 if side is OrderSide.BUY else 3)) & 0xFFFFFFFF
        mixed = (mixed ^ mixed >> 15) * 2_246_822_519 & 0xFFFFFFFF
        share = (mixed >> 8) % _SPREAD_OF_SIZES / _SPREAD_OF_SIZES
        return max(1, int(self.issue.usual_volume / _LEVELS_PER_DAY * (0.3 + 1.4 * share)))

    def _queue(self, side: OrderSide, price: int) -> list[QueueEntry]:
        queues = self._queues[side]
        if price not in queues:
            public = self._public(side, price)
            queues[price] = [QueueEntry(public)] if public else []
        return queues[price]

    def _take(self, side: OrderSide, price: int, quantity: int) -> list[Match]:
        matches = []
        queue = self._queue(side, price)
        while queue and quantity > 0:
            lot = queue[0]
            taken = min(quantity, lot.quantity)
            lot.quantity -= taken
            quantity -= taken
            matches.append(Match(price, taken, lot.order))
            if lot.quantity == 0:
                queue.pop(0)
                self._own -= lot.order is not None
        return matches

    def _own_prices(self, price: int) -> list[tuple[OrderSide, int]]:
        """Prices of ours that trading at `price` reaches, best first; one side only."""
        bids = sorted((p for p, q in self._queues[OrderSide.BUY].items() if p >= price and _ours(q)), reverse=True)
        asks = sorted(p for p, q in self._queues[OrderSide.SELL].items() if p <= price and _ours(q))
        return [(OrderSide.BUY, p) for p in bids] + [(OrderSide.SELL, p) for p in asks]

    def _sift(self, side: OrderSide, price: int) -> None:
        queue = self._queues[side].get(price, [])
        gone = [lot for lot in queue if lot.quantity == 0]
        self._own -= sum(lot.order is not None for lot in gone)
        queue[:] = [lot for lot in queue if lot.quantity]
        if not queue:
            self._queues[side].pop(price, None)

    def _forget(self, side: OrderSide, price: int) -> None:
        self._own -= sum(lot.order is not None for lot in self._queues[side].pop(price, []))

    def _follow(self, bid: int) -> None:
        """Set the best bid; levels left on the wrong side, far away or empty are dropped, ours stay."""
        self.bid = bid
        reach = self.issue.tick * DEPTH * 3
        for side, queues in self._queues.items():
            for price in list(queues):
                crossed = price > bid if side is OrderSide.BUY else price <= bid
                queue = queues[price]
                if not queue or (not _ours(queue) and (crossed or abs(price - bid) > reach)):
                    del queues[price]


def _ours(queue: list[QueueEntry]) -> bool:
    return any(lot.order for lot in queue)
