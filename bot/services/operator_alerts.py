"""Tells the overseers of internal errors and of a broken line to the broker: the first rings, repeats are counted."""

from collections.abc import Iterable, Mapping

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.model.notice import Notice

log = structlog.get_logger(__name__)


class OperatorAlerts:
    """Sends notices by a code that has a sentence; what exactly happened stands in the log alone."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications

    def report(self, code: str, values: Mapping[str, object] | None = None, also: Iterable[int] = ()) -> None:
        """Tell the overseers, and other chats `also`, of an error: the code of its sentence and what that has room for.

        Never raises: what failed may be the disk that this would be written to.
        """
        try:
            chats = dict.fromkeys([*self._notifications.overseers(), *also])
            data: dict[str, object] = {"code": code, "values": dict(values or {})}
            self._notifications.tell([Notice("trouble", chat, data) for chat in chats])
        except Exception:
            log.exception("an error could not be told", code=code)
