"""Limits of one person or of the account that differ from the settings, each from a day on. Rows are only ever added.

In force on a day is, of each limit, the newest row whose day has come. So lowering takes back a raise that waits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlite_utils import Database

from bot.orders.access.roles import Actor
from bot.orders.model.reason import Reason
from bot.orders.risk.checks import Limits
from bot.orders.risk.limit_overrides import ACCOUNT, ITEMS, SettableLimit, Value, with_overrides
from bot.store.audit.log import AuditLog
from bot.store.outbox import Outbox
from bot.store.rows import Store, iso
from kis.krx import next_trading_day


@dataclass(frozen=True)
class LimitChange:
    """A limit that was set: from what to what, and from which day on it counts."""

    user_id: int
    item: SettableLimit
    was: Value
    now: Value
    day: date
    raised: bool


@dataclass(frozen=True)
class Override:
    """A row that is in force, or that waits for its day. `value` None: as the settings say."""

    user_id: int
    item: SettableLimit
    value: Value | None
    day: date
    by: str


class LimitStore(Store):
    """The table of limits."""

    def __init__(
        self, db: Database, audit: AuditLog, outbox: Outbox, settings: Limits, clock: Callable[[], datetime]
    ) -> None:
        """`settings`: what holds where nothing was set here."""
        super().__init__(db, clock)
        self._audit = audit
        self._outbox = outbox
        self._settings = settings

    def limits_of(self, user_id: int, day: date) -> Limits:
        """What holds for this person on that day: the settings, with the person's and the account's own."""
        return with_overrides(self._settings, {**self._in_force(ACCOUNT, day), **self._in_force(user_id, day)})

    def _in_force(self, user_id: int, day: date) -> Mapping[str, Value]:
        rows = self._db.execute(
            "SELECT item, value, max(id) FROM limits WHERE user_id = ? AND from_day <= ? GROUP BY item",
            [user_id, day.isoformat()],
        )
        found = {item: _read(item, value) for item, value, _ in rows.fetchall() if item in ITEMS}
        return {item: value for item, value in found.items() if value is not None}

    def overrides(self, user_id: int | None = None) -> list[Override]:
        """What is in force today and what waits; of one person (0: the account), or all."""
        today = self._clock().date().isoformat()
        rows = self._db.query(
            "SELECT * FROM limits AS one WHERE (? IS NULL OR user_id = ?) AND NOT EXISTS ("
            "SELECT 1 FROM limits AS later WHERE later.user_id = one.user_id AND later.item = one.item "
            "AND later.id > one.id AND later.from_day <= max(one.from_day, ?)) ORDER BY user_id, id",
            [user_id, user_id, today],
        )
        found = [
            Override(
                row["user_id"],
                ITEMS[row["item"]],
                _read(row["item"], row["value"]),
                date.fromisoformat(row["from_day"]),
                row["set_by_name"],
            )
            for row in rows
            if row["item"] in ITEMS
        ]
        return [one for one in found if one.value is not None or one.day.isoformat() > today]

    def raises(self, user_id: int, item: SettableLimit, value: Value | None) -> bool:
        """Whether this would let more through than what is in force today."""
        return item.looser(self._meant(item, value), self._today(user_id, item))

    def set(
        self,
        user_id: int,
        name: str,
        item: SettableLimit,
        value: Value | None,
        *,
        by: Actor | None,
        everybody: Sequence[int],
    ) -> LimitChange | Reason:
        """Set a limit, or with None go back to the settings; written, told and audited at one stroke.

        A raise counts from the next trading day and is told to everybody; a lower limit counts at once and is told to
        whom it concerns. `user_id` 0 is the account, `by` None the command line, `everybody` the chats of all who use
        the bot. Whether `by` may is for the caller to say.
        """
        now = self._clock()
        with self._db.atomic():
            was = self._today(user_id, item)
            meant = self._meant(item, value)
            if meant == was and not self._waits(user_id, item, now.date()):
                return Reason("LIMIT_SAME", {})
            raised = item.looser(meant, was)
            day = next_trading_day(now.date()) if raised else now.date()
            change = LimitChange(user_id, item, was, meant, day, raised)
            written = self._db.table("limits").insert(
                {
                    "user_id": user_id,
                    "item": item.name,
                    "value": None if value is None else str(value),
                    "from_day": day.isoformat(),
                    "set_at": iso(now),
                    "set_by": by.user_id if by else None,
                    "set_by_name": by.name if by else "CLI",
                }
            )
            self._audit.add(
                "limits.raised" if raised else "limits.lowered",
                user_id=by.user_id if by else None,
                name=by.name if by else None,
                subject=user_id,
                item=item.name,
                was=str(was),
                now=str(meant),
                day=day.isoformat(),
            )
            self._tell(change, name, by, everybody, written.last_rowid)
        return change

    def _tell(
        self, change: LimitChange, name: str, by: Actor | None, everybody: Sequence[int], row: int | None
    ) -> None:
        all_of_them = change.raised or change.user_id == ACCOUNT
        concerned = everybody if all_of_them else [change.user_id, *([by.chat_id] if by else [])]
        values = {
            "name": name,
            "what": change.item.name.upper(),
            "was": change.item.shown(change.was),
            "now": change.item.shown(change.now),
            "day": change.day.isoformat(),
            "by": by.name if by else "CLI",
        }
        code = "LIMIT_RAISED" if change.raised else "LIMIT_LOWERED"
        for chat in dict.fromkeys(concerned):
            self._outbox.put("limits", chat, {"code": code, "values": values}, f"limits:{row}:{chat}")

    def _waits(self, user_id: int, item: SettableLimit, today: date) -> bool:
        return any(one.item is item and one.day > today for one in self.overrides(user_id))

    def _today(self, user_id: int, item: SettableLimit) -> Value:
        """The value as set, before it is drawn down to fit its neighbours."""
        return self._meant(item, self._in_force(user_id, self._clock().date()).get(item.name))

    def _meant(self, item: SettableLimit, value: Value | None) -> Value:
        return getattr(self._settings, item.name) if value is None else value


def _read(item: str, value: str | None) -> Value | None:
    """A value as this file wrote it."""
    if value is None:
        return None
    if item == "market_orders":
        return value == "True"
    return Decimal(value) if item == "collar_deny" else int(value)
