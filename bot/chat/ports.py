"""What conversations ask of the rest of the bot."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol


class Post(Protocol):
    """Where replies go: the outbox."""

    def __call__(self, kind: str, chat_id: int, data: Mapping[str, Any], key: str | None = None) -> None: ...


class Record(Protocol):
    """Where it is written down who did what: the audit log."""

    def __call__(
        self,
        action: str,
        *,
        user_id: int | None = None,
        name: str | None = None,
        order_id: int | None = None,
        **detail: object,
    ) -> None: ...


class OutboxMessage(Protocol):
    """A row of the outbox, as `bot.store.outbox_message.OutboxMessage`."""

    @property
    def chat_id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def order_id(self) -> int | None: ...
    @property
    def resent(self) -> bool: ...
    @property
    def made_at(self) -> datetime: ...
    @property
    def repeats(self) -> int: ...
    @property
    def last_at(self) -> datetime | None: ...
    @property
    def silent(self) -> bool: ...
    @property
    def parts(self) -> "Sequence[OutboxMessage]": ...
    @property
    def in_place(self) -> bool: ...
    @property
    def lists(self) -> bool: ...
