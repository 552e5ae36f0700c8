"""Who belongs: where a person stands, who may change that, and how somebody new comes in. Pure rules, no storage."""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from bot.orders.access.roles import Person, Role
from bot.orders.model.notice import Notice


class Status(StrEnum):
    """Where a person stands. Only active ones are let in; removed ones stay on record."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


@dataclass(frozen=True)
class Member(Person):
    """A person with all that the record says of them."""

    status: Status = Status.ACTIVE
    version: int = 1
    """Grows with every change: what was offered for another version no longer holds."""
    seen_at: datetime | None = None


class MembershipError(Exception):
    """A change of the whitelist that is not made."""


class LastOwner(MembershipError):
    """The last owner cannot be removed, suspended or demoted: nobody could let anybody in again."""


class NotAllowed(MembershipError):
    """Whoever asks may not do this to this person, or may not give this role."""


class NoSuchPerson(MembershipError):
    """Nobody of this id was ever let in, or not in the standing that the change needs."""


class WasRemoved(MembershipError):
    """This person was shut out: they come back only when that is said in so many words."""


class TooMany(MembershipError):
    """One person holds too many open invitations."""


@dataclass(frozen=True)
class Invitation:
    """A link that lets one stranger in, once. Only the hash of the token is ever stored."""

    token: str
    role: Role
    name: str
    expires_at: datetime


@dataclass(frozen=True)
class Joined:
    """Somebody came in: by whose invitation, or by whose yes."""

    person: Member
    by: int


@dataclass(frozen=True)
class JoinRequest:
    """A stranger asks to be let in. `known`: where they stood when they were last on the list."""

    id: int
    user_id: int
    name: str
    known: Status | None = None


class MembershipTap(StrEnum):
    """What a button about people came to; those that a ticket's button knows too bear the same word."""

    DONE = "done"
    NOT_YOURS = "not_yours"
    LATE = "late"
    USED = "used"
    GONE = "gone"
    CHANGED = "changed"
    REFUSED = "refused"
    LAST_OWNER = "last_owner"


class MemberStep(StrEnum):
    """What is done to a person."""

    ROLE = "role"
    SUSPEND = "suspend"
    RESUME = "resume"
    REMOVE = "remove"
    JOIN = "join"
    REFUSE = "refuse"


@dataclass(frozen=True)
class MemberAction:
    """What a button about a person does; `role` is the one that ROLE and JOIN give. Its text is what is stored."""

    step: MemberStep
    role: Role | None = None

    def __str__(self) -> str:
        return self.step.value if self.role is None else f"{self.step}:{self.role}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The action of such a text.

        Raises:
            ValueError: it is none.
        """
        step, _, role = text.partition(":")
        return cls(MemberStep(step), Role(role) if role else None)


@dataclass(frozen=True)
class MembershipChange:
    """A tapped button: its verdict, and whom it changed in which way."""

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


def new_invitation_token() -> str:
    """22 characters that nobody can guess: 128 bits of chance."""
    return secrets.token_urlsafe(16)


def for_groups(notices: Iterable[Notice], groups: Collection[int]) -> list[Notice]:
    """What the groups are told besides: fills, and nothing else; each fill once to each group.

    A fill is told to whoever ordered and to those who oversee (`others`); the groups hear of it with the first.
    """
    return [
        Notice("group_fill", chat, one.data, f"{one.key}:group:{chat}")
        for one in notices
        if one.kind == "fill" and one.key is not None and not one.data.get("others")
        for chat in groups
    ]
