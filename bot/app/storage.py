"""What the bot keeps: its data directory, the database, and everybody who reads or writes there."""

from collections.abc import Callable
from datetime import datetime

from filelock import FileLock, Timeout

from bot.app.clients import kis_config
from bot.config.settings import Settings
from bot.orders.access.second_factor import SecondFactor
from bot.services.audit_anchors import AuditAnchors
from bot.services.operator_alerts import OperatorAlerts
from bot.store.audit.keys import DayKeys
from bot.store.audit.log import AuditLog
from bot.store.database import claim, open_database
from bot.store.inbox import Inbox
from bot.store.invites import Invites
from bot.store.journal import SqliteJournal
from bot.store.limits import LimitStore
from bot.store.order_history import OrderHistory
from bot.store.outbox import Outbox
from bot.store.people import People
from bot.store.preferences import PreferenceStore
from bot.store.runs import Runs
from bot.store.second_factors import FactorKey, SecondFactors
from kis.client import KisClient
from kis.transport import Transport


class AlreadyRunning(Exception):
    """Another copy works on the same data directory."""


class Storage:
    """The records, in reading order."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        network: Transport | None,
        wake: Callable[[], None],
    ) -> None:
        """Opens the database. `wake` is called after letters were written; the rest, errors too, is as in `Parts`."""
        self._settings = settings
        self._clock = clock
        self._network = network
        settings.kisbot_data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FileLock(settings.kisbot_data_dir / "kisbot.lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise AlreadyRunning(f"이미 실행 중입니다 · another kisbot works in {settings.kisbot_data_dir}") from None
        self._broker_settings = kis_config(settings)
        self.client = KisClient(self._broker_settings, clock=clock, transport=network)
        self.db = open_database(settings.database)
        claim(self.db, mode=settings.mode, account=self.client.account_masked, now=clock())
        keys = DayKeys(settings.kisbot_data_dir)
        self.audit = AuditLog(self.db, clock, keys)
        self.stories = OrderHistory(self.db, key_here=keys.first_path.exists)
        self.people = People(self.db, self.audit, clock)
        self.inbox = Inbox(self.db, clock)
        self.outbox = Outbox(self.db, clock)
        groups = settings.kisbot_group_chats if settings.kisbot_group_fills else ()
        self.preferences = PreferenceStore(self.db, self.audit, clock)
        self.journal = SqliteJournal(self.db, self.audit, self.outbox, clock=clock, wake=wake, groups=groups)
        self.people.void = self.journal.void_person
        self.troubles = OperatorAlerts(self.journal.tell, self.people.overseers)
        self.invites = Invites(self.db, self.audit, self.people, clock)
        self.anchors = AuditAnchors(
            self.audit,
            self.stories,
            self.outbox,
            atomic=self.db.atomic,
            clock=clock,
            overseers=self.people.overseers,
            wake=wake,
        )
        self.runs = Runs(self.db, self.audit, settings.kisbot_data_dir, clock)
        self.limits = settings.limits()
        self.limit_book = LimitStore(self.db, self.audit, self.outbox, self.limits, clock, wake=wake)
        factors = SecondFactors(self.db, self.audit, FactorKey(settings.kisbot_data_dir), clock)
        self.stepup = SecondFactor(
            factors,
            settings.second_factor_policy(),
            tell=self.journal.tell,
            overseers=self.people.overseers,
        )
