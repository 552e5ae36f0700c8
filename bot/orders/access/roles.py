"""Roles, and the people of the whitelist."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a person may do; each role may do all that the ones before it may."""

    VIEWER = "viewer"
    TRADER = "trader"
    ADMIN = "admin"
    OWNER = "owner"

    def covers(self, needed: "Role") -> bool:
        """Whether somebody of this role may do what `needed` is asked for."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class Person:
    """Somebody on the whitelist. Authority is the numeric Telegram id; the name is only for reading."""

    user_id: int
    name: str
    role: Role
    added_at: datetime

    @property
    def may_trade(self) -> bool:
        """Whether their orders are sent."""
        return self.role.covers(Role.TRADER)


@dataclass(frozen=True)
class Actor:
    """A person as the guard let them in: authority is `user_id` and `role`, the name is only for reading."""

    user_id: int
    chat_id: int
    name: str = ""
    role: Role = Role.VIEWER


class Roster(Protocol):
    """The active members; those who are suspended or removed are not in it."""

    def get(self, user_id: int) -> Person | None:
        """The active person of this id."""

    def all(self) -> Sequence[Person]:
        """Every active person."""
