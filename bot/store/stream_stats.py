"""What each day's fill notices came to, so that a restart does not begin the day anew."""

import json
from collections.abc import Mapping
from datetime import date

from sqlite_utils import Database


class StreamStats:
    """A row a day."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def last(self, days: int) -> dict[date, dict[str, int]]:
        """The figures of the newest days, oldest first."""
        rows = self._db.execute("SELECT day, figures FROM heard_days ORDER BY day DESC LIMIT ?", [days]).fetchall()
        return {date.fromisoformat(day): json.loads(figures) for day, figures in reversed(rows)}

    def keep(self, day: date, figures: Mapping[str, int]) -> None:
        """Remember a day's figures as they stand."""
        self._db.execute(
            "INSERT OR REPLACE INTO heard_days (day, figures) VALUES (?, ?)",
            [day.isoformat(), json.dumps(dict(figures))],
        )
