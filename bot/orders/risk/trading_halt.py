"""The account's trading halt: four levels, stored, and read before every order that is sent; and how it is lowered.

People and the program raise the level; only people lower it. What passes by itself (a start, a full disk) is no halt
but a conflict, see `bot.orders.risk.context`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Protocol

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.access.roles import Actor, Role
from bot.orders.model.button import AgreeResume, ButtonToken
from bot.orders.model.notice import Notice
from bot.orders.model.reason import Reason
from bot.orders.model.tap_result import TapOutcome, TapResult
from bot.orders.ports import Journal

log = structlog.get_logger(__name__)


RESUME_BUTTON_TTL = timedelta(minutes=10)
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

    def set_halt(self, status: HaltStatus, notices: Sequence[Notice]) -> None:
        """Add a row."""


class TradingHalt:
    """Raises and lowers the level, and notifies those in charge."""

    def __init__(self, store: HaltStore, notifications: Notifications, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._notifications = notifications
        self._clock = clock
        self._held: HaltStatus | None = None

    def now(self) -> HaltStatus:
        """The status: read from the store each time, or what holds above it and could not be stored yet."""
        stored, held = self._stored(), self._held
        return held if held is not None and held.level > stored.level else stored

    def _stored(self) -> HaltStatus:
        return self._store.halt_status() or HaltStatus(HaltLevel.OFF, "", NEVER)

    def hold(self, level: HaltLevel, why: str) -> None:
        """Raise the level in memory alone, which nothing can refuse; `keep` stores it."""
        if self._held is None or level > self._held.level:
            self._held = HaltStatus(level, why, self._clock())

    def keep(self) -> bool:
        """Store what holds in memory alone, and notify; True if it did. Cheap where there is nothing."""
        held = self._held
        new = held is not None and held.level > self._stored().level
        if held is not None and new:
            self._set(held)
            log.warning("trading halted", level=held.level.name, why=held.why)
        self._held = None
        return new

    def halt(self, level: HaltLevel, why: str, actor: Actor | None = None) -> bool:
        """Raise the level; False where it is that high already, and then nobody is notified.

        Where it cannot be stored that is raised, and what the program itself asked for holds all the same.
        """
        if actor is None:
            self.hold(level, why)
            return self.keep()
        if level <= self.now().level:
            return False
        self._set(HaltStatus(level, why, self._clock(), actor.user_id, actor.name), actor)
        log.warning("trading halted", level=level.name, why=why)
        return True

    def resume(self, level: HaltLevel, actor: Actor) -> bool:
        """Lower the level; False where it is that low already. The caller decides who may."""
        if level >= self.now().level:
            return False
        self._set(HaltStatus(level, "BY_PERSON", self._clock(), actor.user_id, actor.name), actor)
        self._held = None
        return True

    def _set(self, status: HaltStatus, actor: Actor | None = None) -> None:
        was = self.now().level if actor else self._stored().level
        data: dict[str, object] = {"level": int(status.level), "was": int(was), "why": status.why, "name": status.name}
        chats = dict.fromkeys([*([actor.chat_id] if actor else []), *self._notifications.overseers()])
        self._store.set_halt(status, [Notice("brake", chat, data) for chat in chats])


class Resume:
    """Resuming takes two people: one asks, another administrator agrees. A lone administrator has to wait."""

    def __init__(
        self,
        journal: Journal,
        trading_halt: TradingHalt,
        notifications: Notifications,
        *,
        clock: Callable[[], datetime],
        token: Callable[[], str],
        pause: float,
    ) -> None:
        """`pause`: seconds the halt must have stood before somebody alone in charge may resume."""
        self._journal = journal
        self._trading_halt = trading_halt
        self._notifications = notifications
        self._clock = clock
        self._token = token
        self._pause = pause

    def request(self, level: HaltLevel, actor: Actor) -> Reason | None:
        """Lower the halt, or ask the others to agree; a reason that says what else is needed, or None."""
        if not actor.role.covers(Role.ADMIN):
            return Reason("NOT_ALLOWED", {})
        now = self._trading_halt.now()
        if level >= now.level:
            return Reason("NOT_HALTED", {})
        others = [one for one in self._notifications.overseers() if one != actor.user_id]
        if not others:
            stood = (self._clock() - now.at).total_seconds()
            if stood < self._pause:
                return Reason("RESUME_PAUSE", {"seconds": int(self._pause - stood) + 1})
            self._trading_halt.resume(level, actor)
            return None
        # bound to the halt as it is: after another change the others have to agree anew
        made = {chat: self._button(level, actor, now.seq, chat) for chat in others}
        self._journal.add_buttons(None, list(made.values()))
        data: dict[str, object] = {
            "level": int(level),
            "was": int(now.level),
            "why": now.why,
            "name": actor.name,
            "by": actor.user_id,
        }
        self._notifications.tell(
            [Notice("release", chat, {**data, "secrets": {"agree": button.token}}) for chat, button in made.items()]
        )
        return Reason("RELEASE_ASKED", {"count": len(others)})

    def _button(self, level: HaltLevel, actor: Actor, seq: int, chat: int) -> ButtonToken:
        action = AgreeResume(int(level), actor.user_id, seq)
        return ButtonToken(self._token(), action, chat, self._clock() + RESUME_BUTTON_TTL)

    def agree(self, button_id: int, to: AgreeResume, actor: Actor) -> TapResult:
        """Another administrator agrees; `Stale` if the button was used already."""
        if actor.user_id == to.asked_by or not {actor.user_id, to.asked_by} <= set(self._notifications.overseers()):
            return TapResult(TapOutcome.NOT_YOURS)
        if self._trading_halt.now().seq != to.seq:
            return TapResult(TapOutcome.LATE)
        self._journal.use(button_id, actor, "brake.agreed")
        resumed = self._trading_halt.resume(HaltLevel(to.level), actor)
        return TapResult(TapOutcome.SETTLED if resumed else TapOutcome.USED)
