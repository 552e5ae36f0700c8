"""Alerts on disk. A crossing and its notice are written together, so that a crash neither loses nor repeats one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.alerts.engine import AlertChange
from bot.alerts.model import LIVE, Alert, AlertState
from bot.store.outbox import Outbox
from bot.store.rows import Store, iso

RETENTION = timedelta(days=30)
"""So long an alert that is over stays on record."""

_ALERT = TypeAdapter(Alert)
_LIVE = ", ".join(f"'{one.value}'" for one in sorted(LIVE))
_OURS = "(user_id = ? AND id = ? AND parent IS NULL OR parent = (SELECT id FROM alerts WHERE user_id = ? AND id = ?))"


class LastSeen(NamedTuple):
    """What was last seen of a stock, and when (KST)."""

    price: int | None
    volume: int | None
    at: datetime


class AlertStore(Store):
    """The table of alerts."""

    def __init__(self, db: Database, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        super().__init__(db, clock)
        self._outbox = outbox

    # --- what people want ---------------------------------------------------------------------------------------------

    def add(self, alert: Alert, most: int | None = None) -> Alert | None:
        """Write a new alert; the id is given here. One that the same update asked for is returned as it is.

        None where this person has `most` already, or it is a part of an alert on holdings that is over.
        """
        with self._db.atomic():
            if alert.asked is not None and (known := self._read("asked = ?", [alert.asked])):
                return known[0]
            if most is not None and len(self.of(alert.user_id)) >= most:
                return None
            row = _ALERT.dump_python(alert, mode="json")
            del row["id"]
            made = self._db.execute(
                f"INSERT OR IGNORE INTO alerts ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608  # names of our own fields
                list(row.values()),
            )
            return replace(alert, id=int(made.lastrowid or 0)) if made.rowcount else None

    def of(self, user_id: int) -> list[Alert]:
        """A person's live alerts, oldest first."""
        return self._read(f"user_id = ? AND parent IS NULL AND state IN ({_LIVE})", [user_id])

    def live(self) -> list[Alert]:
        """Everybody's live alerts, without what belongs to an alert on holdings."""
        return self._read(f"parent IS NULL AND state IN ({_LIVE})", [])

    def children(self, parent: int) -> list[Alert]:
        """What belongs to an alert on holdings."""
        return self._read(f"parent = ? AND state IN ({_LIVE})", [parent])

    def delete(self, user_id: int, alert_id: int) -> list[int]:
        """End a person's alert and what belongs to it; what was ended. Nobody ends another's."""
        ours = [user_id, alert_id, user_id, alert_id]
        with self._db.atomic():
            found = [one.id for one in self._read(f"{_OURS} AND state IN ({_LIVE})", ours)]
            self._end(found, AlertState.DELETED)
        return found

    # --- what becomes of them -----------------------------------------------------------------------------------------

    def commit(self, changes: Sequence[AlertChange]) -> bool:
        """Write what a tick changed, and put the notices of what fired into the outbox; all of it or nothing.

        One that was ended meanwhile is left alone, and who may not use the bot now is not told. True if anybody is.
        """
        told = False
        with self._db.atomic():
            for _, after, fired in changes:
                written = self._db.execute(
                    "UPDATE alerts SET state = ?, crossings = ?, line = ?, start = ?, day = ?, ended_at = ? "  # noqa: S608  # our own words
                    f"WHERE id = ? AND state IN ({_LIVE})",
                    [
                        after.state.value,
                        after.crossings,
                        after.line,
                        after.start,
                        after.day.isoformat() if after.day else None,
                        None if after.live else self._now(),
                        after.id,
                    ],
                )
                if fired is not None and written.rowcount and self._belongs(after.user_id):
                    self._outbox.put("alert", after.chat_id, fired.data(), fired.key)
                    told = True
        return told

    def _belongs(self, user_id: int) -> bool:
        return bool(self._db.table("people").count_where("user_id = ? AND status = 'active'", [user_id]))

    def expire(self) -> list[int]:
        """End what is past its time, or belongs to somebody who was removed; what was ended."""
        now = self._clock()
        with self._db.atomic():
            rows = self._read(f"state IN ({_LIVE})", [])
            gone = {row["user_id"] for row in self._db.table("people").rows_where("status = 'removed'")}
            late = [one.id for one in rows if one.expires_at <= now]
            theirs = [one.id for one in rows if one.expires_at > now and one.user_id in gone]
            self._end(late, AlertState.EXPIRED)
            self._end(theirs, AlertState.DELETED)
        return [*late, *theirs]

    def _end(self, alerts: Iterable[int], state: AlertState) -> None:
        for alert_id in alerts:
            self._db.table("alerts").update(alert_id, {"state": state.value, "ended_at": self._now()})

    def tidy(self) -> None:
        """Forget what has long been over; numbers are never given twice."""
        self._db.table("alerts").delete_where("ended_at < ?", [iso(self._clock() - RETENTION)])

    # --- what was last seen -------------------------------------------------------------------------------------------

    def remember(self, seen: Mapping[str, LastSeen]) -> None:
        """Write what was last seen of some stocks."""
        rows = [{**last._asdict(), "code": code, "at": iso(last.at)} for code, last in seen.items()]
        self._db.table("alert_looks").insert_all(rows, replace=True)

    def seen(self) -> dict[str, LastSeen]:
        """What was last seen, before this start."""
        rows = self._db.table("alert_looks").rows
        return {row["code"]: LastSeen(row["price"], row["volume"], datetime.fromisoformat(row["at"])) for row in rows}

    def _read(self, where: str, values: Sequence[object]) -> list[Alert]:
        rows = self._db.table("alerts").rows_where(where, list(values), order_by="id")
        return [_ALERT.validate_python(row) for row in rows]
