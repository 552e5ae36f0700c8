"""Messages on their way to chats. A row is written with what it tells, so a crash delays it and never loses it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlite_utils import Database

URGENCY = {
    "found": 0, "absent": 0, "late": 0, "ambiguous": 0, "contradiction": 0, "trouble": 0,
    "fill": 1, "external_fill": 1, "ended": 1, "card": 1, "reply": 2, "edit": 2,
}  # fmt: skip
"""Lower goes first within a chat: doubt, then what becomes of orders in the order it happened, then the rest."""
KEEP = timedelta(days=30)


@dataclass(frozen=True)
class Letter:
    """One row: what is to be told to which chat, in facts."""

    id: int
    chat_id: int
    kind: str
    data: Mapping[str, Any]
    order_id: int | None
    tries: int
    resent: bool
    """The first try may have been delivered: say so."""


class Outbox:
    """The outbox table."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock

    def put(self, kind: str, chat_id: int, data: Mapping[str, Any], key: str | None = None) -> None:
        """Queue a message; one whose key was ever queued before is dropped, however often it comes."""
        order_id = data.get("order")
        self._db.execute(
            "INSERT OR IGNORE INTO outbox (chat_id, kind, data, order_id, key, urgency, state, tries, made_at) "
            "VALUES (?, ?, ?, ?, ?, ?, 'pending', 0, ?)",
            [
                chat_id,
                kind,
                json.dumps(dict(data), ensure_ascii=False, default=str),
                order_id,
                key,
                URGENCY[kind],
                self._now(),
            ],
        )

    def waiting(self, chats_busy: Sequence[int] = ()) -> list[Letter]:
        """The next message of every chat that is not busy."""
        marks = ",".join("?" * len(chats_busy))
        rows = self._db.query(
            f"SELECT * FROM outbox WHERE state = 'pending' AND chat_id NOT IN ({marks}) "  # noqa: S608  # only marks
            "ORDER BY urgency, id",
            list(chats_busy),
        )
        first: dict[int, Letter] = {}
        for row in rows:
            first.setdefault(row["chat_id"], _letter(row))
        return list(first.values())

    def sending(self, letter: Letter) -> None:
        """About to leave: after a crash from here on it may have been delivered."""
        self._db.execute("UPDATE outbox SET state = 'sending', tries = tries + 1 WHERE id = ?", [letter.id])

    def sent(self, letter: Letter, message_id: int | None) -> None:
        """Delivered. What opened a button is forgotten here."""
        self._end(letter, "sent", message_id, None)

    def again(self, letter: Letter, *, unsure: bool) -> None:
        """Not delivered, or perhaps: back into the queue; `unsure` marks it as a possible repeat."""
        self._db.execute(
            "UPDATE outbox SET state = 'pending', error = CASE WHEN ? THEN 'unsure' ELSE error END WHERE id = ?",
            [unsure, letter.id],
        )

    def failed(self, letter: Letter, error: str) -> None:
        """Cannot be delivered: the chat refused it for good."""
        self._end(letter, "failed", None, error)

    def _end(self, letter: Letter, state: str, message_id: int | None, error: str | None) -> None:
        self._db.execute(
            "UPDATE outbox SET state = ?, message_id = ?, error = coalesce(?, error), done_at = ?, "
            "data = json_remove(data, '$.confirm', '$.discard', '$.keys', '$.claims', '$.none') WHERE id = ?",
            [state, message_id, error, self._now(), letter.id],
        )

    def card_message(self, order_id: int) -> int | None:
        """The message that is this order's living card, once it was delivered."""
        row = self._db.execute(
            "SELECT message_id FROM outbox WHERE order_id = ? AND kind = 'card' AND message_id IS NOT NULL "
            "ORDER BY id LIMIT 1",
            [order_id],
        ).fetchone()
        return row[0] if row else None

    def newer_card(self, letter: Letter) -> bool:
        """Whether a later update of the same card is waiting, so that this one need not be sent."""
        row = self._db.execute(
            "SELECT 1 FROM outbox WHERE order_id = ? AND kind = 'card' AND state = 'pending' AND id > ? LIMIT 1",
            [letter.order_id, letter.id],
        ).fetchone()
        return row is not None

    def recover(self) -> None:
        """After a start: what was leaving when we stopped may have arrived; it goes once more, and says so."""
        self._db.execute("UPDATE outbox SET state = 'pending', error = 'unsure' WHERE state = 'sending'")

    def tidy(self) -> None:
        """Forget old messages; keys of fills are kept with the order's day, long past any repeat."""
        before = (self._clock() - KEEP).isoformat(timespec="milliseconds")
        self._db.execute("DELETE FROM outbox WHERE done_at < ?", [before])

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")


def _letter(row: Mapping[str, Any]) -> Letter:
    return Letter(
        id=row["id"],
        chat_id=row["chat_id"],
        kind=row["kind"],
        data=json.loads(row["data"]),
        order_id=row["order_id"],
        tries=row["tries"],
        resent=row["error"] == "unsure",
    )
