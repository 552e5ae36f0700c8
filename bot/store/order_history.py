"""The history of one order, and the newest rows of the audit log, read from the tables. Changes nothing."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.orders.model.order import Order, Vote
from bot.orders.model.timeline import (
    AnchorPosted,
    AuditEntry,
    ChainState,
    HaltChange,
    MessageSent,
    OrderTimeline,
    SendAttempt,
)
from bot.store.audit import chain
from bot.store.rows import iso, marks, order_of

_WORDS = re.compile(r'"msg1"\s*:\s*("(?:[^"\\]|\\.)*")')
MAX_MESSAGES = 60
_VOTE = TypeAdapter(Vote)
_ATTEMPT = TypeAdapter(SendAttempt)
_HALT = TypeAdapter(HaltChange)


class OrderHistory:
    """Reads orders and the audit log, also over a read-only connection."""

    def __init__(self, db: Database, *, key_here: Callable[[], bool]) -> None:
        """`key_here` tells whether the first key of the audit log still lies on this machine."""
        self._db = db
        self._key_here = key_here

    # --- one order ----------------------------------------------------------------------------------------------------

    def find(self, number: str) -> list[Order]:
        """Orders that a person may mean, the likeliest first: `#12` is our own number, else it is the broker's.

        A short number that the broker never gave is taken for our own.
        """
        digits = number.removeprefix("#")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > len("0000000000"):
            return []
        ours = self._orders("WHERE id = ?", int(digits))
        if number.startswith("#"):
            return ours
        return self._orders("WHERE order_no = ? ORDER BY id DESC", digits.zfill(10)) or ours

    def latest(self, user_id: int) -> Order | None:
        """The newest order that this person asked for."""
        return next(iter(self._orders("WHERE user_id = ? ORDER BY id DESC LIMIT 1", user_id)), None)

    def of(self, order: Order) -> OrderTimeline:
        """Everything about this order."""
        entries = tuple(self._entries("WHERE order_id = ? ORDER BY seq", order.id))
        last = entries[-1].seq if entries else 0
        return OrderTimeline(
            order,
            entries=entries,
            votes=tuple(self._votes(order.id)),
            attempts=tuple(self._attempts(order.id)),
            messages=tuple(self._messages(order.id)),
            halt_changes=tuple(self._halt_changes(order)),
            parent=next(iter(self._orders("WHERE id = ?", order.parent)), None),
            children=tuple(self._orders("WHERE parent = ? ORDER BY id", order.id)),
            namesakes=tuple(
                one.id
                for one in self._orders("WHERE order_no = ? AND order_no != '' ORDER BY id", order.order_no)
                if one.id != order.id
            ),
            posted=self._posted("WHERE seq >= ? ORDER BY seq LIMIT 1", last),
            head=self._head(),
        )

    def _orders(self, which: str, *values: object) -> list[Order]:
        rows = self._db.query(f"SELECT * FROM orders {which}", list(values))  # noqa: S608  # our own words
        return [order_of(row) for row in rows]

    def _votes(self, order_id: int) -> list[Vote]:
        rows = self._db.table("votes").rows_where("order_id = ?", [order_id], order_by="round, at")
        return [_VOTE.validate_python(row) for row in rows]

    def _attempts(self, order_id: int) -> list[SendAttempt]:
        rows = self._db.query(
            "SELECT n, started_at AS at, endpoint, coalesce(outcome, '') AS outcome, status, "
            "coalesce(code, '') AS code, answer, seconds FROM attempts WHERE order_id = ? ORDER BY n",
            [order_id],
        )
        return [_ATTEMPT.validate_python({**row, "words": _broker_words(row["answer"] or "")}) for row in rows]

    def _messages(self, order_id: int) -> list[MessageSent]:
        names = self._names()
        rows = self._db.table("outbox").rows_where(
            "order_id = ?",
            [order_id],
            order_by="chat_id, kind, at",
            select="chat_id, kind, state, message_id, coalesce(done_at, made_at) AS at",
        )
        found = [
            _message(chat_id, names.get(chat_id, ""), kind, list(messages))
            for (chat_id, kind), messages in groupby(rows, lambda row: (row["chat_id"], row["kind"]))
        ]
        return sorted(found, key=lambda one: one.first)[:MAX_MESSAGES]

    def _halt_changes(self, order: Order) -> list[HaltChange]:
        """The halt as it stood when the order was proposed, and every change until it was over."""
        began, ended = iso(order.created_at), iso(order.finished_at) if order.finished_at else "~"
        rows = list(self._db.table("brakes").rows_where("at <= ?", [ended], order_by="seq"))
        before = [row for row in rows if row["at"] < began][-1:]
        standing = [_HALT.validate_python({**row, "before": True}) for row in before if row["level"]]
        return standing + [_HALT.validate_python(row) for row in rows if row["at"] >= began]

    # --- the audit log ------------------------------------------------------------------------------------------------

    def newest(self, count: int) -> list[AuditEntry]:
        """The newest rows of the log, newest first."""
        return self._entries("ORDER BY seq DESC LIMIT ?", count)

    def orders_of(self, entries: list[AuditEntry]) -> dict[int, int]:
        """Which order each of these rows is about, by the row's number."""
        where = f"order_id IS NOT NULL AND seq IN ({marks(entries)})"
        rows = self._db.table("audit").rows_where(where, [one.seq for one in entries], select="seq, order_id")
        return {row["seq"]: row["order_id"] for row in rows}

    def chain(self) -> ChainState:
        """The chain as it stands. Whether it is whole, only `kisbot audit verify` and the first key can say."""
        rows, since = self._db.execute("SELECT count(*), min(at) FROM audit").fetchone()
        (broken,) = self._db.execute(
            "SELECT count(*) FROM audit_anchors LEFT JOIN audit USING (seq) "
            "WHERE audit.mac IS NULL OR substr(audit.mac, 1, length(head)) != head"
        ).fetchone()
        return ChainState(
            rows,
            self._head(),
            datetime.fromisoformat(since) if since else None,
            self._posted("ORDER BY seq DESC LIMIT 1"),
            agrees=not broken,
            key_here=self._key_here(),
        )

    def _entries(self, which: str, *values: object) -> list[AuditEntry]:
        names = self._names()
        rows = self._db.execute(f"SELECT seq, at, user_id, name, action, detail FROM audit {which}", list(values))  # noqa: S608  # our own words
        return [
            AuditEntry(
                seq, datetime.fromisoformat(at), action, user_id, name or names.get(user_id, ""), _object(detail)
            )
            for seq, at, user_id, name, action, detail in rows.fetchall()
        ]

    def _posted(self, which: str, *values: object) -> AnchorPosted | None:
        row = self._db.execute(f"SELECT seq, head, at FROM audit_anchors {which}", list(values)).fetchone()  # noqa: S608  # our own words
        return None if row is None else AnchorPosted(row[0], row[1], datetime.fromisoformat(row[2]))

    def _head(self) -> str:
        row = self._db.execute("SELECT seq, mac FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        return "" if row is None else str(chain.Head(row[0], (row[1] or "")[: chain.HEAD_DIGITS]))

    def _names(self) -> dict[int, str]:
        return {row["user_id"]: row["name"] for row in self._db.table("people").rows}


def _message(chat_id: int, name: str, kind: str, rows: list[dict[str, Any]]) -> MessageSent:
    sent = [row for row in rows if row["state"] in {"sent", "digested"} and row["message_id"] is not None]
    times = [datetime.fromisoformat(row["at"]) for row in sent or rows]
    return MessageSent(
        chat_id,
        name,
        kind,
        min(times),
        max(times),
        messages=len({row["message_id"] for row in sent}),
        open=sum(row["state"] in {"pending", "sending"} for row in rows),
        failed=sum(row["state"] in {"failed", "given_up"} for row in rows),
    )


def _broker_words(answer: str) -> str:
    """What the broker said, also out of an answer that was cut off."""
    found = _WORDS.search(answer)
    try:
        return str(json.loads(found[1])) if found else ""
    except ValueError:
        return ""


def _object(text: str) -> dict[str, Any]:
    """A row's detail; one that somebody spoilt is shown as it stands."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {"text": text}
    return found if isinstance(found, dict) else {"text": text}
