"""The one outbox row by which a chat's live message is edited: the newest facts replace those that wait.

A chat has one such row for good, so that nothing piles up. The row is never deleted: its id could be given to another
message while this one is being sent.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from bot.store.message_kinds import KINDS
from bot.store.outbox import Outbox
from bot.store.rows import Store, as_json


class LiveMessages(Store):
    """Those rows of the outbox."""

    def __init__(self, db: Database, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        super().__init__(db, clock)
        self._outbox = outbox

    def put(self, chat_id: int, facts: Mapping[str, Any], *, asked: bool = False) -> bool:
        """Show these facts next; they name their message as `message_id`. `asked`: as urgent as a reply.

        False while an earlier one is being sent: put it again shortly.
        """
        urgency = KINDS["reply" if asked else "look"].urgency
        with self._db.atomic():
            self._outbox.put("look", chat_id, facts, _key(chat_id))
            put = self._db.execute(
                "UPDATE outbox SET data = ?, state = 'pending', tries = 0, doubts = 0, error = NULL, "
                "message_id = NULL, made_at = ?, done_at = NULL, "
                "urgency = CASE state WHEN 'pending' THEN min(urgency, ?) ELSE ? END "
                "WHERE key = ? AND state != 'sending'",
                [as_json(facts), self._now(), urgency, urgency, _key(chat_id)],
            )
        return put.rowcount > 0

    def drop(self, chat_id: int) -> None:
        """What waits is not shown any more; one that is being sent is not sent a second time."""
        self._db.execute(
            "UPDATE outbox SET data = '{}', done_at = ?, "
            "state = CASE state WHEN 'pending' THEN 'failed' ELSE state END "
            "WHERE key = ? AND state IN ('pending', 'sending')",
            [self._now(), _key(chat_id)],
        )

    def refused(self, chat_id: int, message_id: int) -> bool:
        """Whether Telegram will not have this message changed any more: it is gone, or the chat is."""
        where = "key = ? AND state = 'failed' AND json_extract(data, '$.message_id') = ?"
        return bool(self._db.table("outbox").count_where(where, [_key(chat_id), message_id]))

    def last(self, chat_id: int) -> dict[str, Any] | None:
        """The newest facts, shown or still to be."""
        row = self._row("outbox WHERE key = ?", _key(chat_id))
        return json.loads(row["data"]) or None if row else None

    def message_of(self, key: str) -> int | None:
        """The Telegram message of an outbox row, by the row's key; None until it was delivered."""
        row = self._row("outbox WHERE key = ?", key)
        return row["message_id"] if row else None


def _key(chat_id: int) -> str:
    return f"look:{chat_id}"
