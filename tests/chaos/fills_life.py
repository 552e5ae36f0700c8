"""One life of the bot as in `tests.chaos.life`, with its fill stream and its outages, and a death at any statement of a reading."""

import asyncio
import random
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.orders.reconciliation.report_handler import OrderListSnapshot
from bot.orders.risk.trading_halt import HaltLevel
from bot.services.fill_stream import FillStream
from bot.services.outages import OutageTracker
from bot.services.trade_feed import LiveStream, TradeFeed
from bot.store.reading_mark import ReadingMarks, StreamStats
from kis.errors import KisError
from tests.chaos.life import Life

if TYPE_CHECKING:
    from tests.chaos.fills_world import FillsWorld


class Killed(BaseException):
    """The process is gone in the middle of a statement; no handler of an ordinary fault sees it."""


class DyingConnection:
    """The database's connection, until it is gone with its process.

    Attributes:
        left: statements that are still carried out; None for no end.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.left: int | None = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if self.left is not None and not sql.startswith("PRAGMA"):
            self.left -= 1
            if self.left < 0:
                raise Killed(sql)
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class FillsLife(Life):
    """Puts together what `App` does about fills.

    Attributes:
        dies_after: after so many statements of the next reading that is taken in, the process is gone; None for never.
    """

    def __init__(self, world: "FillsWorld", connection: sqlite3.Connection) -> None:
        super().__init__(world, connection)
        self.world = world
        self.dying = DyingConnection(connection)
        self.db.conn = self.dying  # type: ignore[assignment]  # it does all that a connection does
        self.dies_after: int | None = None
        loop = asyncio.get_running_loop()
        self.outages = OutageTracker(
            ReadingMarks(self.db), notifications=self.notifications, clock=world.clock, ticks=loop.time
        )
        self.stream = FillStream(
            world.config,
            TradeFeed(world.clock),
            wake=self.poll.wake,
            notifications=self.notifications,
            clock=world.clock,
            always=True,
            stats=StreamStats(self.db),
            stream=partial(LiveStream, transport=world.wire, rng=random.Random(f"{world.seed}:stream")),
        )

    async def _run(self) -> None:
        start = self.runs.begin("chaos")
        if start.unclean:
            self.trading_halt.halt(HaltLevel.BUYS, "UNCLEAN_STOP")
        self.desk.recover()
        try:
            await self._note(await self.lists.read())
        except KisError:
            self.outages.failed()
        await asyncio.gather(self.poll.run(self._note, self._failed, self._nothing), self._sweep(), self.stream.run())

    async def _note(self, readings: list[OrderListSnapshot]) -> None:
        self.dying.left, self.dies_after = self.dies_after, None
        for reading in readings:
            self.watch.handle(reading)
            self.stream.on_snapshot(reading)
        self.outages.succeeded()
        self.dying.left = None
        self.world.account.saw(self.world.clock(), asyncio.get_running_loop().time())
        self.readings += 1
        if self.desk.risk_context.recovering and not self.watch.unresolved():
            self.desk.risk_context.recovering = False

    async def _failed(self, _: KisError) -> None:
        self.outages.failed()
