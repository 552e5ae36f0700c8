"""The order book of one issue: the public's quantities at every price, and the account's orders among them.

The best bid and the best ask are always one tick apart: after an order has consumed levels, the public fills the gap
at once. Each price has a queue in time priority.
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
_SIZE_STEPS = 1 << 16


@dataclass(slots=True)
class QueueEntry:
    """An entry of a queue; the public's if `order` is None."""

    quantity: int
    order: BookedOrder | None = None


class Match(NamedTuple):
    """Shares traded at a price; `order` is the account's resting order, None for the public's."""

    price: int
    quantity: int
    order: BookedOrder | None


class BookLevel(NamedTuple):
    """One visible level of the book."""

    price: int
    quantity: int


class MatchingBook:
    """Queues by price around the best bid.

    Attributes:
        issue: the issue.
        bid: the best bid in won; the best ask is one tick higher.
        depth: shares of the public at every price, or None for seeded sizes.
    """

    def __init__(self, issue: Issue, rng: random.Random) -> None:
        self.issue = issue
        self.bid = issue.last
        self.depth: int | None = None
        self._salt = rng.getrandbits(32)
        self._queues: dict[OrderSide, dict[int, list[QueueEntry]]] = {OrderSide.BUY: {}, OrderSide.SELL: {}}
        self._own_entries = 0

    @property
    def ask(self) -> int:
        """The best ask in won."""
        return self.issue.step(self.bid, 1)

    @property
    def has_own_orders(self) -> bool:
        """Whether orders of the account rest here."""
        return self._own_entries > 0

    def levels(self, side: OrderSide) -> list[BookLevel]:
        """The visible levels of one side, best first; fewer than ten only at a price limit."""
        return [
            BookLevel(price, sum(entry.quantity for entry in self._queue(side, price)))
            for price, _ in zip(self._prices(side), range(DEPTH), strict=False)
        ]

    def available(self, taker: OrderSide, limit: int | None) -> list[BookLevel]:
        """The levels an incoming order could trade with now: ten, or all up to its limit price."""
        resting = taker.other
        if limit is None:
            return self.levels(resting)
        found = []
        for price in self._prices(resting):
            if price > limit if taker is OrderSide.BUY else price < limit:
                break
            found.append(BookLevel(price, sum(entry.quantity for entry in self._queue(resting, price))))
        return found

    def sweep(self, taker: OrderSide, quantity: int, limit: int | None) -> list[Match]:
        """Matches at most `quantity` shares of an incoming order with the other side, in price-time priority.

        `limit` is the worst acceptable price in won; None for the ten visible levels.
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
                self._set_bid(price if taker is OrderSide.BUY else self.issue.step(price, -1))
        return matches

    def rest(self, order: BookedOrder, quantity: int) -> None:
        """Adds the rest of an order to its queue: last, or first at a new best price."""
        entry = QueueEntry(quantity, order)
        buying = order.side is OrderSide.BUY
        best = order.price > self.bid if buying else order.price < self.ask
        if best:
            self._set_bid(order.price if buying else self.issue.step(order.price, -1))
        queue = self._queue(order.side, order.price)
        queue.insert(0 if best else len(queue), entry)
        self._own_entries += 1

    def remove(self, order: BookedOrder, quantity: int) -> None:
        """Removes shares of a resting order; the rest keeps its place."""
        queue = self._queues[order.side].get(order.price, [])
        for entry in queue:
            if entry.order is order:
                entry.quantity -= quantity
        self._own_entries -= sum(entry.order is not None and entry.quantity == 0 for entry in queue)
        queue[:] = [entry for entry in queue if entry.quantity]
        if not queue:
            self._queues[order.side].pop(order.price, None)

    def move_to(self, price: int) -> list[Match]:
        """Moves the market to a price: the account's orders at it or beyond are filled completely."""
        matches = []
        for side, order_price in self._own_prices(price):
            entries = [entry for entry in self._queues[side].pop(order_price) if entry.order]
            matches += [Match(order_price, entry.quantity, entry.order) for entry in entries]
            self._own_entries -= len(entries)
        self._set_bid(price)
        return matches

    def trade_through(self, price: int, quantity: int) -> list[Match]:
        """The public trades through to a price; `quantity` shares of it fill the account's orders.

        The public's entries ahead of them count as traded. If the quantity runs out, the price is that of the last
        order filled.
        """
        matches: list[Match] = []
        reached, own = price, self._own_prices(price)
        for side, order_price in own:
            if quantity <= 0:
                break
            reached = order_price
            queue = self._queues[side][order_price]
            while queue and quantity > 0:
                entry = queue[0]
                if entry.order is None:
                    queue.pop(0)
                    continue
                taken = min(quantity, entry.quantity)
                entry.quantity -= taken
                quantity -= taken
                matches.append(Match(order_price, taken, entry.order))
                if entry.quantity == 0:
                    queue.pop(0)
                    self._own_entries -= 1
        if quantity > 0 or not matches:
            reached = price
        selling = reached >= self.ask or (bool(matches) and own[0][0] is OrderSide.SELL)
        self._set_bid(self.issue.step(reached, -1) if selling else reached)
        return matches

    def trade(self, taker: OrderSide, quantity: int) -> list[Match]:
        """The public trades at the best price; an emptied level moves the market by a tick."""
        resting = taker.other
        price = self.ask if taker is OrderSide.BUY else self.bid
        if not self._within_limits(price):
            return []
        matches = self._take(resting, price, quantity)
        if not self._queues[resting].get(price):
            self._set_bid(price if taker is OrderSide.BUY else self.issue.step(price, -1))
        return matches

    def drift(self, ticks: int) -> None:
        """Moves a book without orders of the account, and draws its sizes anew."""
        target = self.issue.step(self.bid, ticks)
        if self._within_limits(target):
            self._set_bid(target)
        self._salt = (self._salt * 1_103_515_245 + 12_345) & 0xFFFFFFFF
        for queues in self._queues.values():
            queues.clear()

    def start_day(self) -> None:
        """Starts a day: no order is left, and the levels are drawn anew."""
        for queues in self._queues.values():
            queues.clear()
        self._own_entries = 0
        self._set_bid(self.issue.last)

    def best(self, taker: OrderSide) -> tuple[int, int, int]:
        """At the other side's best price: all shares, those ahead of the account's last order, and those in it."""
        price = self.ask if taker is OrderSide.BUY else self.bid
        if not self._within_limits(price):
            return 0, 0, 0
        queue = self._queue(taker.other, price)
        total = ahead = own = 0
        for entry in queue:
            if entry.order is not None:
                ahead, own = total, entry.quantity
            total += entry.quantity
        return total, ahead, own

    # --- inside -------------------------------------------------------------------------------------------

    def _within_limits(self, price: int) -> bool:
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
        share = (mixed >> 8) % _SIZE_STEPS / _SIZE_STEPS
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
            entry = queue[0]
            taken = min(quantity, entry.quantity)
            entry.quantity -= taken
            quantity -= taken
            matches.append(Match(price, taken, entry.order))
            if entry.quantity == 0:
                queue.pop(0)
                self._own_entries -= entry.order is not None
        return matches

    def _own_prices(self, price: int) -> list[tuple[OrderSide, int]]:
        """Prices of the account's orders that trading at `price` reaches, best first; one side only."""
        bids = sorted((p for p, q in self._queues[OrderSide.BUY].items() if p >= price and _has_own(q)), reverse=True)
        asks = sorted(p for p, q in self._queues[OrderSide.SELL].items() if p <= price and _has_own(q))
        return [(OrderSide.BUY, p) for p in bids] + [(OrderSide.SELL, p) for p in asks]

    def _set_bid(self, bid: int) -> None:
        """Sets the best bid; drops empty levels, and those crossed or far away without orders of the account."""
        self.bid = bid
        reach = self.issue.tick * DEPTH * 3
        for side, queues in self._queues.items():
            for price in list(queues):
                crossed = price > bid if side is OrderSide.BUY else price <= bid
                queue = queues[price]
                if not queue or (not _has_own(queue) and (crossed or abs(price - bid) > reach)):
                    del queues[price]


def _has_own(queue: list[QueueEntry]) -> bool:
    return any(entry.order for entry in queue)
