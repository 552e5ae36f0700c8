"""The whitelist: who may use the bot. Authority is the numeric Telegram id, never a name.

Rows are never deleted: who was shut out stays known as that, and comes back only when it is said in so many words.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.orders.access.membership import (
    LastOwner,
    Member,
    NoSuchPerson,
    NotAllowed,
    SameName,
    Status,
    WasRemoved,
    likeness,
    may_manage,
)
from bot.orders.access.roles import Role
from bot.store.audit.log import AuditLog

_MEMBER = TypeAdapter(Member)

SEEN_EVERY = timedelta(minutes=1)
"""How exact the time is at which somebody was last seen."""
WHY = "PERSON_REMOVED"
"""The reason that ends the tickets of somebody who is shut out or demoted."""


class People:
    """The whitelist table.

    Each change is one transaction with its audit row. `by` is who makes it, None whoever has this machine. It raises
    `NotAllowed` where `by` may not make it, and `LastOwner` where it would leave nobody in charge.
    """

    def __init__(
        self, db: Database, audit: AuditLog, clock: Callable[[], datetime], void_orders: Callable[[int, str], None]
    ) -> None:
        """`void_orders(user_id, why)` ends a removed or demoted member's tickets and votes, in the same transaction.

        Their buttons and invitations are voided here.
        """
        self._db = db
        self._audit = audit
        self._clock = clock
        self._void_orders = void_orders
        self._seen: dict[int, datetime] = {}

    # --- asking -------------------------------------------------------------------------------------------------------

    def get(self, user_id: int) -> Member | None:
        """The active person of this id; None for strangers, suspended and removed people alike."""
        found = self.find(user_id)
        return found if found is not None and found.status is Status.ACTIVE else None

    def find(self, user_id: int) -> Member | None:
        """Whoever was ever let in under this id, wherever they stand now."""
        row = next(self._db.query("SELECT * FROM people WHERE user_id = ?", [user_id]), None)  # for every update
        return _MEMBER.validate_python(row) if row else None

    def all(self) -> list[Member]:
        """Everybody who is let in, owners first."""
        return [one for one in self.everybody() if one.status is Status.ACTIVE]

    def everybody(self) -> list[Member]:
        """Everybody on record: those let in first, of them owners first."""
        rows = self._db.table("people").rows_where(order_by="added_at, user_id")
        found = [_MEMBER.validate_python(row) for row in rows]
        return sorted(found, key=lambda one: (list(Status).index(one.status), -list(Role).index(one.role)))

    def owners(self) -> list[int]:
        """The owners' ids, which are their private chats' ids too."""
        return [one.user_id for one in self.all() if one.role is Role.OWNER]

    def overseers(self) -> list[int]:
        """The ids of owners and admins."""
        return [one.user_id for one in self.all() if one.role.covers(Role.ADMIN)]

    # --- changing -----------------------------------------------------------------------------------------------------

    def put(self, user_id: int, name: str, role: Role, *, by: int | None = None, again: bool = False) -> Member:
        """Let somebody in, or change their name or role.

        Raises:
            WasRemoved: they were shut out, and `again` does not say that they may come back.
            SameName: somebody else's name looks the same; names that already stood so may stay.
        """
        with self._changing(by, user_id, role) as was:
            if was is not None and was.status is Status.REMOVED and not again:
                raise WasRemoved(str(user_id))
            if was is None or was.status is Status.REMOVED or likeness(was.name) != likeness(name):
                self.refuse_likeness(name, user_id)
            now = self._now()
            status = Status.ACTIVE if was is None or again else was.status
            self._db.execute(
                "INSERT INTO people (user_id, name, role, added_at, added_by, status, changed_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, "
                "role = excluded.role, status = excluded.status, version = version + 1, "
                "changed_at = excluded.changed_at",
                [user_id, name, role.value, now, by, status.value, now],
            )
            came_from = was.status.value if was is not None and was.status is not status else ""
            self._audit.add(
                "people.put", user_id=by, subject=user_id, name_given=name, role=role.value, came_from=came_from
            )
            if was is not None and not role.covers(was.role):
                self._void(user_id)
        return self._found(user_id)

    def set_role(self, user_id: int, role: Role, *, by: int | None = None) -> Member:
        """Give somebody who is not removed another role; a lower one voids what they have open.

        Raises:
            NoSuchPerson: not on the list.
        """
        with self._changing(by, user_id, role) as was:
            if was is None or was.status is Status.REMOVED:
                raise NoSuchPerson(str(user_id))
            self._change(user_id, "role", role.value)
            self._audit.add("people.role", user_id=by, subject=user_id, role=role.value, was=was.role.value)
            if not role.covers(was.role):
                self._void(user_id)
        return self._found(user_id)

    def suspend(self, user_id: int, *, by: int | None = None) -> Member:
        """Shut somebody out for the time being.

        Raises:
            NoSuchPerson: not let in at present.
        """
        with self._changing(by, user_id, None, ends=True) as was:
            if was is None or was.status is not Status.ACTIVE:
                raise NoSuchPerson(str(user_id))
            self._end(user_id, Status.SUSPENDED, by)
        return self._found(user_id)

    def resume(self, user_id: int, *, by: int | None = None) -> Member:
        """Let somebody in again, also after a removal, with the role they had.

        Raises:
            NoSuchPerson: never let in, or let in already.
            SameName: somebody who came in since has a name that looks the same.
        """
        with self._changing(by, user_id, None) as was:
            if was is None or was.status is Status.ACTIVE:
                raise NoSuchPerson(str(user_id))
            if was.status is Status.REMOVED:
                self.refuse_likeness(was.name, user_id)
            self._change(user_id, "status", Status.ACTIVE.value)
            self._audit.add("people.resume", user_id=by, subject=user_id, was=was.status.value, role=was.role.value)
        return self._found(user_id)

    def remove(self, user_id: int, *, by: int | None = None) -> bool:
        """Shut somebody out: their next message and every button they hold meet silence. False if not there."""
        with self._changing(by, user_id, None, ends=True) as was:
            if was is None or was.status is Status.REMOVED:
                return False
            self._end(user_id, Status.REMOVED, by)
        return True

    def welcome_owners(self, ids: Sequence[int]) -> None:
        """Whenever nobody is in charge, as at the first start, the owners named in the settings are."""
        if not self.owners():
            for user_id in ids:
                self.put(user_id, "", Role.OWNER, again=True)

    def seen(self, user_id: int) -> None:
        """Somebody wrote or tapped just now; written down once a minute at most."""
        now = self._clock()
        if user_id in self._seen and now - self._seen[user_id] < SEEN_EVERY:
            return
        self._seen[user_id] = now
        self._db.execute("UPDATE people SET seen_at = ? WHERE user_id = ?", [self._now(), user_id])

    # --- within a change ----------------------------------------------------------------------------------------------

    @contextmanager
    def _changing(
        self, by: int | None, user_id: int, role: Role | None, *, ends: bool = False
    ) -> Iterator[Member | None]:
        """One transaction, begun by asking who this is and whether the change may be made at all."""
        with self._db.atomic():
            was = self.find(user_id)
            self.allow(by, was, role)
            demoted = role is not None and role is not Role.OWNER
            if (ends or demoted) and self.owners() == [user_id]:
                raise LastOwner(str(user_id))
            yield was

    def allow(self, by: int | None, subject: Member | None, role: Role | None = None) -> None:
        """Raise `NotAllowed` for what this person may not do."""
        if by is None:
            return
        actor = self.get(by)
        if actor is None or not may_manage(actor, subject, role):
            raise NotAllowed(str(by))

    def refuse_likeness(self, name: str, user_id: int | None = None) -> None:
        """Raise `SameName` where somebody else who was not removed has a name that looks like this one."""
        others = (one for one in self.everybody() if one.user_id != user_id and one.status is not Status.REMOVED)
        if likeness(name) and any(likeness(one.name) == likeness(name) for one in others):
            raise SameName(name)

    def distinct(self, name: str, user_id: int) -> str:
        """The name that somebody brings along; with the end of their id, or all of it, if it looks like another's."""
        for called in (name, f"{name} {user_id % 10_000:04d}"):
            with suppress(SameName):
                self.refuse_likeness(called, user_id)
                return called
        return f"{name} {user_id}"

    def _end(self, user_id: int, to: Status, by: int | None) -> None:
        self._change(user_id, "status", to.value)
        what = "remove" if to is Status.REMOVED else "suspend"
        self._audit.add(f"people.{what}", user_id=by, subject=user_id)
        self._void(user_id)

    def _change(self, user_id: int, column: str, value: str) -> None:
        self._db.execute(
            f"UPDATE people SET {column} = ?, version = version + 1, changed_at = ? WHERE user_id = ?",  # noqa: S608  # our own names
            [value, self._now(), user_id],
        )

    def _void(self, user_id: int) -> None:
        """Every key this person holds is void from now on: a tap that is on its way finds nothing to open."""
        now = self._now()
        for table in ("buttons", "people_buttons"):
            self._db.execute(f"UPDATE {table} SET used_at = ? WHERE user_id = ? AND used_at IS NULL", [now, user_id])  # noqa: S608  # our own names
        self._db.execute("UPDATE invites SET used_at = ? WHERE made_by = ? AND used_at IS NULL", [now, user_id])
        self._void_orders(user_id, WHY)

    def _found(self, user_id: int) -> Member:
        person = self.find(user_id)
        assert person is not None  # noqa: S101  # written a line ago
        return person

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")
