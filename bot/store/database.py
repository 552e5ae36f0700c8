"""Opening the database: private, durable, and brought to the newest schema."""

import os
import sqlite3
import stat
from pathlib import Path

from sqlite_utils import Database

from bot.store.migrations import MIGRATIONS

PRIVATE = stat.S_IRUSR | stat.S_IWUSR


class BadDatabase(Exception):
    """The file cannot be trusted with orders; the text says why, Korean first."""


def open_database(path: Path) -> Database:
    """Open, check and migrate the database; the folder and the file are readable by their owner alone.

    `synchronous=FULL`: the newest commits are exactly the rows that must survive a power cut.

    Raises:
        BadDatabase: unreadable, damaged, or written by a newer version of this program.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    path.touch(mode=PRIVATE)
    if os.name == "posix":
        path.chmod(PRIVATE)
    try:
        db = Database(sqlite3.connect(path, isolation_level=None), execute_plugins=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        (verdict,) = db.execute("PRAGMA quick_check").fetchone()
        if verdict != "ok":
            raise BadDatabase(f"데이터베이스가 손상되었습니다 · the database is damaged: {path}")
        ahead = sorted({one.name for one in MIGRATIONS.applied(db)} - _known())
        if ahead:
            raise BadDatabase(
                f"더 새로운 kisbot이 쓴 데이터베이스입니다 · written by a newer kisbot ({', '.join(ahead)}): {path}"
            )
        MIGRATIONS.apply(db)
    except sqlite3.DatabaseError as error:
        raise BadDatabase(f"데이터베이스를 열 수 없습니다 · cannot open the database: {path} ({error})") from error
    return db


def _known() -> set[str]:
    blank = Database(memory=True, execute_plugins=False)
    try:
        return {one.name for one in MIGRATIONS.pending(blank)}
    finally:
        blank.close()


def backup(source: Path, target: Path) -> None:
    """Copy a database while the bot runs; the copy is whole as of one moment.

    Raises:
        FileExistsError: the target is there already; a backup never replaces anything.
    """
    if target.exists():
        raise FileExistsError(target)
    target.touch(mode=PRIVATE)
    with sqlite3.connect(f"file:{source}?mode=ro", uri=True) as live, sqlite3.connect(target) as copy:
        live.backup(copy)
    live.close()
    copy.close()
