"""Membership: a person's status, who may change it, and how somebody new joins. Pure."""

import secrets
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from bot.orders.access.roles import Person, Role
from bot.orders.model.notice import Notice

_LOOK_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u03b1"
    "\u03bf\u03c1\u03bd\u03b9\u03ba\u03c4\u03c5\u03c7\u043a\u0442\u0432\u043c\u043d"
    "01l|",
    "aeopcyxijshdaopviktuxktbmhoiii",
)
"""Letters of other scripts, and digits, that look like a Latin letter; in lower case, after NFKC."""
_NO_GLYPH = "\u115f\u1160\u3164\uffa0\u2800"


class Status(StrEnum):
    """A person's status. Only active ones are let in; removed ones stay on record."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


@dataclass(frozen=True)
class Member(Person):
    """A person as stored."""

    status: Status = Status.ACTIVE
    version: int = 1
    """Grows with every change: a button made for another version does nothing."""
    seen_at: datetime | None = None


class MembershipError(Exception):
    """A change of membership that is refused."""


class LastOwner(MembershipError):
    """The last owner cannot be removed, suspended or demoted: nobody could let anybody in again."""


class NotAllowed(MembershipError):
    """Whoever asks may not do this to this person, or may not give this role."""


class NoSuchPerson(MembershipError):
    """Nobody of this id was ever let in, or not with the status that the change needs."""


class WasRemoved(MembershipError):
    """This person was removed: they come back only when that is asked for explicitly."""


class SameName(MembershipError):
    """Somebody else who is let in, or holds an open invitation, has a name that looks the same."""


class TooMany(MembershipError):
    """One person holds too many open invitations."""


@dataclass(frozen=True)
class Invitation:
    """A link that lets one stranger in, once. Only the hash of the token is stored."""

    token: str
    role: Role
    name: str
    expires_at: datetime


@dataclass(frozen=True)
class Joined:
    """Somebody joined: by whose invitation, or by whose consent."""

    person: Member
    by: int


@dataclass(frozen=True)
class JoinRequest:
    """A stranger asks to be let in. `known`: their status if they were a member before."""

    id: int
    user_id: int
    name: str
    known: Status | None = None


class MembershipTap(StrEnum):
    """Result of a tap on a button about people; results that a `TapOutcome` has too bear the same word."""

    DONE = "done"
    NOT_YOURS = "not_yours"
    LATE = "late"
    USED = "used"
    GONE = "gone"
    CHANGED = "changed"
    REFUSED = "refused"
    LAST_OWNER = "last_owner"
    SAME_NAME = "same_name"


class MemberStep(StrEnum):
    """A change of a person's membership."""

    ROLE = "role"
    SUSPEND = "suspend"
    RESUME = "resume"
    REMOVE = "remove"
    JOIN = "join"
    REFUSE = "refuse"


@dataclass(frozen=True)
class MemberAction:
    """What a button about a person does; `role` is the one that ROLE and JOIN give. Stored as its text."""

    step: MemberStep
    role: Role | None = None

    def __str__(self) -> str:
        return self.step.value if self.role is None else f"{self.step}:{self.role}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The action that `str` wrote; `ValueError` if it is none."""
        step, _, role = text.partition(":")
        return cls(MemberStep(step), Role(role) if role else None)


@dataclass(frozen=True)
class MembershipChange:
    """What a tapped button did: its verdict, and whom it changed in which way."""

    verdict: MembershipTap
    act: MemberAction | None = None
    subject: int = 0
    person: Member | None = None


def may_manage(actor: Member, subject: Member | None, role: Role | None = None) -> bool:
    """Whether `actor` may change `subject` (None: somebody new), and may give them `role`.

    An owner may do all; an admin deals with those below admin, and makes nobody an admin.
    """
    if actor.status is not Status.ACTIVE:
        return False
    if actor.role is Role.OWNER:
        return True
    below = [one for one in (subject.role if subject else None, role) if one is not None]
    return actor.role is Role.ADMIN and all(not one.covers(Role.ADMIN) for one in below)


def likeness(name: str) -> str:
    """What a name looks like: equal for names that differ in case, width, blanks, marks or script alone."""
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold().translate(_LOOK_ALIKE))
    seen = (one for one in letters if unicodedata.category(one)[0] in "LNPS" and one not in _NO_GLYPH)
    return unicodedata.normalize("NFC", "".join(seen))


def new_invitation_token() -> str:
    """22 characters: 128 random bits."""
    return secrets.token_urlsafe(16)


def for_groups(notices: Iterable[Notice], groups: Collection[int]) -> list[Notice]:
    """Notices for groups: each fill once to each group, with the notice to whoever ordered, and nothing else."""
    return [
        Notice("group_fill", chat, one.data, f"{one.key}:group:{chat}")
        for one in notices
        if one.kind == "fill" and one.key is not None and not one.data.get("others")
        for chat in groups
    ]
