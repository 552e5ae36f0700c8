"""Watch lists on disk: what each person watches, and the one message that shows it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.store.rows import iso, marks


class WatchedStock(NamedTuple):
    """A stock on somebody's list."""

    code: str
    name: str


class WatchlistMessage(NamedTuple):
    """The message that shows a person's list; it stands in their private chat, which bears their id."""

    user_id: int
    letter: str | None = None
    """Outbox key of the message it is sent by, until its id is known."""
    message_id: int | None = None
    live_until: datetime | None = None
    """It is kept up to date until then (KST)."""
    editing: bool = False
    """Its buttons take stocks off the list."""


_MESSAGE = TypeAdapter(WatchlistMessage)


class WatchlistStore:
    """The tables of watch lists."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, user_id: int) -> list[WatchedStock]:
        """A person's list, in the order in which it was made."""
        rows = self._db.table("watch_list").rows_where("user_id = ?", [user_id], order_by="id")
        return [WatchedStock(row["code"], row["name"]) for row in rows]

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
        where = f"user_id = ? AND code IN ({marks(codes)})"
        self._db.table("watch_list").delete_where(where, [user_id, *codes])

    def screens(self) -> list[WatchlistMessage]:
        """Everybody's."""
        return [_MESSAGE.validate_python(row) for row in self._db.table("watch_messages").rows]

    def keep(self, screen: WatchlistMessage) -> None:
        """Remember where a person's list is shown."""
        until = iso(screen.live_until) if screen.live_until else None
        row = {**screen._asdict(), "live_until": until, "editing": int(screen.editing)}
        self._db.table("watch_messages").insert(row, replace=True)
