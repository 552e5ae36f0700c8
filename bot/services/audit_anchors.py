"""Posts the head of the audit chain to the chats once a day, where nobody on this machine can change it unnoticed.

A posted head fixes every row up to it. Cutting the log off, or rewriting it with the day's own key, then no longer
agrees with what the overseers' chats show.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.model.notice import Notice
from bot.store.audit.log import AuditLog
from bot.store.order_history import OrderHistory

log = structlog.get_logger(__name__)

RETRY_INTERVAL = timedelta(minutes=1)
ALARMING = frozenset({"lost", "damaged", "restored"})
"""Why a new first key may have been made that people must be told of; `first` is only the beginning."""


class AuditAnchors:
    """Posts heads, and tells of a chain that had to begin again."""

    def __init__(
        self,
        audit: AuditLog,
        history: OrderHistory,
        notifications: Notifications,
        *,
        atomic: Callable[[], AbstractContextManager[object]],
        clock: Callable[[], datetime],
    ) -> None:
        """`atomic` begins a transaction, in which `notifications` takes part. Posts nothing yet."""
        self._atomic = atomic
        self._audit = audit
        self._history = history
        self._notifications = notifications
        self._clock = clock
        self._day: date | None = None
        self._not_before: datetime | None = None

    def tick(self) -> bool:
        """Post the head when a day has begun in which none was posted; True if it was. Cheap; never raises.

        A log that has never been posted is first posted at its first midnight, one that slept through a midnight at
        once.
        """
        now = self._clock()
        if self._not_before is not None and now < self._not_before:
            return False
        try:
            if self._day is None:
                self._day = self._last_day() or now.date()
            if self._day >= now.date():
                return False
            posted = self.post()
        except Exception:
            log.exception("the head of the audit log could not be posted; again shortly")
            posted = False
        if posted:
            self._day = now.date()
        self._not_before = None if posted else now + RETRY_INTERVAL
        return posted

    def _last_day(self) -> date | None:
        """The day of the last posted head, or that of the first row where none was ever posted."""
        state = self._history.chain()
        last = state.last.at if state.last is not None else state.since
        return None if last is None else last.date()

    def post(self) -> bool:
        """Post the head now: in one transaction it is remembered as posted and queued to be told."""
        today, chats = self._clock().date(), self._notifications.overseers()
        if not chats:
            log.warning("no chat is there to keep the head of the audit log")
            return False
        with self._atomic():
            head = self._audit.anchor()
            if head is None:
                return False
            data: dict[str, object] = {"seq": head.seq, "head": head.head, "day": today.isoformat()}
            key = f"anchor:{today.isoformat()}:{head.seq}"
            self._notifications.tell([Notice("anchor", chat, data, f"{key}:{chat}") for chat in chats])
        return True

    def tell_of_new_key(self) -> bool:
        """Tell the overseers that the chain had to begin again, and why; True if there was anything to tell."""
        why = self._audit.begun
        if why not in ALARMING:
            return False
        state = self._history.chain()
        last = state.last
        data: dict[str, object] = {"why": why, "rows": state.rows, "posted": f"{last.seq}:{last.head}" if last else ""}
        chats = self._notifications.overseers()
        self._notifications.tell([Notice("audit_key", chat, data, f"audit_key:{state.head}:{chat}") for chat in chats])
        return True
