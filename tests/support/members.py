"""Members and second factors for tests that are about neither."""

from collections.abc import Callable
from datetime import UTC, datetime

from bot.chat.transport.access import AccessGuard
from bot.chat.transport.flood_control import FloodControl
from bot.orders.access.notifications import Notifications
from bot.orders.access.roles import Person, Role
from bot.orders.access.second_factor import FactorKind, SecondFactor, SecondFactorPolicy, Tries
from bot.orders.risk.trading_halt import TradingHalt
from bot.services.storage_monitor import StorageMonitor
from bot.store.audit.log import AuditLog
from bot.store.journal import SqliteJournal
from bot.store.outbox import Outbox
from bot.store.people import People
from kis.config import kst_now


class FixedRoster:
    """Overseers by id; anybody else there is trades."""

    def __init__(self, *overseers: int) -> None:
        self.overseers = overseers

    def get(self, user_id: int) -> Person:
        role = Role.OWNER if user_id in self.overseers else Role.TRADER
        return Person(user_id, "", role, datetime(2026, 1, 1, tzinfo=UTC))

    def all(self) -> list[Person]:
        return [self.get(user_id) for user_id in self.overseers]


def notifications(outbox: Outbox, *overseers: int) -> Notifications:
    """Told through this outbox, to these overseers."""
    return Notifications(outbox, FixedRoster(*overseers))


def flood_control(clock: Callable[[], datetime]) -> FloodControl:
    """Admits what any person sends by hand; tells nobody of more."""
    guard = AccessGuard(lambda _: None)
    return FloodControl(
        guard, frozenset(), ticks=lambda: clock().timestamp(), clock=clock, report=lambda _actor, _full: None
    )


def storage_monitor(db) -> StorageMonitor:
    """Watches a database, and tells nobody."""
    audit, outbox = AuditLog(db, kst_now), Outbox(db, kst_now)
    halt = TradingHalt(SqliteJournal(db, audit, outbox, clock=kst_now), notifications(outbox), clock=kst_now)
    return StorageMonitor(db, halt, {}, record=audit.add, tell=lambda _code, _values: None)


class _Nobody:
    """Nobody has a second factor."""

    def kind(self, user_id: int) -> FactorKind | None:
        return None

    def tries(self, user_id: int) -> Tries:
        return Tries()

    def active_at(self, user_id: int) -> datetime | None:
        return None

    def acted(self, user_id: int) -> None: ...

    def answer(self, user_id: int, code: str, action: str, subject: str) -> tuple[bool, Tries]:
        return False, Tries()

    def put_pin(self, user_id: int, pin: str) -> None: ...

    def unlock(self, user_id: int, by: int | None) -> bool:
        return False


def never_asks(to: Notifications) -> SecondFactor:
    """A second factor that is asked of nobody: no value is set, and nobody has chosen one."""
    return SecondFactor(_Nobody(), SecondFactorPolicy(), to)


def members(db, audit, clock) -> People:
    """The table of members, with the journal that voids a member's orders."""
    return People(db, audit, clock, SqliteJournal(db, audit, Outbox(db, clock), clock=clock).void_person)
