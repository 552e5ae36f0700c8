"""Disks that refuse: really full, really locked, really broken, as SQLite itself meets them."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

BALLAST = 4_000_000
"""Bytes that every attempt tries to take along: more than a disk that is full has left."""


_OF_ORDERS = tuple((table, change) for table in ("attempts", "orders") for change in ("INSERT", "UPDATE"))


@contextlib.contextmanager
def full(connection: sqlite3.Connection, writes: Sequence[tuple[str, str]] = _OF_ORDERS) -> Iterator[None]:
    """SQLITE_FULL for every row of an attempt or an order, or of what is given, that is written: no page is left for it.

    A small row may find room in a page that is there already, so the rows in question are made to need new ones.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS ballast (bytes BLOB)")
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (most,) = connection.execute("PRAGMA max_page_count").fetchone()
    for table, change in writes:
        connection.execute(
            f"CREATE TEMP TRIGGER full_{table}_{change} AFTER {change} ON main.{table} "
            f"BEGIN INSERT INTO ballast VALUES (zeroblob({BALLAST})); END"
        )
    connection.execute(f"PRAGMA max_page_count={pages + 5}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA max_page_count={most}")
        for table, change in writes:
            connection.execute(f"DROP TRIGGER full_{table}_{change}")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """SQLITE_BUSY: somebody else holds the write lock."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextlib.contextmanager
def broken() -> Iterator[None]:
    """A real I/O error (EFBIG, SQLITE_IOERR) from every write to a file of this process. Not on Windows."""
    import resource  # noqa: PLC0415  # there is none on Windows

    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
