"""Single-use buttons: the token stands in the chat, only its hash is stored."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ButtonToken:
    """A single-use key to one act, for one person. Only the hash of the token is ever stored.

    `terms` are those of the order as the person sees it: the key opens no other.
    """

    token: str
    action: str
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
    action: str
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
