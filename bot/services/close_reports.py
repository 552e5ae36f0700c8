"""Writes the reports at the close, once for every member: late rather than never, but never a day late."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

import structlog

from bot.orders.access.roles import Roster
from bot.reports.bookkeeper import Bookkeeper
from bot.store.outbox import Outbox
from bot.store.reports import ReportStore
from kis.errors import KisError

log = structlog.get_logger(__name__)

CHECK_INTERVAL = 1.0
"""Seconds between checks whether a report is due."""
RETRY_INTERVAL = timedelta(minutes=1)


class CloseReports:
    """Waits for the times at which reports are due."""

    def __init__(
        self,
        bookkeeper: Bookkeeper,
        store: ReportStore,
        outbox: Outbox,
        roster: Roster,
        *,
        clock: Callable[[], datetime],
        report_times: Callable[[date], Iterable[datetime]],
    ) -> None:
        """`report_times`: when a day's reports are due, earliest first. `roster`: who gets them, read each time."""
        self._bookkeeper = bookkeeper
        self._store = store
        self._clock = clock
        self._report_times = report_times
        self._outbox = outbox
        self._roster = roster
        self._next = clock()
        self._done: datetime | None = None
        self._base_kept = False
        self._opened = store.opened()

    async def run(self) -> None:
        """Report, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_INTERVAL)

    async def check(self) -> None:
        """Write what is due, and keep the base from which the profit of the next days is worked out."""
        now = self._clock()
        if now < self._next <= now + RETRY_INTERVAL:  # a clock that was set back does not make it wait longer
            return
        due = self._due(now)
        if self._base_kept and due in {None, self._done}:
            return
        self._next = now + RETRY_INTERVAL
        try:
            if due is not None:
                await self._report(due)
            last = due is not None and due == max(self._report_times(due.date()))
            self._base_kept = await self._bookkeeper.keep_base(due if last else None)
        except KisError as error:
            log.warning("a report has to wait", code=error.code, why=type(error).__name__)
        except Exception:  # the disk, or an error of our own: tried again
            log.exception("a report could not be written")
        else:
            if self._base_kept:
                self._done, self._next = due, now

    def _due(self, now: datetime) -> datetime | None:
        """The latest report time of today that has passed; its report covers an earlier one that was not written."""
        over = [one for one in self._report_times(now.date()) if self._opened <= one <= now]
        return over[-1] if over else None

    async def _report(self, due: datetime) -> None:
        if not self._store.told(due):
            report = await self._bookkeeper.day(due.date())
            before = self._store.last_told(due)
            quiet = before is not None and before.fills == report.fills
            self._store.tell(due, report, [one.user_id for one in self._roster.all()], quiet=quiet)
        if self._store.unfinished(due):
            self._round_up(due)
            self._store.finish(due)

    def _round_up(self, due: datetime) -> None:
        """Queue the list of what each member had silenced; after a crash in here, once more, and queued once."""
        for one in self._roster.all():
            if self._outbox.withheld(one.user_id):
                self._outbox.put("roundup", one.user_id, {}, f"roundup:{due.isoformat()}:{one.user_id}")
