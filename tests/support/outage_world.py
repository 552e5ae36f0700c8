"""A journal, its reports and its outages, without a broker: readings are handed in, and time moves when told."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.orders.model.order import OrderState
from bot.orders.reconciliation.report_handler import OrderListSnapshot, ReportHandler
from bot.orders.risk.trading_halt import TradingHalt
from bot.services.outages import OutageTracker
from bot.store.audit.log import AuditLog
from bot.store.journal import SqliteJournal
from bot.store.outbox import Outbox
from bot.store.reading_mark import ReadingMarks
from tests.support.members import notifications
from tests.support.outbox import OWNER, TRADER, Clock, empty_database
from tests.unit.orders.model.test_order import order


class Harness:
    """A journal, its reports and its outages, run after run."""

    def __init__(self):
        self.db = empty_database()
        self.clock = Clock()
        self.seconds = 0.0
        outbox = Outbox(self.db, self.clock)
        self.journal = SqliteJournal(self.db, AuditLog(self.db, self.clock), outbox, clock=self.clock)
        self.notifications = notifications(outbox, OWNER)
        self.start()

    def start(self):
        self.watch = ReportHandler(
            self.journal,
            TradingHalt(self.journal, self.notifications, clock=self.clock),
            self.notifications,
            clock=self.clock,
            day_over=lambda day, now: day < now.date(),
        )
        self.outages = OutageTracker(
            ReadingMarks(self.db), notifications=self.notifications, clock=self.clock, ticks=lambda: self.seconds
        )

    def passes(self, seconds):
        self.clock.forward(timedelta(seconds=seconds))
        self.seconds += seconds

    def sends(self, number=7, *, state=OrderState.OPEN):
        """An order of ours reaches the broker now."""
        now = self.clock()
        numbered: dict[str, Any] = {"order_no": f"{number:010d}", "branch": "06010"} if state is OrderState.OPEN else {}
        one = replace(order(), origin=number, chat_id=TRADER, state=state, day=now.date(), sent_at=now, attempt=1)
        return self.journal.add(replace(one, **numbered), [], [])

    def reads(self, *rows, day=None, took=0.0):
        day = day or self.clock().date()
        self.watch.handle(OrderListSnapshot(day, rows, {}, self.watch.is_over(day)))
        self.outages.succeeded(timedelta(seconds=took))

    @property
    def notices(self):
        rows = self.db.execute("SELECT chat_id, data FROM outbox WHERE kind = 'blind' ORDER BY id").fetchall()
        return [(chat, json.loads(data)) for chat, data in rows]

    @property
    def gap(self):
        """The only gap that was told, to overseer and owner of the order alike."""
        (first, data), (second, same) = self.notices
        assert (first, second, data) == (OWNER, TRADER, same)
        return data
