"""Messages on their way to chats. A row is written with what it tells, so a crash delays it and never loses it.

The life of a row::

    pending ──► sending ──► sent
       ▲           │
       ├── held ───┤  certainly not delivered: again, unchanged
       └── doubt ──┤  perhaps delivered: once more, saying so
                   └──► given_up ──► digested   after a second doubt, or refused by Telegram
                   └──► failed                  the same for what was only an answer (`IfUndelivered.DROP`)
    pending ──► withheld ──► digested           its reader silenced it; the round-up at the close lists it
            └──► muted                          ... or wants no round-up

So a notice is shown twice at most, the second time labelled, and what is still in doubt then is listed in its chat's
digest ("미확인 알림 모음"), which goes out until one copy of it has surely arrived.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import structlog
from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.orders.model.notice import Notice
from bot.store.message_kinds import KINDS, IfUndelivered, kind_of
from bot.store.rows import Store, as_json, iso, marks
from kis.backoff import backoff

log = structlog.get_logger(__name__)

_IN_STEP = ", ".join(f"'{name}'" for name, kind in KINDS.items() if kind.in_step)
_PASSING = ", ".join(f"'{name}'" for name, kind in KINDS.items() if kind.answers or kind.in_place)
_FILLS = frozenset({"fill", "group_fill"})

RETENTION = timedelta(days=30)
MAX_SINGLE_FILLS = 3
"""More waiting fills of one order than this become one message."""
DIGEST_LINES = 20
"""Notices in one digest: so many fit into a message even with the longest names."""
DIGEST_DELAY = timedelta(seconds=5)
"""A digest waits so long for others to join; after each doubt about itself twice as long."""
MAX_DIGEST_DELAY = timedelta(minutes=5)
TROUBLE_INTERVAL = timedelta(minutes=10)
"""Within this time the same trouble is told once and then counted."""
STOPPED_RETRY_INTERVAL = timedelta(hours=1)
"""A chat that refused us is tried again so often, and at once when its person writes."""


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


_MESSAGE = TypeAdapter(OutboxMessage)


def message_of(row: Mapping[str, Any]) -> OutboxMessage:
    """A row of the table as a message."""
    return _MESSAGE.validate_python({**row, "data": json.loads(row["data"]), "resent": row["doubts"] > 0})


class Outbox(Store):
    """The outbox table."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        super().__init__(db, clock)
        self.queued = asyncio.Event()
        """Set whenever a message was queued. Whoever waits for it runs after the transaction, which awaits nothing."""

    # --- in -----------------------------------------------------------------------------------------------------------

    def put(
        self, kind: str, chat_id: int, data: Mapping[str, Any], key: str | None = None, *, urgency: int | None = None
    ) -> None:
        """Queue a message; one whose key was ever queued before is dropped, however often it comes.

        `urgency` takes the place of its kind's.
        """
        with self._db.atomic():
            if kind_of(kind).answers:  # its person is there: a chat that refused us may be tried again
                self._db.execute("UPDATE stopped_chats SET retry_at = ? WHERE chat_id = ?", [self._now(), chat_id])
            if kind == "trouble":
                self._put_trouble(chat_id, data, key)
            else:
                self._insert(kind, chat_id, data, key, urgency=urgency)
        self.queued.set()

    def tell(self, notices: Iterable[Notice]) -> None:
        """Queue notices that go with no change of an order, all or none of them."""
        with self._db.atomic():
            for one in notices:
                self.put(one.kind, one.chat_id, one.data, one.key)

    def _insert(  # the columns of a row
        self,
        kind: str,
        chat_id: int,
        data: Mapping[str, Any],
        key: str | None = None,
        *,
        state: str = "pending",
        not_before: datetime | None = None,
        urgency: int | None = None,
    ) -> bool:
        now = self._now()
        values: dict[str, Any] = {
            "chat_id": chat_id,
            "kind": kind,
            "data": as_json(data),
            "order_id": data.get("order"),
            "key": key,
            "urgency": kind_of(kind).urgency if urgency is None else urgency,
            "state": state,
            "tries": 0,
            "made_at": now,
            "done_at": now if state == "collapsed" else None,
            "not_before": iso(not_before) if not_before else None,
        }
        inserted = self._db.execute(
            f"INSERT OR IGNORE INTO outbox ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608  # names and marks
            list(values.values()),
        )
        return bool(inserted.rowcount)

    def _put_trouble(self, chat_id: int, data: Mapping[str, Any], key: str | None) -> None:
        """The same trouble again is counted on the row that waits; one told just now is told again later, if at all."""
        same = "chat_id = ? AND kind = 'trouble' AND json_extract(data, '$.code') IS json_extract(?, '$.code')"
        which = [chat_id, as_json(data)]
        waits = self._db.execute(f"SELECT id FROM outbox WHERE {same} AND state = 'pending'", which).fetchone()  # noqa: S608  # our own words
        now = self._clock()
        if waits is not None:
            if key is None or self._insert("trouble", chat_id, {}, key, state="collapsed"):
                self._db.execute(
                    "UPDATE outbox SET repeats = repeats + 1, last_at = ?, data = ? WHERE id = ?",
                    [iso(now), as_json(data), waits[0]],
                )
            return
        (told,) = self._db.execute(
            f"SELECT max(coalesce(done_at, ?)) FROM outbox WHERE {same} "  # noqa: S608  # our own words
            "AND (state = 'sending' OR state = 'sent' AND done_at > ?)",
            [iso(now), *which, iso(now - TROUBLE_INTERVAL)],
        ).fetchone()
        later = datetime.fromisoformat(told) + TROUBLE_INTERVAL if told else None
        if self._insert("trouble", chat_id, data, key, not_before=later) and later is not None:
            self._db.execute("UPDATE outbox SET last_at = made_at WHERE id = last_insert_rowid()")

    # --- out ----------------------------------------------------------------------------------------------------------

    def ready(self, chats_busy: Sequence[int] = ()) -> list[int]:
        """Chats that have something to be told now and are not busy."""
        now = self._now()
        rows = self._db.execute(
            "SELECT chat_id FROM outbox WHERE state = 'pending' AND (not_before IS NULL OR not_before <= ?) "  # noqa: S608  # only marks
            f"AND chat_id NOT IN ({marks(chats_busy)}) "
            "AND chat_id NOT IN (SELECT chat_id FROM stopped_chats WHERE retry_at > ?) "
            "GROUP BY chat_id ORDER BY min(urgency), min(id)",
            [now, *chats_busy, now],
        )
        return [chat_id for (chat_id,) in rows]

    def next(self, chat_id: int) -> OutboxMessage | None:
        """What a chat is told next: the most urgent, the oldest of those.

        An order's running figures stay in step: an urgent one pulls those before it forward and never passes them.
        """
        row = self._row(
            "(SELECT *, min(urgency) OVER ("  # noqa: S608  # our own words
            f"PARTITION BY CASE WHEN kind IN ({_IN_STEP}) THEN coalesce(order_id, -id) ELSE -id END "
            "ORDER BY id DESC) AS pressing FROM outbox "
            "WHERE state = 'pending' AND chat_id = ? AND (not_before IS NULL OR not_before <= ?)) "
            "ORDER BY pressing, id LIMIT 1",
            chat_id,
            self._now(),
        )
        if row is None:
            return None
        message = message_of(row)
        if message.in_place and not message.data:  # it was emptied while it was being sent: nothing to say
            self._end(message.rows, "failed", None, None)
            return self.next(chat_id)
        if message.lists:
            told = {**message.data, "count": self.withheld(chat_id)} if message.kind == "roundup" else message.data
            return replace(message, data=told, parts=tuple(self._listed(message.kind, chat_id)))
        if message.kind in _FILLS and message.order_id is not None:
            return self._bundled(message)
        return message

    def _bundled(self, message: OutboxMessage) -> OutboxMessage:
        """The fill, or the newest of many that wait in a row with all of them as its parts."""
        same = "state = 'pending' AND chat_id = ? AND order_id = ?"
        which = [message.chat_id, message.order_id]
        rows = self._db.query(
            f"SELECT * FROM outbox WHERE {same} AND kind = ? AND id < coalesce("  # noqa: S608  # our own words
            f"(SELECT min(id) FROM outbox WHERE {same} AND kind IN ({_IN_STEP}) AND kind != ?), id + 1) "
            "ORDER BY id",
            [*which, message.kind, *which, message.kind],
        )
        run = [message_of(row) for row in rows]
        if len(run) <= MAX_SINGLE_FILLS:
            # what travelled together and may have arrived goes again together, lest older figures follow newer ones
            run = list(takewhile(lambda one: one.resent, run))
            if len(run) <= 1:
                return message
        return replace(run[-1], parts=tuple(run), resent=any(one.resent for one in run))

    def _listed(self, kind: str, chat_id: int) -> Iterable[OutboxMessage]:
        state, order = ("given_up", "id") if kind == "digest" else ("withheld", "id DESC")
        where, values = "state = ? AND chat_id = ?", [state, chat_id]
        rows = self._db.table("outbox").rows_where(where, values, order_by=order, limit=DIGEST_LINES)
        return sorted(map(message_of, rows), key=lambda one: one.id)

    # --- what became of it --------------------------------------------------------------------------------------------

    def sending(self, message: OutboxMessage) -> None:
        """About to leave: after a crash from here on it may have been delivered."""
        self._set(message.rows, "state = 'sending', tries = tries + 1")

    def sent(self, message: OutboxMessage, message_id: int | None) -> None:
        """Delivered, with all that it stands for. What opened a button or made a picture is forgotten here."""
        with self._db.atomic():
            self._end(message.rows, "sent", message_id, None)
            if message_id is not None:
                self._db.execute("DELETE FROM stopped_chats WHERE chat_id = ?", [message.chat_id])
            if message.lists:
                self._end([one.id for one in message.parts], "digested", message_id, None)
            if message.kind == "digest":
                self._queue_digest(message.chat_id)
            elif message.kind == "roundup":
                self._db.execute(
                    "UPDATE outbox SET state = 'muted' WHERE state = 'withheld' AND chat_id = ? AND id < ?",
                    [message.chat_id, message.id],
                )

    def withhold(self, message: OutboxMessage, *, listed: bool) -> None:
        """Its reader does not want to be told: kept on record, and named in the next round-up if `listed`."""
        self._end(message.rows, "withheld" if listed else "muted", None, None)

    def withheld(self, chat_id: int) -> int:
        """How many messages the next round-up of a chat has to name."""
        return self._db.table("outbox").count_where("state = 'withheld' AND chat_id = ?", [chat_id])

    def again(self, message: OutboxMessage) -> None:
        """Certainly not delivered: back into the queue as it was."""
        self._set(message.rows, "state = 'pending'")

    def doubt(self, message: OutboxMessage) -> None:
        """Perhaps delivered: once more, labelled; after the second time it is the digest's."""
        with self._db.atomic():
            self._doubt(message.rows)

    def failed(self, message: OutboxMessage, error: str) -> None:
        """Telegram will not have this message in this form: news goes into the digest, the rest is over."""
        with self._db.atomic():
            for row in message.rows:
                self._give_up(row, message.chat_id, message.kind, error)

    def stopped(self, message: OutboxMessage, error: str) -> None:
        """The chat refuses us. Its news is kept until it lets us in, its answers are not; the owners learn it once."""
        now = self._clock()
        with self._db.atomic():
            self.again(message)
            known = self._db.table("stopped_chats").count_where("chat_id = ?", [message.chat_id])
            self._db.execute(
                "INSERT INTO stopped_chats (chat_id, since, retry_at, why) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (chat_id) DO UPDATE SET retry_at = excluded.retry_at, why = excluded.why",
                [message.chat_id, iso(now), iso(now + STOPPED_RETRY_INTERVAL), error],
            )
            answers = f"state = 'pending' AND chat_id = ? AND kind IN ({_PASSING})"
            self._end(self._ids(answers, [message.chat_id]), "failed", None, error)
            if not known:
                others = "SELECT user_id FROM people WHERE role = 'owner' AND user_id != ?"
                for (owner,) in self._db.execute(others, [message.chat_id]).fetchall():
                    self._insert("stopped", owner, {"chat": message.chat_id, "why": error})

    def _doubt(self, rows: Iterable[int]) -> None:
        for row in rows:
            chat_id, kind, order_id, doubts = self._db.execute(
                "SELECT chat_id, kind, order_id, doubts FROM outbox WHERE id = ?", [row]
            ).fetchone()
            if kind == "digest":
                pause = backoff(doubts + 1, first=DIGEST_DELAY, most=MAX_DIGEST_DELAY)
                self._db.execute(
                    "UPDATE outbox SET state = 'pending', doubts = doubts + 1, not_before = ? WHERE id = ?",
                    [iso(self._clock() + pause), row],
                )
            elif kind_of(kind).in_place or (kind == "card" and self.card_message(order_id, chat_id) is not None):
                self._set([row], "state = 'pending'")  # the same words in the same message: nobody sees a repeat
            elif doubts == 0:
                self._set([row], "state = 'pending', doubts = 1, error = 'unsure'")
            else:
                self._give_up(row, chat_id, kind, "unsure")

    def _give_up(self, row: int, chat_id: int, kind: str, error: str) -> None:
        if kind == "digest":
            self._doubt([row])  # there is no other way left: this one again, later
        elif kind_of(kind).if_undelivered is IfUndelivered.DROP:
            log.warning("a message may not have arrived and is dropped", row=row, chat=chat_id, kind=kind, why=error)
            self._end([row], "failed", None, error)
        else:
            log.info("a notice may not have arrived and goes into the digest", row=row, chat=chat_id, kind=kind)
            self._end([row], "given_up", None, error)
            self._queue_digest(chat_id)

    def _queue_digest(self, chat_id: int) -> None:
        """See to it that a digest is queued for a chat that needs one."""
        outbox = self._db.table("outbox")
        needed = outbox.count_where("state = 'given_up' AND chat_id = ?", [chat_id])
        queued = "kind = 'digest' AND state IN ('pending', 'sending') AND chat_id = ?"
        if needed and not outbox.count_where(queued, [chat_id]):
            self._insert("digest", chat_id, {}, not_before=self._clock() + DIGEST_DELAY)

    def _set(self, rows: Sequence[int], change: str) -> None:
        self._db.execute(f"UPDATE outbox SET {change} WHERE id IN ({marks(rows)})", list(rows))  # noqa: S608  # our own words

    def _end(self, rows: Sequence[int], state: str, message_id: int | None, error: str | None) -> None:
        self._db.execute(
            "UPDATE outbox SET state = ?, message_id = ?, error = coalesce(?, error), done_at = ?, "  # noqa: S608  # only marks
            "data = json_remove(data, '$.confirm', '$.discard', '$.keys', '$.claims', '$.none', '$.bars') "
            f"WHERE id IN ({marks(rows)})",
            [state, message_id, error, None if state == "given_up" else self._now(), *rows],
        )

    # --- cards --------------------------------------------------------------------------------------------------------

    def card_message(self, order_id: int, chat_id: int) -> int | None:
        """The message that is this order's living card in a chat, once it was delivered."""
        row = self._db.execute(
            "SELECT message_id FROM outbox WHERE order_id = ? AND chat_id = ? AND kind = 'card' "
            "AND message_id IS NOT NULL ORDER BY id LIMIT 1",
            [order_id, chat_id],
        ).fetchone()
        return row[0] if row else None

    def newer_card(self, message: OutboxMessage) -> bool:
        """Whether a later update of the same card is waiting, so that this one need not be sent."""
        later = "order_id = ? AND chat_id = ? AND kind = 'card' AND state = 'pending' AND id > ?"
        return bool(self._db.table("outbox").count_where(later, [message.order_id, message.chat_id, message.id]))

    # --- over time ----------------------------------------------------------------------------------------------------

    def recover(self, chats_busy: Sequence[int] = ()) -> None:
        """After a start, or a fault of ours: what was leaving, and nobody is busy with, may have arrived."""
        with self._db.atomic():
            self._doubt(self._ids(f"state = 'sending' AND chat_id NOT IN ({marks(chats_busy)})", list(chats_busy)))
            chats = self._db.execute("SELECT DISTINCT chat_id FROM outbox WHERE state = 'given_up'").fetchall()
            for (chat_id,) in chats:
                self._queue_digest(chat_id)

    def tidy(self) -> None:
        """Forget old messages; keys of fills are kept with the order's day, long past any repeat."""
        before = iso(self._clock() - RETENTION)
        with self._db.atomic():
            refused = "chat_id IN (SELECT chat_id FROM stopped_chats)"
            stale = self._ids(f"state IN ('pending', 'given_up') AND made_at < ? AND {refused}", [before])
            self._end(stale, "failed", None, "stopped")
            self._db.table("outbox").delete_where("done_at < ?", [before])

    def _ids(self, where: str, values: Sequence[object]) -> list[int]:
        return [row["id"] for row in self._db.table("outbox").rows_where(where, values, select="id")]
