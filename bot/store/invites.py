"""How somebody new comes in, and how a change of the whitelist is confirmed: links, requests, single-use buttons.

Of a link and of a button only the hash is kept. Strangers can make this grow by a few rows an hour and no more.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlite_utils import Database

from bot.orders.access.membership import (
    Invitation,
    Joined,
    JoinRequest,
    LastOwner,
    Member,
    MemberAction,
    MembershipChange,
    MembershipError,
    MembershipTap,
    MemberStep,
    NotAllowed,
    SameName,
    Status,
    TooMany,
    likeness,
    new_invitation_token,
)
from bot.orders.access.roles import Role
from bot.orders.model.button import digest, new_token
from bot.store.audit.log import AuditLog
from bot.store.people import People
from bot.store.rows import Store, iso

LINK_LIFE = timedelta(hours=24)
"""The life of a link, and of the buttons under a request."""
BUTTON_LIFE = timedelta(minutes=5)
"""The life of the button that confirms a change."""
REQUEST_INTERVAL = timedelta(days=1)
"""Of one stranger."""
REQUESTS_AN_HOUR = 5
"""From all strangers together; after that there is silence."""
MAX_OPEN = 20
"""Open invitations of one person."""
RETENTION = timedelta(days=30)
"""What is over stays so long; the audit log has it for good."""


class Invites(Store):
    """The tables of invitations, requests and buttons about people."""

    def __init__(self, db: Database, audit: AuditLog, people: People, clock: Callable[[], datetime]) -> None:
        super().__init__(db, clock)
        self._audit = audit
        self._people = people

    # --- links --------------------------------------------------------------------------------------------------------

    def make(self, role: Role, name: str = "", *, by: int | None = None) -> Invitation:
        """Make a link that lets one stranger in with this role, within a day. `by` None: whoever has this machine.

        Raises:
            NotAllowed: `by` may not let in somebody of this role.
            TooMany: `by` has enough open ones.
            SameName: a member, or an open invitation, has a name that looks the same.
        """
        now = self._clock()
        made = Invitation(new_invitation_token(), role, name, now + LINK_LIFE)
        with self._db.atomic():
            self._tidy()
            self._people.allow(by, None, role)
            self._people.refuse_likeness(name)
            invites, still_open = self._db.table("invites"), "made_by IS ? AND used_at IS NULL AND expires_at > ?"
            if invites.count_where(still_open, [by, iso(now)]) >= MAX_OPEN:
                raise TooMany(str(by))
            given = (one["name"] for one in invites.rows_where("used_at IS NULL AND expires_at > ?", [iso(now)]))
            if likeness(name) and likeness(name) in map(likeness, given):
                raise SameName(name)
            row = {"role": role.value, "name": name, "made_by": by, "made_at": iso(now)}
            invites.insert({**row, "digest": digest(made.token), "expires_at": iso(made.expires_at)})
            self._audit.add("people.invite", user_id=by, role=role.value, name_given=name, until=iso(made.expires_at))
        return made

    def join(self, token: str, user_id: int, name: str) -> Joined | None:
        """Let in who brings this link; None if it is used, over or unknown, or this person was on the list before.

        Whether the inviter may still let in somebody of that role is asked again now.
        """
        with self._db.atomic():
            used = self._db.execute(
                "UPDATE invites SET used_at = ?, used_by = ? WHERE digest = ? AND used_at IS NULL AND expires_at > ? "
                "AND NOT EXISTS (SELECT 1 FROM people WHERE user_id = ?)",
                [self._now(), user_id, digest(token), self._now(), user_id],
            )
            if used.rowcount != 1:
                return None
            row = next(self._db.table("invites").rows_where("digest = ?", [digest(token)]))
            try:
                called = self._people.distinct(row["name"] or name, user_id)
                person = self._people.put(user_id, called, Role(row["role"]), by=row["made_by"])
            except (NotAllowed, SameName):
                return None
            self._audit.add("people.join", user_id=user_id, name=person.name, role=person.role.value)
            return Joined(person, row["made_by"] or 0)

    # --- requests -----------------------------------------------------------------------------------------------------

    def request(self, user_id: int, name: str) -> JoinRequest | None:
        """Write down that a stranger asks to be let in; None if they asked today, or too many do."""
        now = self._clock()
        with self._db.atomic():
            self._tidy()
            known = self._people.find(user_id)
            if known is not None and known.status is not Status.REMOVED:
                return None  # suspended: the admins know, and will say when that is over
            requests = self._db.table("join_requests")
            theirs = requests.count_where("user_id = ? AND at > ?", [user_id, iso(now - REQUEST_INTERVAL)])
            if theirs or requests.count_where("at > ?", [iso(now - timedelta(hours=1))]) >= REQUESTS_AN_HOUR:
                return None
            made = requests.insert({"user_id": user_id, "name": name, "at": iso(now), "state": "open"})
            self._audit.add("people.request", user_id=user_id, name=name)
            return JoinRequest(int(made.last_rowid or 0), user_id, name, known.status if known else None)

    # --- buttons ------------------------------------------------------------------------------------------------------

    def button(self, act: MemberAction, subject: int, *, by: int, request: JoinRequest | None = None) -> str:
        """Make a single-use button for one act on one person, as that person now stands; returns its token."""
        token = new_token()
        known = self._people.find(subject)
        until = self._clock() + (BUTTON_LIFE if request is None else LINK_LIFE)
        with self._db.atomic():
            self._tidy()
            self._db.table("people_buttons").insert(
                {
                    "digest": digest(token),
                    "act": str(act),
                    "subject": subject,
                    "version": known.version if known else 0,
                    "request": request.id if request else None,
                    "user_id": by,
                    "expires_at": iso(until),
                }
            )
        return token

    def press(self, token: str, by: int) -> MembershipChange:
        """Carry out what the button says, once: the change, its audit row and all it voids, or nothing."""
        with self._db.atomic():
            row = self._pressable(token, by)
            if isinstance(row, MembershipTap):
                return MembershipChange(row)
            act, subject = MemberAction.read(row["act"]), int(row["subject"])
            try:
                with self._db.atomic():
                    person = self._carry_out(act, subject, by)
                    self._settle(row, act, by)
            except LastOwner:
                return MembershipChange(MembershipTap.LAST_OWNER, act, subject)
            except SameName:
                return MembershipChange(MembershipTap.SAME_NAME, act, subject)
            except MembershipError:
                return MembershipChange(MembershipTap.REFUSED, act, subject)
            return MembershipChange(MembershipTap.DONE, act, subject, person)

    def stands(self, token: str, by: int) -> MembershipChange:
        """What a tap would come to, with nothing changed: for whoever must be asked for more first."""
        row = self._pressable(token, by)
        if isinstance(row, MembershipTap):
            return MembershipChange(row)
        return MembershipChange(MembershipTap.DONE, MemberAction.read(row["act"]), int(row["subject"]))

    def _pressable(self, token: str, by: int) -> dict[str, Any] | MembershipTap:
        """The button's row, or why it may not be pressed."""
        row = self._row("people_buttons WHERE digest = ?", digest(token))
        if row is None:
            return MembershipTap.GONE
        if row["user_id"] != by:
            return MembershipTap.NOT_YOURS
        if row["used_at"] is not None:
            return MembershipTap.USED
        if datetime.fromisoformat(row["expires_at"]) <= self._clock():
            return MembershipTap.LATE
        requests = self._db.table("join_requests")
        if row["request"] is not None and not requests.count_where("id = ? AND state = 'open'", [row["request"]]):
            return MembershipTap.USED
        known = self._people.find(int(row["subject"]))
        return row if (known.version if known else 0) == row["version"] else MembershipTap.CHANGED

    def _carry_out(self, act: MemberAction, subject: int, by: int) -> Member | None:
        match act:
            case MemberAction(MemberStep.ROLE, Role() as role):
                return self._people.set_role(subject, role, by=by)
            case MemberAction(MemberStep.SUSPEND):
                return self._people.suspend(subject, by=by)
            case MemberAction(MemberStep.RESUME):
                return self._people.resume(subject, by=by)
            case MemberAction(MemberStep.REMOVE):
                self._people.remove(subject, by=by)
                return self._people.find(subject)
            case MemberAction(MemberStep.JOIN, Role() as role):
                asked = self._row("join_requests WHERE user_id = ? ORDER BY id DESC", subject)
                assert asked is not None  # noqa: S101  # the button is under it
                called = self._people.distinct(asked["name"], subject)
                return self._people.put(subject, called, role, by=by, again=True)
        self._people.allow(by, None)
        self._audit.add("people.refuse", user_id=by, subject=subject)
        return None

    def _settle(self, row: dict[str, Any], act: MemberAction, by: int) -> None:
        """The button is used up, and with a request every other button under it."""
        if row["request"] is None:
            self._db.table("people_buttons").update(row["id"], {"used_at": self._now()})
            return
        state = "refused" if act.step is MemberStep.REFUSE else "accepted"
        decided = {"state": state, "decided_by": by, "decided_at": self._now()}
        self._db.table("join_requests").update(row["request"], decided)
        self._db.execute("UPDATE people_buttons SET used_at = ? WHERE request = ?", [self._now(), row["request"]])

    # --- growth -------------------------------------------------------------------------------------------------------

    def _tidy(self) -> None:
        """Forget what has long been over."""
        before = iso(self._clock() - RETENTION)
        for table, column in (("invites", "expires_at"), ("people_buttons", "expires_at"), ("join_requests", "at")):
            self._db.table(table).delete_where(f"{column} < ?", [before])
