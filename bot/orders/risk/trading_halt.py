"""The brakes: four steps on the way to a standstill, stored, and read before every order that is sent.

They are raised by people and by the desk itself; nothing but a person lowers them, so that nobody wakes up to find
that the program has forgiven itself. What passes by itself (a start, a disk that is full) is no brake but a conflict.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Protocol

import structlog

from bot.orders.access.roles import Actor
from bot.orders.model.notice import Notice

log = structlog.get_logger(__name__)


NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class HaltLevel(IntEnum):
    """How much is stopped; each step stops all that the ones before it stop. Cancels and reads always work."""

    OFF = 0
    BUYS = 1
    """매수중지: sells still go out."""
    NEW = 2
    """신규중지: nothing new goes out, no revision either."""
    CANCEL_ALL = 3
    """전체취소: as NEW, and every open order of ours was asked to be cancelled."""
    FREEZE = 4
    """동결: as CANCEL_ALL, and no ticket is made any more."""


@dataclass(frozen=True)
class HaltStatus:
    """How far the brakes are pulled, since when, why (a stable code), and by whom; user 0 is the desk itself."""

    level: HaltLevel
    why: str
    at: datetime
    user_id: int = 0
    name: str = ""
    seq: int = 0
    """Counts the changes: what was agreed to for one is not agreed to for the next."""


class HaltStore(Protocol):
    """Where the brakes are written down; every change is one durable transaction with its notices."""

    def brake(self) -> HaltStatus | None:
        """The newest row, None before any."""
        ...

    def pull(self, now: HaltStatus, notices: Sequence[Notice]) -> None:
        """Add a row."""
        ...


class TradingHalt:
    """The account's brakes."""

    def __init__(
        self,
        book: HaltStore,
        *,
        clock: Callable[[], datetime],
        overseers: Callable[[], Sequence[int]],
    ) -> None:
        self._book = book
        self._clock = clock
        self._overseers = overseers

    def now(self) -> HaltStatus:
        """How far they are pulled, read anew each time."""
        return self._book.brake() or HaltStatus(HaltLevel.OFF, "", NEVER)

    def pull(self, level: HaltLevel, why: str, who: Actor | None = None) -> bool:
        """Raise them; False where they are that far up already, and then nothing is told again."""
        if level <= self.now().level:
            return False
        self._set(level, why, who)
        log.warning("brakes raised", level=level.name, why=why)
        return True

    def release(self, level: HaltLevel, who: Actor) -> bool:
        """Lower them to a level; False where they are that low already. Who may is for the desk to say."""
        if level >= self.now().level:
            return False
        self._set(level, "BY_PERSON", who)
        return True

    def _set(self, level: HaltLevel, why: str, who: Actor | None) -> None:
        now = HaltStatus(level, why, self._clock(), who.user_id if who else 0, who.name if who else "")
        data: dict[str, object] = {"level": int(level), "was": int(self.now().level), "why": why, "name": now.name}
        chats = dict.fromkeys([*([who.chat_id] if who else []), *self._overseers()])
        self._book.pull(now, [Notice("brake", chat, data) for chat in chats])
