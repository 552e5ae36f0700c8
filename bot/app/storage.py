"""The data directory: its lock, the database, and every store."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

from filelock import FileLock, Timeout

from bot.config.settings import Settings
from bot.store.alerts import AlertStore
from bot.store.audit.keys import DayKeys
from bot.store.audit.log import AuditLog
from bot.store.database import claim, open_database
from bot.store.inbox import Inbox
from bot.store.invites import Invites
from bot.store.journal import SqliteJournal
from bot.store.limits import LimitStore
from bot.store.live_message import LiveMessages
from bot.store.order_history import OrderHistory
from bot.store.outbox import Outbox
from bot.store.people import People
from bot.store.preferences import PreferenceStore
from bot.store.reading_mark import ReadingMarks, StreamStats
from bot.store.reports import ReportStore
from bot.store.runs import Runs
from bot.store.second_factors import FactorKey, SecondFactors
from bot.store.watchlist import WatchlistStore


class AlreadyRunning(Exception):
    """Another process works on the same data directory."""


class Storage:
    """The stores, each built from those above it."""

    def __init__(self, settings: Settings, *, account: str, clock: Callable[[], datetime]) -> None:
        """Locks the data directory and opens the database, which belongs to one (masked) `account`.

        Raises:
            AlreadyRunning: another process holds the data directory.
            BadDatabase: the database cannot be trusted, or is another account's.
        """
        folder = settings.kisbot_data_dir
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(folder / "kisbot.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise AlreadyRunning(f"이미 실행 중입니다 · another kisbot works in {folder}") from None
        with ExitStack() as opened:
            opened.callback(lock.release)
            self.db = open_database(settings.database)
            opened.callback(self.db.close)
            self._build(settings, account, clock)
            self._opened = opened.pop_all()

    def _build(self, settings: Settings, account: str, clock: Callable[[], datetime]) -> None:
        """Every store, in reading order."""
        folder = settings.kisbot_data_dir
        claim(self.db, mode=settings.mode, account=account, now=clock())
        keys = DayKeys(folder)
        self.audit = AuditLog(self.db, clock, keys)
        self.order_history = OrderHistory(self.db, key_here=keys.first_path.exists)
        self.inbox = Inbox(self.db, clock)
        self.outbox = Outbox(self.db, clock)
        groups = settings.kisbot_group_chats if settings.kisbot_group_fills else ()
        self.journal = SqliteJournal(self.db, self.audit, self.outbox, clock=clock, groups=groups)
        self.people = People(self.db, self.audit, clock, self.journal.void_person)
        self.invites = Invites(self.db, self.audit, self.people, clock)
        self.preferences = PreferenceStore(self.db, self.audit, clock)
        self.limits = LimitStore(self.db, self.audit, self.outbox, settings.limits(), clock)
        self.second_factors = SecondFactors(self.db, self.audit, FactorKey(folder), clock)
        self.runs = Runs(self.db, self.audit, folder, clock)
        self.alerts = AlertStore(self.db, self.outbox, clock)
        self.watchlists = WatchlistStore(self.db)
        self.live_messages = LiveMessages(self.db, self.outbox, clock)
        self.reports = ReportStore(self.db, self.outbox, clock)
        self.reading_marks = ReadingMarks(self.db)
        self.stream_stats = StreamStats(self.db)

    def close(self) -> None:
        """Close the database and release the lock."""
        self._opened.close()
