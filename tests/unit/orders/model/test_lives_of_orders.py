"""Orders that live through whatever comes: lists that lag, lose rows or come twice, restarts, people, the day's end.

The truth stands in `Broker`; the watch sees only readings of it. Orders, journal and outbox are the real ones.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlite_utils import Database

from bot.orders.model.events import (
    Accepted,
    AnswerLost,
    Confirmed,
    ManuallyLinked,
    ManuallyRejected,
    NotFound,
    Submitting,
)
from bot.orders.model.order import FINAL, IN_DOUBT, Attempt, Order, OrderState, apply
from bot.orders.reconciliation.report_handler import OrderListSnapshot, ReportHandler
from bot.orders.reconciliation.resolution import AccountEvidence
from bot.orders.risk.trading_halt import TradingHalt
from bot.store.audit.log import AuditLog
from bot.store.journal import SqliteJournal
from bot.store.migrations.registry import MIGRATIONS
from bot.store.outbox import Outbox
from kis.krx import KST
from kis.models import OrderReport
from tests.support.databases import memory_connection
from tests.support.members import notifications
from tests.support.order_events import report
from tests.unit.orders.model.test_order import order

DAY = date(2026, 11, 23)
MORNING = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
EVENING = datetime(2026, 11, 23, 20, 30, tzinfo=KST)
CASH = 10**9
PRICE = 71_000
OURS, OVERSEER = 1, 9


@dataclass
class Booked:
    """An order as the broker has it; `owner` is our order's id, None for one made in HTS."""

    number: str
    at: datetime
    owner: int | None = None
    price: int = PRICE
    filled: int = 0
    cancelled: int = 0

    def row(self) -> OrderReport:
        left = 10 - self.filled - self.cancelled
        return report(
            order_no=self.number, time=f"{self.at:%H%M%S}", price=self.price, filled=self.filled,
            filled_amount=self.filled * self.price, remaining=left, cancelled=self.cancelled,
        )  # fmt: skip


