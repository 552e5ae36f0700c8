"""How one audit row is bound to the next: hashing only, no file and no database.

Every row bears a `mac` over itself and the mac before it. With a day key it is an HMAC-SHA256, which only somebody
with that key can make; without one (`key_day` empty) it is a plain SHA-256, which proves nothing by itself until a
later row with a key stands on it.

A chain begins with a first key, which is kept away from this machine. Each day's key comes out of the one before it
*and of the last row sealed with it*, and the old key is erased, so a key of today neither makes a row of yesterday nor
fits a log from whose end rows of yesterday were taken.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, NamedTuple

GENESIS = "0" * 64
"""What stands before the first row."""
HEAD_DIGITS = 16
"""Hex digits of a mac that are posted: 64 bits, which nobody hits by trying."""
_SHORTEST_HEAD = 8
KEY_BYTES = 32
LONGEST_SLEEP = timedelta(days=3660)
"""A longer way from one day's key to the next is a clock gone mad, not a bot switched off."""

SEALED = "audit.sealed"
"""The row with which a migration seals what was written before there was a chain."""
KEY_MADE = "audit.key_made"
"""The first row under a new first key."""

_PLAIN = b"kisbot audit row without a key\n"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class AuditRow(NamedTuple):
    """One row of the log, in the order of the table's columns. `detail` is the text as stored."""

    seq: int
    at: str
    user_id: int | None
    name: str | None
    action: str
    order_id: int | None
    detail: str
    key_day: str | None = None
    mac: str | None = None


COLUMNS = ", ".join(AuditRow._fields)


class Head(NamedTuple):
    """The end of the log as it is posted where the operator cannot edit it unseen."""

    seq: int
    head: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.head}"


def checked_anchor(seq: int, digits: str) -> tuple[int, str]:
    """A head as somebody typed or stored it.

    Raises:
        ValueError: it is not a row's number and eight hex digits or more.
    """
    plain = digits.strip().lower()
    if seq < 1 or not _SHORTEST_HEAD <= len(plain) <= len(GENESIS) or set(plain) - set("0123456789abcdef"):
        raise ValueError("a head is a row's number and eight hex digits or more")
    return seq, plain


def canonical(detail: dict[str, Any]) -> str:
    """The one text of a row's detail: sorted keys, no spaces, letters as they are."""
    return json.dumps(detail, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def text(row: AuditRow, seq: int | None = None) -> bytes:
    """What of a row is hashed: all but its mac, as a JSON list, in which no two different rows read alike.

    `seq`: the place to assume instead of the row's own.
    """
    fields = row[:8] if seq is None else (seq, *row[1:8])
    return _encode(fields).encode("utf-8", "surrogatepass")


def mac(prev: str, content: bytes, key: bytes | None) -> str:
    """The mac, in hex, of a row's `text` that follows the row with the mac `prev`."""
    message = prev.encode("utf-8", "surrogatepass") + content
    if key is None:
        return hashlib.sha256(_PLAIN + message).hexdigest()
    return hmac.digest(key, message, "sha256").hex()


def sealed(prev: str, row: AuditRow, key: bytes | None) -> AuditRow:
    """The row with its mac."""
    return row._replace(mac=mac(prev, text(row), key))


# --- keys -------------------------------------------------------------------------------------------------------------


def key_id(first: bytes) -> str:
    """What a first key is called in the open."""
    return hashlib.sha256(b"kisbot audit key\n" + first).hexdigest()[:16]


def first_day_key(first: bytes, day: date) -> bytes:
    """The key of the day on which a chain begins."""
    return _derived(first, f"first day {day.isoformat()}")


def next_day_key(key: bytes, day: date, until: date, last: tuple[int, str]) -> bytes:
    """The key of the day `until`, out of that of `day` and of seq and mac of the last row sealed with a key.

    Raises:
        ValueError: the days are in the wrong order, or too far apart to be true.
    """
    if not timedelta(0) <= until - day <= LONGEST_SLEEP:
        raise ValueError(f"no way from the key of {day} to one of {until}")
    while day < until:
        day += timedelta(days=1)
        key = _derived(key, f"next day {day.isoformat()} {last[0]} {last[1]}")
    return key


def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, purpose.encode(), "sha256")


# --- all rows at once -------------------------------------------------------------------------------------------------


class Digest:
    """A running hash over whole rows, macs included, their number, and that of the last of them."""

    def __init__(self, rows: Iterable[AuditRow] = ()) -> None:
        self.rows = 0
        self.last = 0
        self._hash = hashlib.sha256()
        for row in rows:
            self.add(row)

    def add(self, row: AuditRow, content: bytes | None = None) -> None:
        """Take in the next row; `content` is its `text` where that is at hand."""
        content = text(row) if content is None else content
        self._hash.update(b"%d:" % len(content) + content + (row.mac or "").encode("utf-8", "surrogatepass"))
        self.rows += 1
        self.last = row.seq

    def hexdigest(self) -> str:
        """The hash so far."""
        return self._hash.hexdigest()


def sealing_row(rows: Iterable[AuditRow], at: str) -> AuditRow | None:
    """The row that seals all those written before there was a chain; None if there are none."""
    found = Digest(rows)
    if not found.rows:
        return None
    detail = canonical({"rows": found.rows, "digest": found.hexdigest()})
    return sealed(GENESIS, AuditRow(found.last + 1, at, None, None, SEALED, None, detail), None)
