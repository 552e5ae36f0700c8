"""One life of the bot in virtual time: the real desk, watch, poll, journal and client, put together as `bot.app.application` does.

Telegram alone is left out: what people are told is read off the outbox. A life can end at any moment, as by `kill -9`:
everything it was doing stops where it stands, and what it tries to write after that reaches nothing.
"""

import asyncio
import contextlib
import contextvars
import sqlite3
from collections.abc import Callable, Coroutine, Generator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlite_utils import Database

from bot.orders.approvals.policy import ApprovalPolicy
from bot.orders.execution.desk import Desk
from bot.orders.hours import TradingHours
from bot.orders.reconciliation.report_handler import OrderListSnapshot, ReportHandler
from bot.orders.reconciliation.report_reader import ReportReader
from bot.orders.risk.checks import Limits
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from bot.store.audit.log import AuditLog
from bot.store.journal import SqliteJournal
from bot.store.outbox import Outbox
from bot.store.runs import Runs
from kis.client import KisClient
from kis.errors import KisError
from kis.executions import ExecutionsPoll
from tests.chaos.error_log import LOGGED
from tests.chaos.world import RICH
from tests.support.databases import memory_database
from tests.support.members import FixedRoster, never_asks, notifications

OWNER_CHAT = 1001
BUSY, IN_SESSION = 3.0, 15.0
SWEEP = 2.0
NO_LIMIT = 10**18
LIMITS = Limits(
    max_quantity=10**6,
    soft_value=NO_LIMIT,
    max_value=RICH,
    day_value_user=NO_LIMIT,
    day_value_account=NO_LIMIT,
    day_orders_user=0,
    orders_per_minute=0,
    cool_off_rejects=0,
)
"""What is under test is what becomes of orders: the money limits are out of the way."""

T = TypeVar("T")
_LIFE: contextvars.ContextVar["Life | None"] = contextvars.ContextVar("life", default=None)


class Died(Exception):
    """The bot is gone before it answered."""


class _ClosedConnection:
    """What a dead bot has in place of its database."""

    def __getattr__(self, name: str) -> Any:
        raise Died(name)


def belonging(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T] | Generator[Any, None, T], **how: Any
) -> asyncio.Task[T]:
    """A task factory: whatever a life starts is a part of it, and dies with it."""
    task = asyncio.Task(coro, loop=loop, **how)
    life = _LIFE.get()
    if life is not None:
        life.tasks.add(task)
        task.add_done_callback(life.tasks.discard)
    return task


def outside() -> contextvars.Context:
    """The present context, for tasks that belong to no life."""
    context = contextvars.copy_context()
    context.run(_LIFE.set, None)
    return context


def database() -> sqlite3.Connection:
    """A new database in memory, of the newest schema."""
    made = memory_database().conn
    assert made is not None
    made.execute("PRAGMA foreign_keys=ON")
    return made


class Host(Protocol):
    """What a bot runs on."""

    home: Path

    @property
    def clock(self) -> Callable[[], datetime]: ...

    def client(self) -> KisClient: ...


class Life:
    """From a start to a death."""

    def __init__(self, world: Host, connection: sqlite3.Connection) -> None:
        clock = world.clock
        self.tasks: set[asyncio.Task[Any]] = set()
        self.dead = False
        self.db = Database(connection, execute_plugins=False)
        self.audit = AuditLog(self.db, clock)
        self.outbox = Outbox(self.db, clock)
        self.journal = SqliteJournal(self.db, self.audit, self.outbox, clock=clock)
        self.runs = Runs(self.db, self.audit, world.home, clock)
        self.notifications = notifications(self.outbox, OWNER_CHAT)
        self.trading_halt = TradingHalt(self.journal, self.notifications, clock=clock)
        hours = TradingHours(always=True)
        self.watch = ReportHandler(
            self.journal, self.trading_halt, self.notifications, clock=clock, day_over=hours.day_over
        )
        self.client = world.client()
        self.lists = ReportReader(self.client, self.watch, hours, clock=clock)
        self.poll: ExecutionsPoll[list[OrderListSnapshot]] = ExecutionsPoll(self.lists.read, self._interval)
        self.desk = Desk(
            self.client,
            self.journal,
            self.trading_halt,
            hours,
            FixedRoster(OWNER_CHAT),
            never_asks(self.notifications),
            self.notifications,
            clock=clock,
            limits_of=lambda _: LIMITS,
            policy=ApprovalPolicy(),
            position_percent=Decimal(0),
            resume_pause=0,
            external_orders=self.watch.external_orders,
            poll_reports=self.poll.wake,
            run_number=lambda: self.runs.number,
        )
        self.readings = 0

    def begin(self) -> None:
        """Recover, then work, as `App` does."""
        self.start(self._run())

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Have the bot do something; it stops when the bot dies."""
        context = contextvars.copy_context()
        context.run(_LIFE.set, self)
        return context.run(asyncio.get_running_loop().create_task, work)

    async def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done and wait for the answer.

        Raises:
            Died: there is none.
        """
        if self.dead:
            work.close()
            raise Died
        task = self.start(work)
        await asyncio.wait([task])
        if task.cancelled() or self.dead:
            raise Died
        return task.result()

    async def end(self) -> None:
        """Die at once."""
        self.dead = True
        self.db.conn = _ClosedConnection()  # type: ignore[assignment]
        left = list(self.tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _run(self) -> None:
        start = self.runs.begin("chaos")
        if start.restored:
            self.trading_halt.halt(HaltLevel.NEW, "RESTORED")
        elif start.unclean:
            self.trading_halt.halt(HaltLevel.BUYS, "UNCLEAN_STOP")
        self.desk.recover()
        with contextlib.suppress(KisError):
            await self._note(await self.lists.read())
        await asyncio.gather(self.poll.run(self._note, self._nothing, self._nothing), self._sweep())

    async def _note(self, readings: list[OrderListSnapshot]) -> None:
        for reading in readings:
            try:
                self.watch.handle(reading)
            except Exception as fault:  # noqa: BLE001  # as in the bot, where it must not end the watch
                LOGGED.append(f"a reading could not be taken in ({type(fault).__name__}: {fault})")
        self.readings += 1
        if self.desk.risk_context.recovering and not self.watch.unresolved():
            self.desk.risk_context.recovering = False

    async def _nothing(self, *_: object) -> None:
        """What `App` writes to its log here is not of interest."""

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self.desk.expire()
            self.watch.remind()

    def _interval(self) -> float:
        return BUSY if self.watch.busy() else IN_SESSION
