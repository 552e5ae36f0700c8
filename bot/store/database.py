"""Opening the database: private, durable, and brought to the newest schema."""

import errno
import os
import sqlite3
import stat
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.store.migrations.registry import MIGRATIONS
from bot.store.private_files import PRIVATE, BadDatabase, database_fault

BUSY_TIMEOUT = 150
"""Milliseconds a write of the running bot waits for another process: nothing else goes on meanwhile."""
OPENING_TIMEOUT = 3_000
"""Milliseconds while the database is opened, and for commands, behind whom nobody waits."""
_REFUSALS = frozenset({errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, getattr(errno, "EDQUOT", None)})


def is_storage_fault(error: BaseException) -> bool:
    """Whether the disk or the database refuses, which may pass; a wrong statement or value is an error of ours."""
    if isinstance(error, OSError):
        return error.errno in _REFUSALS
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_ERROR
    return type(error) is sqlite3.DatabaseError  # damaged


def is_locked(error: BaseException) -> bool:
    """Whether another process holds the database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def unusable(path: Path, error: BaseException) -> BadDatabase:
    """What ends a start that the disk or the database refuses."""
    hint = ""
    if is_locked(error):
        hint = ". 다른 프로그램이 잡고 있으니 그것부터 끝내세요 · another program holds it: end that first"
    return BadDatabase(f"데이터베이스를 열 수 없습니다 · the database cannot be used: {path} ({error}){hint}")


class WriteFirstDatabase(Database):
    """Transactions take the write lock when they begin; whoever subscribes is told of every refusal.

    What is read in one is still true when it writes, whatever another process does; a transaction that read first
    could fail at its first write, without waiting.

    Only the first write that meets another process waits for it. Until a transaction has begun again the others fail
    at once, so that many of them do not add up.
    """

    def __init__(self, connection: sqlite3.Connection, busy_timeout: int) -> None:
        """`busy_timeout`: milliseconds a write waits for another process."""
        self._subscribers: list[Callable[[Exception], object]] = []
        self._within = False
        self._waits = True
        super().__init__(connection, execute_plugins=False)
        self.wait_at_most(busy_timeout)

    def wait_at_most(self, busy_timeout: int) -> None:
        """From now on a write waits for another process for so many milliseconds."""
        self._busy_timeout = busy_timeout
        self.conn.execute(f"PRAGMA busy_timeout={busy_timeout}")

    def subscribe(self, refused: Callable[[Exception], object]) -> None:
        """Have this called with every storage fault, before it is raised; it must not use the database."""
        self._subscribers.append(refused)

    @contextmanager
    def atomic(self) -> Generator[Database]:
        """A transaction, or a savepoint within one."""
        if self._within:
            with super().atomic():
                yield self
            return
        self.execute("BEGIN IMMEDIATE")
        self._within = True
        try:
            if not self._waits:
                self._waits = True
                self.wait_at_most(self._busy_timeout)
            yield self
            if self.conn.in_transaction:
                self.execute("COMMIT")
        finally:
            self._within = False
            self._abandon()

    def execute(self, sql: str, parameters: Any = None) -> sqlite3.Cursor:
        """As sqlite-utils does; a refusal is told to the subscribers."""
        self._abandon()
        try:
            return super().execute(sql, parameters)
        except sqlite3.Error as error:
            if is_locked(error) and self._waits:
                self._waits = False
                self.conn.execute("PRAGMA busy_timeout=0")
            if is_storage_fault(error):
                for one in self._subscribers:
                    one(error)
            raise

    def probe(self) -> None:
        """Write and change nothing; raises what a write would meet."""
        with self.atomic():
            (version,) = self.execute("PRAGMA user_version").fetchone()
            self.execute(f"PRAGMA user_version={version}")

    def _abandon(self) -> None:
        """Roll back what a refusal left open: later writes must not become part of it."""
        if not self._within and self.conn.in_transaction:
            self.conn.rollback()


def open_database(path: Path) -> WriteFirstDatabase:
    """Open, check and migrate the database; the folder and the file are readable by their owner alone.

    `synchronous=FULL`: the newest commits are exactly the rows that must survive a power cut.

    Raises:
        BadDatabase: unreadable, damaged, open to others, held by another program, or written by a newer version.
    """
    fault = database_fault(path)
    if fault:
        raise BadDatabase(fault)
    with ExitStack() as opened:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
            path.touch(mode=PRIVATE)
            if os.name == "posix":
                path.chmod(PRIVATE)
            connection = opened.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            db = WriteFirstDatabase(connection, OPENING_TIMEOUT)
            for pragma in ("journal_mode=WAL", "secure_delete=ON", "synchronous=FULL", "foreign_keys=ON"):
                db.execute(f"PRAGMA {pragma}").fetchall()
            _check(db, path)
            MIGRATIONS.apply(db)
        except (OSError, sqlite3.Error) as error:
            raise unusable(path, error) from error
        opened.pop_all()
    return db


def claim(db: Database, *, mode: str, account: str, now: datetime) -> None:
    """Bind the database to one account, as it may be shown, at its first use. `mode`: practice, paper or real.

    Raises:
        BadDatabase: it holds the orders of another account, among which ours would be mistaken for others.
    """
    row = {"id": 1, "mode": mode, "account": account, "since": now.isoformat(timespec="seconds")}
    known = db.table("identity").insert(row, ignore=True).get(1)
    if (known["mode"], known["account"]) != (mode, account):
        raise BadDatabase(
            f"이 데이터 폴더는 다른 계좌의 것입니다 ({known['mode']} {known['account']}, 지금은 {mode} {account}). "
            "KISBOT_DATA_DIR을 따로 정하세요 · this data directory belongs to another account; set KISBOT_DATA_DIR"
        )


def _check(db: Database, path: Path) -> None:
    (verdict,) = db.execute("PRAGMA quick_check").fetchone()
    if verdict != "ok":
        raise BadDatabase(f"데이터베이스가 손상되었습니다 · the database is damaged: {path}")
    blank = Database(memory=True, execute_plugins=False)
    with closing(blank):
        known = {one.name for one in MIGRATIONS.pending(blank)}
    ahead = sorted({one.name for one in MIGRATIONS.applied(db)} - known)
    if ahead:
        raise BadDatabase(
            f"더 새로운 kisbot이 쓴 데이터베이스입니다 · written by a newer kisbot ({', '.join(ahead)}): {path}"
        )


def backup(source: Path, target: Path) -> None:
    """Copy a database while the bot runs; the copy is whole as of one moment.

    Raises:
        FileExistsError: the target is there already; a backup never replaces anything.
    """
    if target.exists():
        raise FileExistsError(target)
    target.touch(mode=PRIVATE)
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
