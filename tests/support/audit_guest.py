"""A log in a real file for the tests of the audit chain, and somebody who tampers with it."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from bot.store.audit.chain import AuditRow
from bot.store.audit.export import all_rows, reading, stored_anchors
from bot.store.audit.keys import DayKeys
from bot.store.audit.log import AuditLog
from bot.store.audit.verify import ChainVerdict, verify
from bot.store.database import open_database
from kis.krx import KST

NAMES = ("seq", "at", "user_id", "name", "action", "order_id", "detail", "key_day", "mac")


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 10, 0, tzinfo=KST)

    def __call__(self) -> datetime:
        return self.now

    def to(self, day: int, hour: int = 10) -> None:
        self.now = datetime(2026, 11, day, hour, tzinfo=KST)


class Harness:
    """A data directory with its database, and the first key as its owner keeps it elsewhere."""

    def __init__(self, home: Path, clock: Clock | None = None) -> None:
        self.home = home
        self.path = home / "kisbot.db"
        self.keys = DayKeys(home)
        self.clock = clock or Clock()
        self.db = open_database(self.path)
        self.log = AuditLog(self.db, self.clock, self.keys)
        self.firsts = self.keys.firsts()

    def again(self) -> AuditLog:
        """The program is started once more."""
        self.db.close()
        self.db = open_database(self.path)
        self.log = AuditLog(self.db, self.clock, self.keys)
        return self.log

    def work(self, rows: int) -> None:
        for number in range(rows):
            self.clock.now += timedelta(seconds=1)
            self.log.add(
                "order.proposed", user_id=number % 3, name="김", order_id=number, code="005930", quantity=number
            )

    def verdict(self, *, anchors=(), day_key=True, firsts=None) -> ChainVerdict:
        mark = self.keys.read() if day_key else None
        with reading(self.path) as connection:
            known = [*stored_anchors(connection), *anchors]
            return verify(all_rows(connection), *(firsts or self.firsts), anchors=known, day_key=mark)

    def rows(self) -> list[AuditRow]:
        with reading(self.path) as connection:
            return list(all_rows(connection))

    def close(self) -> None:
        self.db.close()


def tamper(path: Path, rows: list[AuditRow]) -> None:
    """Put these rows in the place of the log, as somebody does who has the file and drops what protects it."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DELETE FROM audit")
        db.executemany(f"INSERT INTO audit ({', '.join(NAMES)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.commit()


def numbered(rows: list[AuditRow]) -> list[AuditRow]:
    """The rows numbered anew, so that none seems to be missing."""
    return [row._replace(seq=seq) for seq, row in enumerate(rows, 1)]
