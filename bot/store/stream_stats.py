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
        rows = list(self._db.table("heard_days").rows_where(order_by="day DESC", limit=days))
        return {date.fromisoformat(row["day"]): json.loads(row["figures"]) for row in reversed(rows)}

    def keep(self, day: date, figures: Mapping[str, int]) -> None:
        """Remember a day's figures as they stand."""
        row = {"day": day.isoformat(), "figures": json.dumps(dict(figures))}
        self._db.table("heard_days").insert(row, replace=True)
