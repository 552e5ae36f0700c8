"""The account's trading halt: four levels, stored, and read before every order that is sent.

People and the program raise the level; only a person lowers it. What passes by itself (a start, a full disk) is no
halt but a conflict, see `bot.orders.risk.context`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Protocol

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.access.roles import Actor
from bot.orders.model.notice import Notice

log = structlog.get_logger(__name__)


NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class HaltLevel(IntEnum):
    """How much is stopped; each level stops all that the ones before it stop. Cancels and reads always work."""

    OFF = 0
    BUYS = 1
    """매수중지: sells still go out."""
    NEW = 2
    """신규중지: nothing new goes out, no revision either."""
    CANCEL_ALL = 3
    """전체취소: as NEW, and every open order of ours was asked to be cancelled."""
    FREEZE = 4
    """동결: as CANCEL_ALL, and no ticket is created any more."""


@dataclass(frozen=True)
class HaltStatus:
    """The level, since when, why (a stable code), and by whom; user 0 is the program itself."""

    level: HaltLevel
    why: str
    at: datetime
    user_id: int = 0
    name: str = ""
    seq: int = 0
    """Counts the changes: an agreement to resume holds for one of them only."""


class HaltStore(Protocol):
    """Where the halt is stored; every change is one durable transaction with its notices."""

    def halt_status(self) -> HaltStatus | None:
        """The newest row, None before any."""
        ...

    def set_halt(self, status: HaltStatus, notices: Sequence[Notice]) -> None:
        """Add a row."""
        ...


class TradingHalt:
    """Raises, lowers and tells the level."""

    def __init__(self, store: HaltStore, notifications: Notifications, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._notifications = notifications
        self._clock = clock

    def now(self) -> HaltStatus:
        """The status, read from the store each time."""
        return self._store.halt_status() or HaltStatus(HaltLevel.OFF, "", NEVER)

    def halt(self, level: HaltLevel, why: str, actor: Actor | None = None) -> bool:
        """Raise the level; False where it is that high already, and then nobody is told."""
        if level <= self.now().level:
            return False
        self._set(level, why, actor)
        log.warning("trading halted", level=level.name, why=why)
        return True

    def resume(self, level: HaltLevel, actor: Actor) -> bool:
        """Lower the level; False where it is that low already. The caller decides who may."""
        if level >= self.now().level:
            return False
        self._set(level, "BY_PERSON", actor)
        return True

    def _set(self, level: HaltLevel, why: str, actor: Actor | None) -> None:
        now = HaltStatus(level, why, self._clock(), actor.user_id if actor else 0, actor.name if actor else "")
        data: dict[str, object] = {"level": int(level), "was": int(self.now().level), "why": why, "name": now.name}
        chats = dict.fromkeys([*([actor.chat_id] if actor else []), *self._notifications.overseers()])
        self._store.set_halt(now, [Notice("brake", chat, data) for chat in chats])
