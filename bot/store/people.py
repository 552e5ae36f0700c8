"""The whitelist: who may use the bot. Authority is the numeric Telegram id, never a name."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlite_utils import Database

from bot.orders.people import Person, Role
from bot.store.audit import AuditLog


class LastOwner(Exception):
    """The last owner cannot be removed or demoted: nobody could let anybody in again."""


class People:
    """The whitelist table."""

    def __init__(self, db: Database, audit: AuditLog, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    def get(self, user_id: int) -> Person | None:
        """The person of this id, or None for a stranger."""
        row = next(self._db.query("SELECT * FROM people WHERE user_id = ?", [user_id]), None)
        return _person(row) if row else None

    def all(self) -> list[Person]:
        """Everybody, owners first."""
        found = [_person(row) for row in self._db.query("SELECT * FROM people ORDER BY added_at, user_id")]
        return sorted(found, key=lambda one: -list(Role).index(one.role))

    def owners(self) -> list[int]:
        """The owners' ids, which are their private chats' ids too."""
        return [one.user_id for one in self.all() if one.role is Role.OWNER]

    def put(self, user_id: int, name: str, role: Role, *, by: int | None = None) -> Person:
        """Let somebody in, or change their name or role.

        Raises:
            LastOwner: this would leave nobody in charge.
        """
        with self._db.atomic():
            self._keep_an_owner(user_id, role)
            now = self._clock().isoformat(timespec="seconds")
            self._db.execute(
                "INSERT INTO people (user_id, name, role, added_at, added_by) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, role = excluded.role",
                [user_id, name, role.value, now, by],
            )
            self._audit.add("people.put", user_id=by, subject=user_id, name_given=name, role=role.value)
        person = self.get(user_id)
        assert person is not None  # noqa: S101  # written a line ago
        return person

    def remove(self, user_id: int, *, by: int | None = None) -> bool:
        """Shut somebody out: their next message and every button they hold meet silence. False if not there.

        Raises:
            LastOwner: this would leave nobody in charge.
        """
        with self._db.atomic():
            if self.get(user_id) is None:
                return False
            self._keep_an_owner(user_id, None)
            self._db.execute("DELETE FROM people WHERE user_id = ?", [user_id])
            self._audit.add("people.remove", user_id=by, subject=user_id)
        return True

    def welcome_owners(self, ids: Sequence[int]) -> None:
        """Whenever nobody is in charge, as at the first start, the owners named in the settings are."""
        if not self.owners():
            for user_id in ids:
                self.put(user_id, "", Role.OWNER)

    def _keep_an_owner(self, user_id: int, role: Role | None) -> None:
        if role is not Role.OWNER and self.owners() == [user_id]:
            raise LastOwner(str(user_id))


def _person(row: dict[str, object]) -> Person:
    return Person(
        user_id=int(str(row["user_id"])),
        name=str(row["name"]),
        role=Role(str(row["role"])),
        added_at=datetime.fromisoformat(str(row["added_at"])),
    )
