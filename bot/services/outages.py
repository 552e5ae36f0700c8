"""How long the order list could not be read while orders of ours were open, and what was found when that ended.

Whatever keeps the list from being read and taken in (the broker does not answer, an answer takes long, the poll is
stuck, the machine sleeps, the process is gone) is the same to somebody who waits for a fill: an outage, told once when
it is over.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from bot.orders.access.notifications import Notifications
from bot.orders.model.notice import Notice
from bot.store.reading_mark import ReadingMark, ReadingMarks, SentOrder

MIN_OUTAGE = timedelta(seconds=20)
"""Up to this it is the poll's ordinary wait for an answer."""


def uptime() -> float:
    """Seconds that no setting of the clock changes and that go on while the machine sleeps."""
    which = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if which is None else time.clock_gettime(which)


def outage_of(mark: ReadingMark, sent: Sequence[SentOrder], now: datetime, elapsed: timedelta) -> timedelta:
    """How long orders of ours were open while the list was not read, up to now; zero where none were.

    `sent`: orders open at the last clean reading, `mark`, and those that left since; `elapsed`: time since then, by a
    clock that is never set where there is one.
    """
    if mark.open:
        return max(elapsed, timedelta())
    # With nothing open the list is read every 15 or 60 seconds: that interval is no outage until an order leaves.
    opened = min((one.sent_at for one in sent), default=now)
    return max(timedelta(), min(elapsed, now - opened))


def reading_time(lists: Iterable[int], page: int, interval: float) -> timedelta:
    """How much longer a reading takes than a single call: the broker gives a list page by page at its own pace.

    `lists`: rows of each list; `page`: rows of a page; `interval`: seconds between two calls.
    """
    calls = sum(max(1, -(-rows // page)) for rows in lists)
    return timedelta(seconds=interval * max(0, calls - 1))


class OutageTracker:
    """Keeps the time of the last clean reading, on disk too, and tells of outages between two of them."""

    def __init__(
        self,
        marks: ReadingMarks,
        *,
        notifications: Notifications,
        clock: Callable[[], datetime],
        ticks: Callable[[], float] = uptime,
    ) -> None:
        """Begins a run; `ticks`: seconds that only ever go forward, from any beginning."""
        self._marks = marks
        self._notifications = notifications
        self._clock = clock
        self._ticks = ticks
        self._began = clock()
        self._mark: ReadingMark | None = None
        self._tick = ticks()

    def silence(self) -> float:
        """Seconds since the last clean reading of this run, or since it began."""
        return self._ticks() - self._tick

    def failed(self) -> None:
        """A reading failed."""
        self._marks.unread()

    def succeeded(self, took: timedelta = timedelta()) -> None:
        """A clean reading was taken in just now; the outage before it, if there was one, is told.

        `took`: how long a list of this length takes in any case: reading a long one is no outage.
        """
        limit = MIN_OUTAGE + took
        now, tick = self._clock(), self._ticks()
        before = self._mark or self._marks.last()
        elapsed = timedelta()
        if self._mark is not None:
            elapsed = timedelta(seconds=tick - self._tick)
        elif before is not None:  # between two runs there is only the clock
            elapsed = now - before.at
        if before is None or elapsed <= limit:
            self._mark = self._marks.mark(now)
        else:
            with self._marks.together():
                self._notifications.tell(self._notices(before, now, elapsed, limit))
                self._mark = self._marks.mark(now)
        self._tick = tick

    def _notices(self, mark: ReadingMark, now: datetime, elapsed: timedelta, limit: timedelta) -> list[Notice]:
        sent = self._marks.sent_since(mark)
        outage = outage_of(mark, sent, now, elapsed)
        if outage <= limit:
            return []
        known = self._marks.last()
        found = self._marks.found_since(mark)
        data = {
            "since": (now - outage).isoformat(),
            "until": now.isoformat(),
            "open": len(sent),
            "fills": found.fills,
            "shares": found.shares,
            "orders": found.orders,
            "ended": dict(found.ended or {}),
            "off": self._began.isoformat() if self._mark is None else "",
            "unread": known is not None and known.unread,
        }
        chats = dict.fromkeys([*self._notifications.overseers(), *(one.chat_id for one in sent)])
        return [Notice("blind", chat, data, f"blind:{mark.at.isoformat()}:{chat}") for chat in chats]