class LivesOfOrders(RuleBasedStateMachine):
    """Every step takes at least three seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.db = Database(memory_connection(), execute_plugins=False)
        MIGRATIONS.apply(self.db)
        self.now = MORNING
        outbox = Outbox(self.db, self.clock)
        self.journal = SqliteJournal(self.db, AuditLog(self.db, self.clock), outbox, clock=self.clock)
        self.notifications = notifications(outbox, OVERSEER)
        self.numbers = count(1)
        self.booked: list[Booked] = []
        self.under_way: list[tuple[datetime, Booked]] = []
        self.lists: list[tuple[OrderReport, ...]] = [()]
        self.orders: list[int] = []
        self.was: dict[int, Order] = {}

    def clock(self) -> datetime:
        return self.now

    @initialize(fate=st.sampled_from(["answered", "booked"]), delay=st.integers(0, 90))
    def begins(self, fate, delay) -> None:
        self.start()
        self.an_order_is_sent(fate, delay)

    def start(self) -> None:
        trading_halt = TradingHalt(self.journal, self.notifications, clock=self.clock)
        self.watch = ReportHandler(
            self.journal, trading_halt, self.notifications, clock=self.clock, day_over=lambda day, now: now >= EVENING
        )

    # --- the world ----------------------------------------------------------------------------------------------------

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        for due, one in list(self.under_way):
            if due <= self.now:
                one.at = due
                self.booked.append(one)
                self.under_way.remove((due, one))
        self.lists.append(tuple(one.row() for one in self.booked))

    def number(self) -> str:
        return f"{next(self.numbers):010}"

    @rule(seconds=st.integers(3, 120))
    def time_passes(self, seconds) -> None:
        self.passes(seconds)

    @rule(data=st.data(), shares=st.integers(1, 6))
    @precondition(lambda self: self.booked)
    def fills(self, data, shares) -> None:
        ours = [one for one in self.booked if one.owner and one.filled < 10]
        one = data.draw(st.sampled_from(ours or self.booked))
        one.filled += min(shares, 10 - one.filled - one.cancelled)
        self.passes(3)
        self.read(self.lists[-1])

    @rule(data=st.data())
    @precondition(lambda self: any(one.owner for one in self.booked))
    def is_cancelled(self, data) -> None:
        one = data.draw(st.sampled_from([one for one in self.booked if one.owner]))
        one.cancelled = 10 - one.filled
        self.passes(3)

    @rule(same=st.booleans())
    def an_order_is_made_in_hts(self, same) -> None:
        self.booked.append(Booked(self.number(), self.now, price=PRICE if same else PRICE + 100))
        self.passes(3)

    # --- ours ---------------------------------------------------------------------------------------------------------

    @rule(fate=st.sampled_from(["answered", "answered", "booked", "booked", "gone", "crash"]), delay=st.integers(0, 90))
    @precondition(lambda self: not self.journal.in_state(IN_DOUBT))
    def an_order_is_sent(self, fate, delay) -> None:
        one = self.journal.add(replace(order(chat_id=OURS), origin=len(self.orders) + 1, id=0), [], [])
        self.orders.append(one.id)
        one = self.save(one, Confirmed())
        baseline = frozenset(row.order_no for row in self.lists[-1])
        attempt = Attempt(one.id, 1, self.now, baseline, first_at=self.now, means=self.means())
        one = self.save(one, Submitting(1, self.now), attempt=attempt)
        if fate in {"booked", "crash"}:
            self.under_way.append((self.now + timedelta(seconds=delay), Booked(self.number(), self.now, one.id)))
        if fate == "answered":
            booked = Booked(self.number(), self.now, one.id)
            self.booked.append(booked)
            self.save(one, Accepted(booked.number, "06010", f"{self.now:%H%M%S}"))
        elif fate != "crash":
            self.save(one, AnswerLost("NO_ANSWER"))
        self.passes(3)
        if fate == "crash":
            self.restart()

    def save(self, one, event, **more) -> Order:
        after = apply(one, event, self.now)
        self.journal.save(after, event, **more)
        return after

    @rule()
    def restart(self) -> None:
        """All that was not written down is forgotten."""
        for one in self.journal.in_state({OrderState.SUBMITTING}):
            self.save(one, AnswerLost("RESTART"))
        self.start()
        self.passes(3)

    @rule(back=st.integers(0, 3), lost=st.sets(st.integers(0, 5), max_size=2), before=st.integers(0, 2))
    def the_list_is_read(self, back, lost, before) -> None:
        """As it was some steps ago, or without some of its rows, also after it was read as it is."""
        for _ in range(before):
            self.read(self.lists[-1])
        rows = self.lists[max(0, len(self.lists) - 1 - back)]
        self.read(tuple(row for number, row in enumerate(rows) if number not in lost))
        self.passes(3)

    @rule(times=st.integers(2, 25))
    def the_list_is_read_every_ten_seconds(self, times) -> None:
        for _ in range(times):
            self.passes(10)
            self.read(self.lists[-1])

    def read(self, rows: tuple[OrderReport, ...], times: int = 1) -> None:
        """The account's money does not lie."""
        for _ in range(times):
            heard = {one.id: AccountEvidence(self.means()) for one in self.watch.wants_evidence()}
            self.watch.handle(OrderListSnapshot(DAY, rows, heard, self.watch.is_over(DAY)))
            self.watch.remind()

    def means(self) -> int:
        """What can buy: every share ordered and not cancelled is set aside or spent."""
        return CASH - sum((10 - one.cancelled) * one.price for one in self.booked)

    @rule()
    def a_person_says_which(self) -> None:
        """Who was asked looks in HTS, where the truth is."""
        for one in self.journal.in_state({OrderState.UNKNOWN, OrderState.ABSENT}):
            if self.asked(one.id):
                truth = self.truth(one.id)
                if truth is not None:
                    self.save(one, ManuallyLinked(truth.number, "06010", f"{truth.at:%H%M%S}"))
                elif all(waiting.owner != one.id for _, waiting in self.under_way):
                    self.save(one, ManuallyRejected())
        self.passes(3)

    def truth(self, order_id: int) -> Booked | None:
        return next((one for one in self.booked if one.owner == order_id), None)

    def asked(self, order_id: int) -> bool:
        return bool(self.pushes(order_id, "ambiguous") or self.pushes(order_id, "manual"))

    def pushes(self, order_id: int, kind: str, chat: int = OURS) -> list[dict[str, object]]:
        rows = self.db.query(
            "SELECT data FROM outbox WHERE order_id = ? AND kind = ? AND chat_id = ?", [order_id, kind, chat]
        )
        return [json.loads(row["data"]) for row in rows]

    # --- what holds after every step ----------------------------------------------------------------------------------

    def all(self) -> list[Order]:
        return [one for number in self.orders if (one := self.journal.get(number)) is not None]

    @invariant()
    def a_row_belongs_to_one_order_at_most(self) -> None:
        numbers = [one.order_no for one in self.all() if one.order_no]
        assert len(numbers) == len(set(numbers))

    @invariant()
    def a_fill_never_shrinks_and_what_was_told_of_it_sums_to_it(self) -> None:
        for one in self.all():
            for chat in (OURS, OVERSEER):
                told = self.pushes(one.id, "fill", chat)
                assert sum(step["step"] for step in told) == one.filled
                assert sum(step["step_amount"] for step in told) == one.filled_amount
                assert [step["number"] for step in told] == list(range(1, one.growths + 1))
            before = self.was.get(one.id, one)
            assert before.filled <= one.filled
            assert before.version <= one.version
            self.was[one.id] = one

    @invariant()
    def what_is_called_absent_was_not_there(self) -> None:
        """What is booked after that is found late, and never sent again."""
        for one in self.all():
            assert one.attempt <= 1
            if one.state is OrderState.ABSENT and (truth := self.truth(one.id)) is not None:
                (row,) = self.db.query(
                    "SELECT min(at) AS at FROM audit WHERE action = 'order.not_found' AND order_id = ?", [one.id]
                )
                assert datetime.fromisoformat(row["at"]) <= truth.at

    def teardown(self) -> None:
        """Everything heals: readings are true, people answer, the day ends. Then all is settled and all is told."""
        if not hasattr(self, "watch"):
            return
        for _ in range(20):
            self.passes(60)
            self.read(self.lists[-1])
            self.a_person_says_which()
        self.now = EVENING
        self.passes(3)
        self.read(self.lists[-1], times=2)
        numbers = {one.number: one for one in self.booked}
        for one in self.all():
            assert one.state in FINAL, one
            if one.order_no:
                row = numbers[one.order_no]
                assert (one.filled, one.filled_amount) == (row.filled, row.filled * row.price)
            ends = [
                *self.pushes(one.id, "ended"),
                *(told for told in self.pushes(one.id, "fill") if told["filled"] == 10),
            ]
            assert ends or one.state is OrderState.NEVER_BOOKED, one
        self.a_row_belongs_to_one_order_at_most()
        self.a_fill_never_shrinks_and_what_was_told_of_it_sums_to_it()
        self.db.close()


TestLivesOfOrders = LivesOfOrders.TestCase
pytest.mark.slow(TestLivesOfOrders)
TestLivesOfOrders.settings = settings(
    max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("delay", [10, 60])
def test_a_day_does_not_end_over_a_row_that_may_be_a_lost_order(delay):
    """Nobody may read that it was never booked while the list shows it; the ten seconds are not over yet."""
    world = LivesOfOrders()
    world.start()
    world.an_order_is_sent("booked", delay)
    (lost,) = world.all()
    world.save(lost, NotFound())
    world.passes(100)
    world.now = EVENING

    world.read(world.lists[-1])

    assert world.all()[0].state is OrderState.ABSENT
    world.db.close()


def test_a_day_does_not_end_over_a_list_that_lacks_the_order():
    """What it filled last would never be told."""
    world = LivesOfOrders()
    world.start()
    world.an_order_is_sent("answered", 0)
    world.now = EVENING

    world.read(())

    assert world.all()[0].state is OrderState.OPEN
    world.db.close()
