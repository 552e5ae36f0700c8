"""Faults planted under a running bot's database, as SQLite itself meets them, and errors at single statements."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bot.store.database import WriteFirstDatabase
from tests.chaos import disk

TABLES = ("inbox", "outbox", "audit", "orders", "attempts", "buttons", "people", "brakes", "sight")
WRITES = tuple((table, change) for table in TABLES for change in ("INSERT", "UPDATE"))


class PlantedErrors:
    """In the place of a connection: every statement is counted, and those that are chosen meet an I/O error."""

    def __init__(self, db: WriteFirstDatabase, fails: Callable[[int], bool]) -> None:
        """`fails(number)`: whether the statement of this number, from 1 on, fails."""
        self._connection = db.conn
        self._fails = fails
        self.count = 0
        self.failed: list[str] = []
        db.conn = self

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        self.count += 1
        if self._fails(self.count):
            self.failed.append(sql)
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@contextlib.contextmanager
def read_only(db: WriteFirstDatabase, _: Path) -> Iterator[None]:
    """SQLITE_READONLY, as after the file system was remounted."""
    db.conn.execute("PRAGMA query_only=ON")
    try:
        yield
    finally:
        db.conn.execute("PRAGMA query_only=OFF")


@contextlib.contextmanager
def full(db: WriteFirstDatabase, _: Path) -> Iterator[None]:
    """SQLITE_FULL for every row that is written."""
    with disk.full(db.conn, WRITES):
        yield


@contextlib.contextmanager
def locked(_: WriteFirstDatabase, path: Path) -> Iterator[None]:
    """SQLITE_BUSY: another program is in the middle of a write."""
    with disk.locked(path):
        yield


@contextlib.contextmanager
def broken(db: WriteFirstDatabase, _: Path) -> Iterator[None]:
    """Every statement, also one that reads, meets an I/O error."""
    there = db.conn
    PlantedErrors(db, lambda _: True)
    try:
        yield
    finally:
        db.conn = there


FAULTS = {"locked": locked, "full": full, "read-only": read_only, "broken": broken}
