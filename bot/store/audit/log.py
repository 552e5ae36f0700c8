"""The audit log: every command, ticket, tap, order, answer and fill, with who and when (KST).

Rows are chained (`chain.py`), checked by `verify.py`, and sealed with a key that changes every day (`keys.py`).

What somebody who has this machine from day N on, with the files and the running program, can do:

* change, remove, insert or reorder rows of day N and later, cut the log off anywhere within them, or stop writing.
  Nothing on this machine can show that. The heads posted to the chat do: each fixes every row up to it.

What they cannot do without being named by `kisbot audit verify` and the first key:

* change, remove, insert or reorder a row of a day before N: the keys of those days are gone;
* cut off rows of days before N, even all of them up to the last: the key of day N came out of the last row before it,
  and the day's key file says which that was. Without that file the log is no proof of its own end;
* begin afresh under a key of their own: its name is not among the keys that were kept elsewhere.

A new first key (`audit.key_made`) is made where the day's key is lost, damaged or of another log, so that trading never
waits for it. `verify` accepts it only if it is given, too. It fixes the rows before it as they are at that moment:
whether some were cut off just then, only posted heads tell, so ask why there is one.

All of this stands on the first key not lying on this machine: `kisbot audit key` shows it once and erases it.

A log opened without `DayKeys` writes rows all the same. They bear a plain hash, are covered by the next row that is
sealed with a key, and `verify` counts them; at the very end of a log that has a key they are a fault, because
anybody could have written them.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from sqlite_utils import Database

from bot.store.audit import chain
from bot.store.audit.chain import COLUMNS, AuditRow, Head
from bot.store.audit.keys import DamagedKey, DayKey, DayKeys
from bot.store.private_files import BadKey
from bot.store.rows import Store

_log = structlog.get_logger(__name__)


class AuditLog(Store):
    """Rows are only ever added, and inside the transaction of what they record.

    Transactions hold the write lock (`bot.store.database`), so nobody adds a row between the end that is read here and
    the row that is chained to it.
    """

    def __init__(self, db: Database, clock: Callable[[], datetime], keys: DayKeys | None = None) -> None:
        """With `keys`, a first key is made where there is none that fits, and the day's key is turned.

        Raises:
            BadKey: a key file can be read by others, or not by us.
        """
        super().__init__(db, clock)
        self._keys = keys
        self._key: DayKey | None = None
        self._announced = ""
        self.begun = ""
        """Why a new first key had to be made, if it had: first, lost, damaged, restored. Else empty.

        `restored`: the database is older than the key, or rows were taken from its end.
        """
        if keys is not None:
            with self._db.atomic():
                self.begun = self._meet(keys)
            self.new_day()

    # --- writing ------------------------------------------------------------------------------------------------------

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
        row = AuditRow(0, self._now(), user_id, name, action, order_id, chain.canonical(detail))
        if self._db.conn.in_transaction:
            self._append(row)
            return
        with self._db.atomic():
            if self._keys is not None:
                self._turn(self._keys)
            self._append(row)

    def new_day(self) -> None:
        """Turn the day's key if a day has ended; to be called now and then, outside any transaction.

        Until it is, rows of the new day are sealed with the key of the day before.
        """
        if self._keys is None or (self._key is not None and self._clock().date() <= self._key.day):
            return
        with self._db.atomic():
            self._turn(self._keys)

    def begin_again(self, why: str = "asked") -> None:
        """Make a new first key, because the one in use may be known to others or is lost.

        Raises:
            OSError: the key files cannot be written.
        """
        if self._keys is None:
            raise ValueError("this log was opened without keys")
        with self._db.atomic():
            self._begin(self._keys, why)

    def anchor(self) -> Head | None:
        """The end of the log, remembered as posted; None for an empty log. Post it in the same transaction."""
        with self._db.atomic():
            head = self.head()
            if head is not None and self._row("audit_anchors WHERE seq = ?", head.seq) is None:
                self._db.table("audit_anchors").insert({**head._asdict(), "at": self._now()})
        return head

    def _append(self, row: AuditRow) -> None:
        key = self._current()
        if key is not None and key.id != self._announced:
            self._announce(key)
        seq, prev = self._last()
        placed = row._replace(seq=seq + 1, key_day=key.day.isoformat() if key else None)
        self._insert(chain.sealed(prev, placed, key.key if key else None))

    def _insert(self, row: AuditRow) -> None:
        self._db.execute(f"INSERT INTO audit ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", list(row))  # noqa: S608  # names of our own fields

    def _last(self, where: str = "") -> tuple[int, str]:
        """Number and mac of the last row."""
        found = self._db.execute(f"SELECT seq, mac FROM audit {where} ORDER BY seq DESC LIMIT 1").fetchone()  # noqa: S608  # our own words
        return (found[0], found[1] or chain.GENESIS) if found else (0, chain.GENESIS)

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _current(self) -> DayKey | None:
        """The key in the file, which another process may have turned; the last one known if the file is gone."""
        if self._keys is None:
            return None
        try:
            found = self._keys.read()
        except (BadKey, DamagedKey) as error:
            found, why = None, type(error).__name__
        else:
            why = "missing"
        if found is None:
            _log.error("audit_key_unreadable", why=why)
            return self._key
        self._key = found
        return found

    def _meet(self, keys: DayKeys) -> str:
        """Take up the key that is there, if the log is the one it was used for; else begin a new one, and say why."""
        try:
            found = keys.read()
            why = "lost" if self._last_sealed()[0] else "first"
        except DamagedKey:
            found, why = None, "damaged"
        if found is not None and found.seq:
            there = self._row("audit WHERE seq = ?", found.seq)
            if there is None or (there["mac"] or chain.GENESIS) != found.mac:
                found, why = None, "restored"
        if found is None:
            self._begin(keys, why)
            return why
        self._key = found
        return ""

    def _begin(self, keys: DayKeys, why: str) -> None:
        known = self._made()
        waiting = [one for one in keys.firsts() if chain.key_id(one) not in known]
        first = waiting[-1] if waiting else secrets.token_bytes(chain.KEY_BYTES)
        if not waiting:
            keys.keep_first(first)
        day, last = self._clock().date(), self._last()
        key = DayKey(chain.key_id(first), day, chain.first_day_key(first, day), *last)
        keys.write(key)
        self._key = key
        self._announce(key, why)

    def _announce(self, key: DayKey, why: str = "interrupted") -> None:
        """The first row under a key says so, and fixes all rows before it.

        Without it nobody could tell where the key begins, so it is also written where a begin was cut short.
        """
        if key.id in self._made():
            self._announced = key.id
            return
        rows = chain.Digest(map(AuditRow._make, self._db.execute(f"SELECT {COLUMNS} FROM audit ORDER BY seq")))  # noqa: S608  # names of our own fields
        detail = chain.canonical({"key": key.id, "rows": rows.rows, "digest": rows.hexdigest(), "why": why})
        seq, prev = self._last()
        row = AuditRow(seq + 1, self._now(), None, None, chain.KEY_MADE, None, detail, key.day.isoformat())
        self._insert(chain.sealed(prev, row, key.key))

    def _made(self) -> set[str]:
        """The names of the first keys that rows of this log speak of."""
        rows = self._db.table("audit").rows_where("action = ? AND key_day IS NOT NULL", [chain.KEY_MADE])
        return {str(json.loads(row["detail"])["key"]) for row in rows}

    def _last_sealed(self) -> tuple[int, str]:
        return self._last("WHERE key_day IS NOT NULL")

    def _turn(self, keys: DayKeys) -> None:
        """Replace the key of a day that has ended. The log's end is committed here, so a rollback cannot undo it."""
        key, today = self._current(), self._clock().date()
        if key is None or today <= key.day or key.id not in self._made():
            return
        seq, mac = self._last_sealed()
        try:
            fresh = chain.next_day_key(key.key, key.day, today, (seq, mac))
            turned = replace(key, day=today, key=fresh, seq=seq, mac=mac)
            keys.write(turned)
        except (OSError, ValueError) as error:
            # The old key still fits the log: sealing goes on with it, and the next row tries again.
            _log.warning("audit_key_not_turned", why=type(error).__name__, day=today.isoformat())
        else:
            self._key = turned

    # --- reading ------------------------------------------------------------------------------------------------------

    def head(self) -> Head | None:
        """The end of the log for posting: the last row's number and the first 16 hex digits of its mac."""
        seq, mac = self._last()
        return Head(seq, mac[: chain.HEAD_DIGITS]) if seq else None

    def rows(
        self, *, order_id: int | None = None, user_id: int | None = None, last: int = 50
    ) -> Iterator[Mapping[str, Any]]:
        """The newest rows, oldest of them first; of one order, of one person, or all."""
        wanted = {name: value for name, value in (("order_id", order_id), ("user_id", user_id)) if value is not None}
        where = "WHERE " + " AND ".join(f"{name} = ?" for name in wanted) if wanted else ""
        sql = f"SELECT * FROM (SELECT * FROM audit {where} ORDER BY seq DESC LIMIT ?) ORDER BY seq"  # noqa: S608  # names of our own fields
        yield from self._db.query(sql, [*wanted.values(), last])
