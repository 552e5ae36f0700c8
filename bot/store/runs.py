"""Runs and days: whether the last run ended in order, whether this is its database, what a day began with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlite_utils import Database

from bot.store.audit.log import AuditLog
from bot.store.private_files import replace_private
from bot.store.rows import Store

COUNT_FILE = "kisbot.runs"
"""Beside the database: how many runs there were. A database that knows of fewer was restored from a backup."""


@dataclass(frozen=True)
class Start:
    """How this run begins."""

    number: int
    unclean: bool
    """The run before it did not end in order: killed, crashed, or the power went."""
    restored: bool
    """The database is older than the last run: what was done since is not in it."""


class Runs(Store):
    """The tables of runs and days."""

    def __init__(self, db: Database, audit: AuditLog, folder: Path, clock: Callable[[], datetime]) -> None:
        super().__init__(db, clock)
        self._audit = audit
        self._file = folder / COUNT_FILE
        self.number = 0
        """Of this run; 0 before it begins."""

    def begin(self, version: str) -> Start:
        """Write down that a run begins."""
        last = self._row("runs ORDER BY id DESC")
        known = last["id"] if last else 0
        counted = self._counted()
        start = Start(
            number=max(known, counted) + 1,
            unclean=last is not None and last["stopped_at"] is None,
            restored=counted > known,
        )
        self.number = start.number
        with self._db.atomic():
            self._db.table("runs").insert({"id": start.number, "started_at": self._now(), "version": version})
            self._audit.add("bot.started", run=start.number, unclean=start.unclean, restored=start.restored)
        replace_private(self._file, str(start.number))
        return start

    def end(self) -> None:
        """Write down that the run ends in order."""
        with self._db.atomic():
            self._db.execute("UPDATE runs SET stopped_at = ? WHERE id = ?", [self._now(), self.number])
            self._audit.add("bot.stopped", run=self.number)

    def worth(self, day: date) -> int | None:
        """Won the account was worth when that day began, as far as it was looked at."""
        row = self._row("days WHERE day = ?", day.isoformat())
        return row["worth"] if row else None

    def begin_day(self, day: date, worth: int) -> None:
        """Remember it, once."""
        self._db.table("days").insert({"day": day.isoformat(), "worth": worth}, ignore=True)

    def _counted(self) -> int:
        try:
            return int(self._file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0
