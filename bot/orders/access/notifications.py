"""The notice queue, and who is notified of what concerns the whole account."""

from collections.abc import Sequence
from typing import Protocol

from bot.orders.access.roles import Role, Roster
from bot.orders.model.notice import Notice


class NoticeQueue(Protocol):
    """Where notices wait to be sent; `bot.store.outbox.Outbox` is one."""

    def tell(self, notices: Sequence[Notice]) -> None:
        """Queue notices, all or none."""


class Notifications:
    """Queues notices, and names the chats of those in charge; a private chat has its person's id."""

    def __init__(self, queue: NoticeQueue, roster: Roster) -> None:
        self._queue = queue
        self._roster = roster

    def tell(self, notices: Sequence[Notice]) -> None:
        """Queue notices, all or none; inside a transaction of the caller's they are part of it."""
        self._queue.tell(notices)

    def overseers(self) -> list[int]:
        """Chats of owners and admins, as they are now."""
        return [one.user_id for one in self._roster.all() if one.role.covers(Role.ADMIN)]

    def owners(self) -> list[int]:
        """Chats of owners."""
        return [one.user_id for one in self._roster.all() if one.role is Role.OWNER]
