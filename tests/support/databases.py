"""Databases for tests."""

import contextlib
import sqlite3

from sqlite_utils import Database

from bot.store.migrations.registry import MIGRATIONS

_newest: list[sqlite3.Connection] = []


class MemoryConnection(sqlite3.Connection):
    """A connection to a database in memory, which ends with whoever used it."""

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.ProgrammingError):  # in the thread of whoever collects it
            self.close()


def memory_connection() -> sqlite3.Connection:
    """A new, empty database in memory."""
    return sqlite3.connect(":memory:", isolation_level=None, factory=MemoryConnection)


def memory_database() -> Database:
    """A new database in memory, of the newest schema."""
    if not _newest:
        blank = memory_connection()
        MIGRATIONS.apply(Database(blank, execute_plugins=False))
        _newest.append(blank)
    made = memory_connection()
    _newest[0].backup(made)
    return Database(made, execute_plugins=False)
