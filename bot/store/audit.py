"""The audit log: every command, ticket, tap, order, answer and fill, with who and when (KST)."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlite_utils import Database


class AuditLog:
    """Rows are only ever added, and inside the transaction of what they record."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock

    def add(
        self,
        action: str,
        *,
        user_id: int | None = None,
        name: str | None = None,
        order_id: int | None = None,
        **detail: object,
    ) -> None:
        """Write one row. `detail` holds plain values and never a secret."""
        self._db.execute(
            "INSERT INTO audit (at, user_id, name, action, order_id, detail) VALUES (?, ?, ?, ?, ?, ?)",
            [
                self._clock().isoformat(timespec="milliseconds"),
                user_id,
                name,
                action,
                order_id,
                json.dumps(detail, ensure_ascii=False, sort_keys=True, default=str),
            ],
        )

    def rows(self, *, order_id: int | None = None, last: int = 50) -> Iterator[Mapping[str, Any]]:
        """The newest rows, oldest of them first."""
        where, values = ("WHERE order_id = ?", [order_id]) if order_id is not None else ("", [])
        sql = f"SELECT * FROM (SELECT * FROM audit {where} ORDER BY seq DESC LIMIT ?) ORDER BY seq"  # noqa: S608  # fixed text
        yield from self._db.query(sql, [*values, last])
