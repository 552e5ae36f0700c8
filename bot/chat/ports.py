"""What conversations ask of the rest of the bot."""

from collections.abc import Mapping
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
