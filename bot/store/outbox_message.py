"""A message of the outbox, and how a row becomes one."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.store.message_kinds import kind_of


@dataclass(frozen=True)
class OutboxMessage:
    """One row: what is to be told to which chat, in facts."""

    id: int
    chat_id: int
    kind: str
    data: Mapping[str, Any]
    order_id: int | None
    tries: int
    resent: bool
    """An earlier copy may have been delivered: say so."""
    made_at: datetime
    repeats: int = 1
    """How often the same was to be told; the last time at `last_at`."""
    last_at: datetime | None = None
    silent: bool = False
    """To arrive without a sound."""
    parts: "tuple[OutboxMessage, ...]" = ()
    """The fills this one message stands for, oldest first and itself the last, or the notices a list names."""

    @property
    def rows(self) -> list[int]:
        """The rows that are delivered when this message is; what a list names is not among them."""
        return [one.id for one in self.parts] if self.parts and not self.lists else [self.id]

    @property
    def in_place(self) -> bool:
        """Whether it brings a message up to date."""
        return kind_of(self.kind).in_place

    @property
    def lists(self) -> bool:
        """Whether it names its parts, which are not delivered themselves."""
        return kind_of(self.kind).lists


def iso(moment: datetime) -> str:
    """A moment as rows hold it."""
    return moment.isoformat(timespec="milliseconds")


def marks(values: Collection[object]) -> str:
    """A question mark for each value."""
    return ",".join("?" * len(values))


def as_json(data: Mapping[str, Any]) -> str:
    """The facts as text; half a character, which SQLite cannot store, becomes a question mark."""
    text = json.dumps(dict(data), ensure_ascii=False, default=str)
    return text.encode(errors="replace").decode()


def from_row(row: Mapping[str, Any]) -> OutboxMessage:
    """A row of the table as a message."""
    return OutboxMessage(
        id=row["id"],
        chat_id=row["chat_id"],
        kind=row["kind"],
        data=json.loads(row["data"]),
        order_id=row["order_id"],
        tries=row["tries"],
        resent=row["doubts"] > 0,
        made_at=datetime.fromisoformat(row["made_at"]),
        repeats=row["repeats"],
        last_at=datetime.fromisoformat(row["last_at"]) if row["last_at"] else None,
    )
