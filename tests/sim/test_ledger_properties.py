"""Whatever is ordered, cancelled, traded and slept over: money and shares add up."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kis.sim.exchange.exchange import Exchange
from kis.sim.exchange.orders import Action, OrderRejected, OrderSide
from kis.sim.exchange.prices import listed

CODES = ["005930", "069500", "027360"]
LISTINGS = [listing for listing in listed() if listing.code in CODES]
START_CASH, START_SHARES = 3_000_000, {"005930": (10, 70000), "069500": (5, 40000)}
ticks = st.integers(-12, 12)
shares = st.integers(1, 40)


class Account(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32), depth=st.sampled_from([1, 7, 1_000]))
    def begin(self, seed, depth):
        self.now = datetime(2026, 11, 20, 10, tzinfo=timezone(timedelta(hours=9)))
        self.exchange = Exchange(
            clock=lambda: self.now, rng=random.Random(seed), cash=START_CASH, holdings=START_SHARES, listings=LISTINGS
        )
        for book in self.exchange.books.values():
            book.depth = depth

    def attempt(self, call, *args):
        ledger = self.exchange.ledger
        before = (ledger.cash, ledger.buying_power, len(self.exchange.orders))
        try:
            call(*args)
        except OrderRejected:
            assert (ledger.cash, ledger.buying_power, len(self.exchange.orders)) == before

    def near(self, code, away):
        issue = self.exchange.quote(code)
        return max(issue.lower, min(issue.upper, issue.step(issue.last, away)))

    @rule(side=st.sampled_from(["buy", "sell"]), code=st.sampled_from(CODES), quantity=shares, away=ticks)
    def limit(self, side, code, quantity, away):
        self.attempt(self.exchange.submit, side, code, "00", quantity, self.near(code, away))

    @rule(
        side=st.sampled_from(["buy", "sell"]),
        code=st.sampled_from(CODES),
        quantity=shares,
        kind=st.sampled_from(["01", "03", "04"]),
    )
    def unpriced(self, side, code, quantity, kind):
        self.attempt(self.exchange.submit, side, code, kind, quantity)

    @rule(pick=st.integers(0, 50), quantity=st.none() | shares)
    def cancel(self, pick, quantity):
        if self.exchange.orders:
            order = self.exchange.orders[pick % len(self.exchange.orders)]
            self.attempt(self.exchange.cancel, order.number, quantity)

    @rule(pick=st.integers(0, 50), quantity=st.none() | shares, away=ticks)
    def revise(self, pick, quantity, away):
        if self.exchange.orders:
            order = self.exchange.orders[pick % len(self.exchange.orders)]
            self.attempt(self.exchange.revise, order.number, self.near(order.code, away), quantity)

    @rule(code=st.sampled_from(CODES), quantity=shares, away=ticks)
    def trade(self, code, quantity, away):
        assert 0 <= self.exchange.trade(code, self.near(code, away), quantity) <= quantity

    @rule(code=st.sampled_from(CODES), away=ticks)
    def set_price(self, code, away):
        self.exchange.set_price(code, self.near(code, away))

    @rule(steps=st.integers(1, 20))
    def step(self, steps):
        for _ in range(steps):
            self.exchange.step()

    @rule(hours=st.integers(1, 60))
    def sleep(self, hours):
        self.now += timedelta(hours=hours)
        self.exchange.roll()

    @invariant()
    def nothing_is_negative(self):
        ledger = self.exchange.ledger
        assert ledger.cash >= 0
        assert ledger.buying_power >= 0
        assert all(position.quantity >= 0 for position in ledger.positions.values())
        assert all(ledger.sellable(code) >= 0 for code in CODES)
        assert all(amount > 0 for amount in ledger.reserved.values())

    @invariant()
    def money_is_what_the_fills_made_it(self):
        made = START_CASH
        for fill in self.exchange.fills:
            amount = fill.quantity * fill.price
            made += amount if fill.order.side is OrderSide.SELL else -amount
            made -= fill.fee + fill.tax
        assert self.exchange.cash == made

    @invariant()
    def shares_are_what_the_fills_made_them(self):
        for code in CODES:
            made = START_SHARES.get(code, (0, 0))[0]
            for fill in self.exchange.fills:
                if fill.order.code == code:
                    made += fill.quantity if fill.order.side is OrderSide.BUY else -fill.quantity
            assert self.exchange.ledger.held(code) == made

    @invariant()
    def every_order_adds_up(self):
        for order in self.exchange.orders:
            fills = [fill for fill in self.exchange.fills if fill.order is order]
            assert order.filled == sum(fill.quantity for fill in fills)
            assert order.filled_amount == sum(fill.quantity * fill.price for fill in fills)
            assert order.fee == self.exchange.ledger.fee(order.filled_amount)
            assert order.open >= 0
            if order.action is Action.CANCEL:
                assert order.filled == 0

    @invariant()
    def promises_belong_to_open_orders_and_open_orders_to_the_book(self):
        ledger = self.exchange.ledger
        open_orders = set(self.exchange.open_orders())
        assert set(ledger.reserved) | set(ledger.reserved_shares) == open_orders
        for code, book in self.exchange.books.items():
            mine = sum(order.open for order in open_orders if order.code == code)
            lots = [lot for side in book._queues.values() for queue in side.values() for lot in queue]
            assert sum(lot.quantity for lot in lots if lot.order) == mine
            assert book._own_entries == sum(order.code == code for order in open_orders)

    @invariant()
    def the_book_is_never_crossed(self):
        for code, book in self.exchange.books.items():
            for order in self.exchange.open_orders():
                if order.code == code:
                    assert order.price <= book.bid if order.side is OrderSide.BUY else order.price >= book.ask


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
