"""Updates from Telegram, on disk before they are confirmed: a crash loses none, and a redelivery is known."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bot.store.rows import Store, iso

RETENTION = timedelta(days=7)
"""Telegram redelivers for a day at most; a week is enough to look back."""


class Inbox(Store):
    """The inbox table."""

    def keep(self, updates: Sequence[tuple[int, dict[str, Any]]]) -> list[int]:
        """Write updates down and say which are new; when this returns they may be confirmed to Telegram."""
        now = self._now()
        fresh = []
        with self._db.atomic():
            for update_id, body in updates:
                written = self._db.execute(
                    "INSERT OR IGNORE INTO inbox (update_id, body, kept_at) VALUES (?, ?, ?)",
                    [update_id, json.dumps(body, ensure_ascii=False), now],
                )
                if written.rowcount:
                    fresh.append(update_id)
        return fresh

    def open(self) -> list[tuple[int, dict[str, Any]]]:
        """Updates that were kept and not yet answered, in order: after a start these come first."""
        rows = self._db.table("inbox").rows_where("done_at IS NULL", order_by="update_id")
        return [(row["update_id"], json.loads(row["body"])) for row in rows]

    def done(self, update_id: int) -> None:
        """The update was dealt with; its text is let go, because the audit has what matters of it."""
        self._db.execute("UPDATE inbox SET done_at = ?, body = '' WHERE update_id = ?", [self._now(), update_id])

    def next_offset(self) -> int | None:
        """The id to ask Telegram for next, or None if nothing was ever received."""
        (newest,) = self._db.execute("SELECT max(update_id) FROM inbox").fetchone()
        return None if newest is None else newest + 1

    def tidy(self) -> None:
        """Forget old rows, but never the newest, which holds the offset."""
        before = iso(self._clock() - RETENTION)
        newest = "(SELECT max(update_id) FROM inbox)"
        self._db.table("inbox").delete_where(f"done_at < ? AND update_id < {newest}", [before])
