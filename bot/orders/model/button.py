"""Single-use buttons: what a tap does, and the token in the chat, of which only the hash is stored."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TapAction(StrEnum):
    """What a button does that carries nothing but the order it belongs to."""

    CONFIRM = "confirm"
    DISCARD = "discard"
    APPROVE = "approve"
    DENY = "deny"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"


@dataclass(frozen=True)
class LinkOrder:
    """This row of the broker's list is the order whose answer was lost."""

    order_no: str
    branch: str
    time: str


@dataclass(frozen=True)
class RejectLink:
    """None of the rows is that order."""


@dataclass(frozen=True)
class AgreeResume:
    """Agrees to lower the halt to a level, as `asked_by` wants it, while the halt's last change is `seq`."""

    level: int
    asked_by: int
    seq: int


ButtonAction = TapAction | LinkOrder | RejectLink | AgreeResume


def encode(action: ButtonAction) -> str:
    """An action as the column `action` holds it."""
    match action:
        case LinkOrder():
            return f"claim:{action.order_no}:{action.branch}:{action.time}"
        case RejectLink():
            return "claim:none"
        case AgreeResume():
            return f"release:{action.level}:{action.asked_by}:{action.seq}"
        case _:
            return action.value


def decode(text: str) -> ButtonAction | None:
    """The action of such a text; None for one that only an earlier version knew."""
    match text.split(":"):
        case ["claim", "none"]:
            return RejectLink()
        case ["claim", order_no, branch, time]:
            return LinkOrder(order_no, branch, time)
        case ["release", level, asked_by, seq]:
            return AgreeResume(int(level), int(asked_by), int(seq))
        case _:
            return TapAction(text) if text in set(TapAction) else None


@dataclass(frozen=True)
class ButtonToken:
    """A single-use button for one person. `terms` are those of the order as the person sees it: it acts on no other."""

    token: str
    action: ButtonAction
    user_id: int
    expires_at: datetime
    terms: str = ""

    @property
    def digest(self) -> str:
        """What the journal keeps of the token."""
        return digest(self.token)


@dataclass(frozen=True)
class KnownButton:
    """A button as the journal knows it."""

    id: int
    action: ButtonAction | None
    order_id: int | None
    user_id: int
    expires_at: datetime
    used: bool
    terms: str = ""


def new_token() -> str:
    """128 bits of chance, short enough for a button."""
    return secrets.token_urlsafe(16)


def digest(token: str) -> str:
    """The hash under which a button's token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()
