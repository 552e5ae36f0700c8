"""The reports at the close: written once for everybody who is let in; late rather than never, but never a day late."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, timedelta

import structlog

from bot.orders.access.roles import Roster
from bot.reports.bookkeeper import Bookkeeper
from bot.store.outbox import Outbox
from bot.store.reports import ReportStore
from kis.errors import KisError

log = structlog.get_logger(__name__)

LOOK = 1.0
"""Seconds between looks at the clock."""
AGAIN = timedelta(minutes=1)
"""Between tries while the broker cannot be read."""


class CloseReports:
    """Waits for the ends of sessions."""

    def __init__(
        self,
        keeper: Bookkeeper,
        book: ReportStore,
        outbox: Outbox,
        roster: Roster,
        *,
        clock: Callable[[], datetime],
        moments: Callable[[date], Iterable[datetime]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`moments`: when a day's reports are due, earliest first. `roster`: who gets them, read each time."""
        self._keeper = keeper
        self._book = book
        self._clock = clock
        self._moments = moments
        self._outbox = outbox
        self._roster = roster
        self._sleep = sleep
        self._next = clock()
        self._done: datetime | None = None
        self._based = False
        self._opened = book.opened()

    async def run(self) -> None:
        """Report, until cancelled."""
        while True:
            await self.look()
            await self._sleep(LOOK)

    async def look(self) -> None:
        """Write what is due, and see to the base from which the next days are reckoned."""
        now = self._clock()
        if now < self._next <= now + AGAIN:  # a clock that was set back does not make it wait longer
            return
        due = self._due(now)
        if self._based and due in {None, self._done}:
            return
        self._next = now + AGAIN
        try:
            if due is not None:
                await self._report(due)
            evening = due is not None and due == max(self._moments(due.date()))
            self._based = await self._keeper.keep_base(due if evening else None)
        except KisError as error:
            log.warning("a report has to wait", code=error.code, why=type(error).__name__)
        except Exception:  # a disk that refuses, a fault of ours: the bot goes on, and this is tried again
            log.exception("a report could not be written")
        else:
            if self._based:
                self._done, self._next = due, now

    def _due(self, now: datetime) -> datetime | None:
        """The newest closing of today: an earlier one that could not be told is told by it."""
        over = [one for one in self._moments(now.date()) if self._opened <= one <= now]
        return over[-1] if over else None

    async def _report(self, due: datetime) -> None:
        if not self._book.told(due):
            report = await self._keeper.day(due.date())
            before = self._book.last_told(due)
            quiet = before is not None and before.fills == report.fills
            self._book.tell(due, report, [one.user_id for one in self._roster.all()], quiet=quiet)
        if self._book.unfinished(due):
            self._round_up(due)
            self._book.finish(due)

    def _round_up(self, due: datetime) -> None:
        """Whoever had silenced something learns what it was; after a crash in here, once more, and told once."""
        for one in self._roster.all():
            if self._outbox.withheld(one.user_id):
                self._outbox.put("roundup", one.user_id, {}, f"roundup:{due.isoformat()}:{one.user_id}")
