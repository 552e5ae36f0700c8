"""Writes the reports at the close, once for every member: late rather than never, but never a day late."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, timedelta

import structlog

from bot.reports.bookkeeper import Bookkeeper
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
        *,
        clock: Callable[[], datetime],
        report_times: Callable[[date], Iterable[datetime]],
        chats: Callable[[], Iterable[int]],
        wake: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`report_times`: when a day's reports are due, earliest first. `chats`: who gets them, read each time."""
        self._bookkeeper = bookkeeper
        self._store = store
        self._clock = clock
        self._report_times = report_times
        self._chats = chats
        self._wake = wake
        self._sleep = sleep
        self._next = clock()
        self._done: datetime | None = None
        self._base_kept = False
        self._opened = store.opened()
        self.after: Callable[[datetime], None] = lambda _time: None
        """Called with the time of a report once its messages are written; after a crash just then, once more."""

    async def run(self) -> None:
        """Report, until cancelled."""
        while True:
            await self.check()
            await self._sleep(CHECK_INTERVAL)

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
            self._store.tell(due, report, self._chats(), quiet=quiet)
            self._wake()
        if self._store.unfinished(due):
            self.after(due)
            self._store.finish(due)
