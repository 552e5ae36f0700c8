"""Watch lists on disk: what each person watches, and the one message that shows it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlite_utils import Database


class WatchedStock(NamedTuple):
    """A stock on somebody's list."""

    code: str
    name: str


class WatchlistMessage(NamedTuple):
    """The message that shows a person's list; it stands in their private chat, which bears their id."""

    user_id: int
    letter: str | None = None
    """Key of the letter it is sent by, until its id is known."""
    message_id: int | None = None
    live_until: datetime | None = None
    """It is kept up to date until then (KST)."""
    editing: bool = False
    """Its buttons take stocks off the list."""


class WatchlistStore:
    """The tables of watch lists."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, user_id: int) -> list[WatchedStock]:
        """A person's list, in the order in which it was made."""
        rows = self._db.execute("SELECT code, name FROM watch_list WHERE user_id = ? ORDER BY id", [user_id])
        return [WatchedStock(*row) for row in rows.fetchall()]

    def add(self, user_id: int, stocks: Sequence[WatchedStock], most: int) -> list[WatchedStock]:
        """Put those on the list that are not on it, as long as there are fewer than `most`; what was added."""
        added = []
        with self._db.atomic():
            for one in stocks:
                made = self._db.execute(
                    "INSERT OR IGNORE INTO watch_list (user_id, code, name) SELECT ?, ?, ? "
                    "WHERE (SELECT count(*) FROM watch_list WHERE user_id = ?) < ?",
                    [user_id, one.code, one.name, user_id, most],
                )
                if made.rowcount > 0:
                    added.append(one)
        return added

    def remove(self, user_id: int, codes: Collection[str]) -> None:
        """Take these off the list."""
        with self._db.atomic():
            for code in codes:
                self._db.execute("DELETE FROM watch_list WHERE user_id = ? AND code = ?", [user_id, code])

    def screens(self) -> list[WatchlistMessage]:
        """Everybody's."""
        rows = self._db.execute("SELECT user_id, letter, message_id, live_until, editing FROM watch_messages")
        return [
            WatchlistMessage(user, letter, message, datetime.fromisoformat(until) if until else None, bool(editing))
            for user, letter, message, until, editing in rows.fetchall()
        ]

    def keep(self, screen: WatchlistMessage) -> None:
        """Remember where a person's list is shown."""
        until = screen.live_until.isoformat(timespec="milliseconds") if screen.live_until else None
        self._db.execute(
            "INSERT OR REPLACE INTO watch_messages (user_id, letter, message_id, live_until, editing) "
            "VALUES (?, ?, ?, ?, ?)",
            [screen.user_id, screen.letter, screen.message_id, until, int(screen.editing)],
        )
