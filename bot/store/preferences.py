"""What each person wants to hear, on disk."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from bot.orders.access.preferences import Preferences, Quiet, Ring, Topic
from bot.store.audit.log import AuditLog


class PreferenceStore:
    """The table of preferences; who is not in it wants everything, in the house's language."""

    def __init__(self, db: Database, audit: AuditLog, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    def of(self, user_id: int) -> Preferences:
        """A person's."""
        row = self._db.execute(
            "SELECT lang, rings, quiet, roundup FROM preferences WHERE user_id = ?",
            [user_id],
        ).fetchone()
        if row is None:
            return Preferences()
        lang, rings, quiet, listed = row
        return Preferences(
            lang=lang,
            rings={Topic(topic): Ring(ring) for topic, ring in json.loads(rings).items()},
            quiet=Quiet.read(quiet) if quiet else None,
            roundup=bool(listed),
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
            self._db.execute(
                "INSERT OR REPLACE INTO preferences (user_id, lang, rings, quiet, roundup, changed_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [user_id, *values.values(), self._clock().isoformat(timespec="seconds")],
            )
            self._audit.add("people.settings", user_id=user_id, **values)
