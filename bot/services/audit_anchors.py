"""The audit chain's head goes out to the chats, where nobody on this machine can change it unseen: once a day.

A posted head fixes every row up to it. Cutting the log off, or rewriting it with the day's own key, then no longer
agrees with what stands in the overseers' chats.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import Protocol

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.model.notice import Notice
from bot.orders.model.timeline import ChainState
from bot.store.audit.chain import Head

log = structlog.get_logger(__name__)

AGAIN = timedelta(minutes=1)
"""A head that could not be written down is tried again after this."""
TELL = frozenset({"lost", "damaged", "restored"})
"""Why a new first key may have been made that people must hear of; `first` is only the beginning."""


class Log(Protocol):
    """What is asked of the audit log."""

    @property
    def begun(self) -> str:
        """Why a new first key was made, or empty."""
        ...

    def anchor(self) -> Head | None:
        """The end of the log, remembered as posted."""
        ...


class Chain(Protocol):
    """What is asked of the log's tables."""

    def chain(self) -> ChainState:
        """The chain as it stands."""
        ...


class Transactions(Protocol):
    """The database."""

    def atomic(self) -> AbstractContextManager[object]:
        """All or nothing."""
        ...


class AuditAnchors:
    """Posts heads, and tells of a chain that had to begin again."""

    def __init__(
        self,
        db: Transactions,
        audit: Log,
        chain: Chain,
        notifications: Notifications,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._audit = audit
        self._chain = chain
        self._notifications = notifications
        self._clock = clock
        self._day: date | None = None
        self._not_before: datetime | None = None

    def tick(self) -> bool:
        """Post the head when a day has begun in which none was posted; True if it was. Cheap to ask often.

        No fault here stops the bot: it is logged, and tried again.
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
        self._not_before = None if posted else now + AGAIN
        return posted

    def _last_day(self) -> date | None:
        """The day of the last posted head, or that of the first row where none was ever posted."""
        state = self._chain.chain()
        last = state.last.at if state.last is not None else state.since
        return None if last is None else last.date()

    def post(self) -> bool:
        """Post the head now: in one transaction it is remembered as posted and queued to be told."""
        today, chats = self._clock().date(), self._notifications.overseers()
        if not chats:
            log.warning("nobody is there to keep the head of the audit log")
            return False
        with self._db.atomic():
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
        if why not in TELL:
            return False
        state = self._chain.chain()
        last = state.last
        data: dict[str, object] = {"why": why, "rows": state.rows, "posted": f"{last.seq}:{last.head}" if last else ""}
        chats = self._notifications.overseers()
        self._notifications.tell([Notice("audit_key", chat, data, f"audit_key:{state.head}:{chat}") for chat in chats])
        return True
