"""Whether any text of a database opens a button or a link: each is held against every digest that is stored."""

import hashlib
import re
import sqlite3
from collections.abc import Iterator

_RUN = re.compile(r"[A-Za-z0-9_-]{22,}")
_LENGTH = 22
"""Characters of a token: 128 bits in base 64."""
_HASHED = ("buttons", "people_buttons", "invites")


def in_clear(db: sqlite3.Connection, *, waiting: bool = False) -> list[str]:
    """The columns that hold a token in clear, once for each; `waiting`: also what is still to be answered or sent."""
    known = {digest for table in _HASHED for (digest,) in db.execute(f"SELECT digest FROM {table}")}
    return [place for place, text in texts(db, waiting=waiting) if any(one in known for one in _digests(text))]


def texts(db: sqlite3.Connection, *, waiting: bool = True) -> Iterator[tuple[str, str]]:
    """Every text of every table with its column; without `waiting` not that of open updates and messages that wait."""
    passed_over = {"outbox": "state IN ('pending', 'sending')", "inbox": "done_at IS NULL"}
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        where = "" if waiting or table not in passed_over else f" WHERE NOT ({passed_over[table]})"
        rows = db.execute(f"SELECT * FROM {table}{where}")
        names = [column[0] for column in rows.description]
        for row in rows.fetchall():
            for name, value in zip(names, row, strict=True):
                if isinstance(value, bytes):
                    yield f"{table}.{name}", value.decode(errors="replace")
                elif value is not None:
                    yield f"{table}.{name}", str(value)


def _digests(text: str) -> Iterator[str]:
    """The digest of every piece of a text that may be a token."""
    for run in _RUN.findall(text):
        for first in range(len(run) - _LENGTH + 1):
            yield hashlib.sha256(run[first : first + _LENGTH].encode()).hexdigest()
