"""The table of each person's preferences: language, topics, quiet hours, round-up."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from bot.orders.access.preferences import Preferences, Quiet, Ring, Topic
from bot.store.audit.log import AuditLog
from bot.store.rows import Store


class PreferenceStore(Store):
    """The table of preferences; who is not in it wants everything, in the bot's language."""

    def __init__(self, db: Database, audit: AuditLog, clock: Callable[[], datetime]) -> None:
        super().__init__(db, clock)
        self._audit = audit

    def of(self, user_id: int) -> Preferences:
        """A person's."""
        row = self._row("preferences WHERE user_id = ?", user_id)
        if row is None:
            return Preferences()
        return Preferences(
            lang=row["lang"],
            rings={Topic(topic): Ring(ring) for topic, ring in json.loads(row["rings"]).items()},
            quiet=Quiet.read(row["quiet"]) if row["quiet"] else None,
            roundup=bool(row["roundup"]),
        )

    def keep(self, user_id: int, wanted: Preferences) -> None:
        """From now on this person wants this; it goes on record, for whoever wonders later why they were not told."""
        values: dict[str, Any] = {
            "lang": wanted.lang,
            "rings": json.dumps({topic.value: ring.value for topic, ring in sorted(wanted.rings.items())}),
            "quiet": str(wanted.quiet) if wanted.quiet else None,
            "roundup": int(wanted.roundup),
        }
        with self._db.atomic():
            row = {"user_id": user_id, **values, "changed_at": self._clock().isoformat(timespec="seconds")}
            self._db.table("preferences").insert(row, replace=True)
            self._audit.add("people.settings", user_id=user_id, **values)
