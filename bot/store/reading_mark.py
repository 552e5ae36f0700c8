"""When the broker's list was last read completely, and what came after; what each day's fill notices came to."""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime

from sqlite_utils import Database

from bot.orders.model.order import IN_DOUBT, WORKING, OrderState
from bot.store.rows import marks

_OPEN = [state.value for state in sorted(WORKING | IN_DOUBT)]
_SENT = [state.value for state in sorted(IN_DOUBT | {OrderState.ABSENT})]


@dataclass(frozen=True)
class ReadingMark:
    """A clean reading that was taken in, at a time of KST."""

    at: datetime
    outbox_id: int
    """The newest row of the outbox then; what is told of later readings comes after it."""
    open: frozenset[int]
    """Ids of orders of that day which were working or in doubt."""
    unread: bool = False
    """A reading was tried since, in vain."""


@dataclass(frozen=True)
class SentOrder:
    """An order that was open at a mark or left after it; `sent_at` is when it last left."""

    id: int
    chat_id: int
    sent_at: datetime


@dataclass(frozen=True)
class GapFindings:
    """What has been told since a mark: fills, their shares, the orders that had any, and ends by the order's state."""

    fills: int = 0
    shares: int = 0
    orders: int = 0
    ended: Mapping[str, int] | None = None


class ReadingMarks:
    """The table of one row that holds the mark, and the questions asked of others since."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def together(self) -> AbstractContextManager[object]:
        """One transaction around what is told and the mark that says so."""
        return self._db.atomic()

    def last(self) -> ReadingMark | None:
        """The newest mark of any run."""
        row = self._db.execute("SELECT at, letters, open, unread FROM sight").fetchone()
        if row is None:
            return None
        return ReadingMark(datetime.fromisoformat(row[0]), row[1], frozenset(json.loads(row[2])), bool(row[3]))

    def mark(self, now: datetime) -> ReadingMark:
        """Remember that everything up to now is taken in.

        It is written every few seconds, so it does not wait for the disk: a process that is killed loses none of it,
        and a power cut costs no more than a gap that is told from a little earlier on.
        """
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()
        mark = ReadingMark(now, newest, self._open(now.date()))
        self._write_unsynced(
            "INSERT OR REPLACE INTO sight (id, at, letters, open, unread) VALUES (1, ?, ?, ?, 0)",
            [now.isoformat(), mark.outbox_id, json.dumps(sorted(mark.open))],
        )
        return mark

    def unread(self) -> None:
        """Remember that a reading was tried in vain since the mark."""
        self._write_unsynced("UPDATE sight SET unread = 1", [])

    def sent_since(self, mark: ReadingMark) -> list[SentOrder]:
        """Orders that were open at a mark, or may have reached the broker after it."""
        rows = self._db.execute(
            "SELECT id, chat_id, sent_at FROM orders WHERE sent_at IS NOT NULL "  # noqa: S608  # only marks
            f"AND (id IN ({marks(mark.open)}) OR day >= ? AND (order_no != '' OR state IN ({marks(_SENT)})))",
            [*sorted(mark.open), mark.at.date().isoformat(), *_SENT],
        )
        sent = [SentOrder(order_id, chat_id, datetime.fromisoformat(at)) for order_id, chat_id, at in rows.fetchall()]
        return [one for one in sent if one.id in mark.open or one.sent_at > mark.at]

    def found_since(self, mark: ReadingMark) -> GapFindings:
        """What has been told of our orders since a mark."""
        rows = self._db.execute(
            "SELECT DISTINCT order_id, json_extract(data, '$.filled'), json_extract(data, '$.step') FROM outbox "
            "WHERE id > ? AND kind = 'fill'",
            [mark.outbox_id],
        ).fetchall()
        ended = self._db.execute(
            "SELECT state FROM orders WHERE id IN (SELECT order_id FROM outbox WHERE id > ? AND kind = 'ended')",
            [mark.outbox_id],
        ).fetchall()
        return GapFindings(
            len(rows),
            sum(step for _, _, step in rows),
            len({order_id for order_id, _, _ in rows}),
            dict(sorted(Counter(state for (state,) in ended).items())),
        )

    def _open(self, day: date) -> frozenset[int]:
        open_then = f"state IN ({marks(_OPEN)}) AND day = ?"
        rows = self._db.table("orders").rows_where(open_then, [*_OPEN, day.isoformat()], select="id")
        return frozenset(row["id"] for row in rows)

    def _write_unsynced(self, sql: str, values: list[object]) -> None:
        if self._db.conn.in_transaction:  # then it is as durable as what it goes with
            self._db.execute(sql, values)
            return
        self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            self._db.execute(sql, values)
        finally:
            self._db.execute("PRAGMA synchronous=FULL")


class StreamStats:
    """What each day's fill notices came to, so that a restart does not begin the day anew: a row a day."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def last(self, days: int) -> dict[date, dict[str, int]]:
        """The figures of the newest days, oldest first."""
        rows = list(self._db.table("heard_days").rows_where(order_by="day DESC", limit=days))
        return {date.fromisoformat(row["day"]): json.loads(row["figures"]) for row in reversed(rows)}

    def keep(self, day: date, figures: Mapping[str, int]) -> None:
        """Remember a day's figures as they stand."""
        row = {"day": day.isoformat(), "figures": json.dumps(dict(figures))}
        self._db.table("heard_days").insert(row, replace=True)
