"""Opening the database: private, durable, and brought to the newest schema."""

import os
import sqlite3
import stat
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from bot.store.migrations.registry import MIGRATIONS
from bot.store.private_files import PRIVATE, BadDatabase


class WriteFirstDatabase(Database):
    """Transactions take the write lock when they begin.

    What is read in one is still true when it writes, whatever another process does; a transaction that read first
    could fail at its first write, without waiting.
    """

    @contextmanager
    def atomic(self) -> Generator[Database]:
        """A transaction, or a savepoint within one."""
        if self.conn.in_transaction:
            with super().atomic():
                yield self
            return
        self.conn.execute("BEGIN IMMEDIATE")
        try:
            yield self
            self.commit()
        except BaseException:
            self.rollback()
            raise


def open_database(path: Path) -> Database:
    """Open, check and migrate the database; the folder and the file are readable by their owner alone.

    `synchronous=FULL`: the newest commits are exactly the rows that must survive a power cut.

    Raises:
        BadDatabase: unreadable, damaged, or written by a newer version of this program.
    """
    with ExitStack() as opened:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
            path.touch(mode=PRIVATE)
            if os.name == "posix":
                path.chmod(PRIVATE)
            connection = opened.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            db = WriteFirstDatabase(connection, execute_plugins=False)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
                db.execute(f"PRAGMA {pragma}").fetchall()
            _check(db, path)
            MIGRATIONS.apply(db)
        except (OSError, sqlite3.Error) as error:
            raise BadDatabase(f"데이터베이스를 열 수 없습니다 · cannot open the database: {path} ({error})") from error
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
