"""The journal of orders: what the desk's `Journal` asks for, over SQLite. Each method is one transaction."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, datetime

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.orders.access.membership import for_groups
from bot.orders.access.roles import Actor
from bot.orders.model.attempt import Attempt
from bot.orders.model.button import ButtonToken, KnownButton, decode, encode
from bot.orders.model.events import Event, Voided
from bot.orders.model.notice import Notice, cards
from bot.orders.model.order import Link, Order, OrderState, apply
from bot.orders.model.vote import Vote
from bot.orders.ports import Stale
from bot.orders.risk.trading_halt import HaltLevel, HaltStatus
from bot.store.audit.log import AuditLog
from bot.store.message_kinds import CARDS
from bot.store.order_rows import event_detail, order_of, order_row
from bot.store.outbox import Outbox
from kis.models import OrderReport
from kis.receipts import Receipt

_ATTEMPT = TypeAdapter(Attempt)
_VOTE = TypeAdapter(Vote)


class SqliteJournal:
    """Orders, attempts, buttons; with every change its audit row and its notices."""

    def __init__(
        self,
        db: Database,
        audit: AuditLog,
        outbox: Outbox,
        *,
        clock: Callable[[], datetime],
        wake: Callable[[], None] = lambda: None,
        groups: Collection[int] = (),
    ) -> None:
        """`wake` is called after notices were committed, so that they leave at once; `groups` are told of fills."""
        self._groups = groups
        self._db = db
        self._audit = audit
        self._outbox = outbox
        self._clock = clock
        self._wake = wake
        self._tried: dict[int, Order] = {}
        self._tried_day: date | None = None

    def add(self, order: Order, buttons: Sequence[ButtonToken], notices: Sequence[Notice]) -> Order:
        """Write a new order with its ticket; the id is given here."""
        row = order_row(order)
        del row["id"]
        with self._db.atomic():
            names = ", ".join(row)
            marks = ", ".join("?" * len(row))
            made = self._db.execute(
                f"INSERT INTO orders ({names}) VALUES ({marks})",  # noqa: S608  # names of our own fields
                list(row.values()),
            )
            order_id = made.lastrowid
            assert order_id is not None  # noqa: S101  # an insert has one
            self._add_buttons(order_id, buttons)
            self._put(order_id, notices)
            self._audit.add(
                "order.proposed",
                user_id=order.user_id,
                name=order.user_name,
                order_id=order_id,
                **{name: row[name] for name in ("act", "parent", "side", "code", "quantity", "kind", "price", "quote")},
            )
        self._wake()
        found = self.get(order_id)
        assert found is not None  # noqa: S101  # written a line ago
        return found

    def get(self, order_id: int) -> Order | None:
        """The order of this id."""
        return self._one("SELECT * FROM orders WHERE id = ?", [order_id])

    def of_origin(self, origin: int) -> Order | None:
        """The order that this update proposed, if it did."""
        return self._one("SELECT * FROM orders WHERE origin = ?", [origin])

    def of_number(self, order_no: str) -> Order | None:
        """The newest order of this number at the broker."""
        return self._one("SELECT * FROM orders WHERE order_no = ? ORDER BY id DESC LIMIT 1", [order_no])

    def in_state(self, states: Collection[OrderState]) -> list[Order]:
        """Every order in one of these states, oldest first."""
        marks = ",".join("?" * len(states))
        return self._orders(f"state IN ({marks})", [state.value for state in states])

    def due(self, states: Collection[OrderState], now: datetime) -> list[Order]:
        """Orders in one of these states whose time is up, oldest first."""
        marks = ",".join("?" * len(states))
        values = [*(state.value for state in states), now.isoformat()]
        return self._orders(f"state IN ({marks}) AND expires_at <= ?", values)

    def tried_on(self, day: date) -> list[Order]:
        """Every order of that day that was sent at least once, oldest first.

        Asked before every order, and a day's orders are many: kept in memory, and brought up to date with each write.
        """
        if self._tried_day != day:
            self._tried = {one.id: one for one in self._orders("day = ? AND attempt > 0", [day.isoformat()])}
            self._tried_day = day
        return [self._tried[number] for number in sorted(self._tried)]

    def _orders(self, where: str, values: Sequence[object]) -> list[Order]:
        found = self._db.execute(f"SELECT * FROM orders WHERE {where} ORDER BY id", values)  # noqa: S608  # our own words
        names = [column[0] for column in found.description]
        return [order_of(dict(zip(names, row, strict=True))) for row in found]

    def _remember(self, order: Order) -> None:
        if order.day == self._tried_day and order.attempt > 0:
            self._tried[order.id] = order

    def save(
        self,
        order: Order,
        event: Event,
        *,
        who: Actor | None = None,
        uses: int | None = None,
        vote: Vote | None = None,
        attempt: Attempt | None = None,
        receipt: Receipt | None = None,
        buttons: Sequence[ButtonToken] = (),
        notices: Sequence[Notice] = (),
    ) -> None:
        """Replace the version before this one, use up a button, and queue what is to be told: all or nothing.

        `attempt` is the try at the wire that begins with this, `receipt` what became of the newest one.

        Raises:
            Stale: somebody else changed the order, or the button was used already; nothing was written.
        """
        with self._db.atomic():
            if uses is not None:
                self._use(uses)
            if vote is not None:
                self._add_vote(vote)
            if attempt is not None:
                self._add_attempt(attempt)
            if receipt is not None:
                self._add_receipt(order.id, receipt)
            self._add_buttons(order.id, buttons)
            self._write(order, event, who, notices)
        self._remember(order)
        self._wake()

    def _write(self, order: Order, event: Event, who: Actor | None, notices: Sequence[Notice]) -> None:
        row = order_row(order)
        fields = [name for name in row if name not in {"id", "origin"}]
        sets = ", ".join(f"{name} = ?" for name in fields)
        changed = self._db.execute(
            f"UPDATE orders SET {sets} WHERE id = ? AND version = ?",  # noqa: S608  # names of our own fields
            [*(row[name] for name in fields), order.id, order.version - 1],
        )
        if changed.rowcount != 1:
            raise Stale(f"order {order.id}")
        self._put(order.id, [*notices, *for_groups(notices, self._groups)], CARDS.get(order.state))
        self._audit.add(
            event.action,
            user_id=who.user_id if who else None,
            name=who.name if who else None,
            order_id=order.id,
            state=order.state.value,
            **{f"event_{name}": value for name, value in event_detail(event).items()},
        )

    def votes(self, order_id: int) -> list[Vote]:
        """What was said to an order, in all its rounds."""
        rows = self._db.query("SELECT * FROM votes WHERE order_id = ? ORDER BY at", [order_id])
        return [_VOTE.validate_python(row) for row in rows]

    def _add_vote(self, vote: Vote) -> None:
        made = self._db.execute(
            "INSERT OR IGNORE INTO votes (order_id, round, user_id, name, approve, at) VALUES (?, ?, ?, ?, ?, ?)",
            [vote.order_id, vote.round, vote.user_id, vote.name, vote.approve, vote.at.isoformat()],
        )
        if made.rowcount != 1:
            raise Stale(f"vote on order {vote.order_id}")

    def void_person(self, user_id: int, code: str) -> None:
        """Inside a transaction of the caller's: end what hangs on somebody who is shut out, and kill their buttons.

        Their open tickets end; a request they had agreed to begins anew without them, which is: it ends too.
        """
        self._db.execute("UPDATE buttons SET used_at = ? WHERE user_id = ? AND used_at IS NULL", [self._now(), user_id])
        voted = {row[0] for row in self._db.execute("SELECT order_id FROM votes WHERE user_id = ?", [user_id])}
        for order in self.in_state({OrderState.PROPOSED, OrderState.PENDING}):
            if order.user_id == user_id or (order.state is OrderState.PENDING and order.id in voted):
                event = Voided(code)
                self._write(apply(order, event, self._clock()), event, None, cards(order))
        self._wake()

    def _use(self, button_id: int) -> None:
        used = self._db.execute(
            "UPDATE buttons SET used_at = ? WHERE id = ? AND used_at IS NULL",
            [self._now(), button_id],
        )
        if used.rowcount != 1:
            raise Stale(f"button {button_id}")

    def button(self, digest: str) -> KnownButton | None:
        """The button of this hash, used or not."""
        row = next(self._db.query("SELECT * FROM buttons WHERE digest = ?", [digest]), None)
        if row is None:
            return None
        return KnownButton(
            id=row["id"],
            action=decode(row["action"]),
            order_id=row["order_id"],
            user_id=row["user_id"],
            expires_at=datetime.fromisoformat(row["expires_at"]),
            used=row["used_at"] is not None,
            terms=row["terms"],
        )

    def add_buttons(self, order_id: int | None, buttons: Sequence[ButtonToken]) -> None:
        """Make further buttons, for an order or for none in particular."""
        with self._db.atomic():
            self._add_buttons(order_id, buttons)

    def use(self, button_id: int, who: Actor, action: str) -> None:
        """Use up a button that belongs to no single order.

        Raises:
            Stale: it was used already.
        """
        with self._db.atomic():
            self._use(button_id)
            self._audit.add(action, user_id=who.user_id, name=who.name)

    def _add_buttons(self, order_id: int | None, buttons: Sequence[ButtonToken]) -> None:
        for one in buttons:
            self._db.execute(
                "INSERT INTO buttons (digest, order_id, action, user_id, expires_at, terms) VALUES (?, ?, ?, ?, ?, ?)",
                [one.digest, order_id, encode(one.action), one.user_id, one.expires_at.isoformat(), one.terms],
            )

    def attempt(self, order_id: int) -> Attempt | None:
        """The newest try at the order itself, not at cancelling it."""
        row = next(
            self._db.query(
                "SELECT * FROM attempts WHERE order_id = ? AND endpoint != 'cancel' ORDER BY n DESC LIMIT 1",
                [order_id],
            ),
            None,
        )
        if row is None:
            return None
        return _ATTEMPT.validate_python({**row, "baseline": json.loads(row["baseline"])})

    def attempted(self, attempt: Attempt) -> None:
        """Write down a try at cancelling, before it leaves."""
        with self._db.atomic():
            (last,) = self._db.execute(
                "SELECT coalesce(max(n), 0) FROM attempts WHERE order_id = ?",
                [attempt.order_id],
            ).fetchone()
            self._add_attempt(replace(attempt, n=last + 1))

    def answered(self, order_id: int, receipt: Receipt) -> None:
        """Write down what became of the newest try."""
        with self._db.atomic():
            self._add_receipt(order_id, receipt)

    def _add_attempt(self, attempt: Attempt) -> None:
        row = _ATTEMPT.dump_python(attempt, mode="json")
        row["baseline"] = json.dumps(sorted(attempt.baseline))
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self._db.execute(f"INSERT INTO attempts ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608  # our own names

    def _add_receipt(self, order_id: int, receipt: Receipt) -> None:
        self._db.execute(
            "UPDATE attempts SET outcome = ?, status = ?, code = ?, answer = ?, sent = ?, seconds = ?, answered_at = ? "
            "WHERE order_id = ? AND n = (SELECT max(n) FROM attempts WHERE order_id = ?)",
            [
                receipt.outcome.value,
                receipt.status,
                receipt.code,
                receipt.answer,
                receipt.sent,
                receipt.seconds,
                self._now(),
                order_id,
                order_id,
            ],
        )

    def brake(self) -> HaltStatus | None:
        """How far the brakes are pulled, None if they never were."""
        row = next(self._db.query("SELECT * FROM brakes ORDER BY seq DESC LIMIT 1"), None)
        if row is None:
            return None
        at = datetime.fromisoformat(row["at"])
        return HaltStatus(HaltLevel(row["level"]), row["why"], at, row["user_id"], row["name"], row["seq"])

    def pull(self, now: HaltStatus, notices: Sequence[Notice]) -> None:
        """Pull or release the brakes, with what is told of it."""
        with self._db.atomic():
            self._db.execute(
                "INSERT INTO brakes (at, level, why, user_id, name) VALUES (?, ?, ?, ?, ?)",
                [now.at.isoformat(timespec="milliseconds"), int(now.level), now.why, now.user_id, now.name],
            )
            self._put(None, notices)
            self._audit.add("brake", user_id=now.user_id or None, name=now.name, level=now.level.name, why=now.why)
        self._wake()

    def linked(self, day: date, *, directly: bool = False) -> frozenset[str]:
        """Order numbers of that day which belong to our orders; `directly`: which the broker's answer gave us."""
        rows = self._db.execute(
            "SELECT order_no FROM orders WHERE day = ? AND order_no != '' AND (NOT ? OR link = ?)",
            [day.isoformat(), directly, Link.DIRECT.value],
        )
        return frozenset(number for (number,) in rows.fetchall())

    def channel(self) -> str:
        """Where the broker said our orders are entered, when it was last sure; "" for never."""
        row = self._db.execute("SELECT name FROM channels ORDER BY at DESC LIMIT 1").fetchone()
        return row[0] if row else ""

    def keep_channel(self, channel: str) -> None:
        """Remember it."""
        self._db.execute("INSERT OR REPLACE INTO channels (name, at) VALUES (?, ?)", [channel, self._now()])

    def external_mark(self, row: OrderReport) -> int:
        """How far an order made elsewhere was seen to fill."""
        found = self._db.execute(
            "SELECT filled FROM external WHERE day = ? AND branch = ? AND order_no = ?",
            [row.day.isoformat(), row.branch, row.order_no],
        ).fetchone()
        return found[0] if found else 0

    def mark_external(self, row: OrderReport, notices: Sequence[Notice]) -> None:
        """Remember how far it is filled, with what is told of it."""
        with self._db.atomic():
            self._db.execute(
                "INSERT INTO external (day, branch, order_no, filled) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET filled = excluded.filled",
                [row.day.isoformat(), row.branch, row.order_no, row.filled],
            )
            self._put(None, notices)
            self._audit.add("external.filled", order_no=row.order_no, code=row.code, filled=row.filled)
        self._wake()

    def days_seen(self) -> dict[date, bool]:
        """The last days whose list was taken in, and whether that was done once more when they were over."""
        rows = self._db.execute("SELECT day, over FROM list_days ORDER BY day DESC LIMIT 30").fetchall()
        return {date.fromisoformat(day): bool(over) for day, over in rows}

    def day_seen(self, day: date, *, over: bool) -> None:
        """Remember it."""
        self._db.execute("INSERT OR REPLACE INTO list_days (day, over) VALUES (?, ?)", [day.isoformat(), over])

    def tell(self, notices: Sequence[Notice]) -> None:
        """Queue notices that go with no change."""
        with self._db.atomic():
            self._put(None, notices)
        self._wake()

    def _put(self, order_id: int | None, notices: Sequence[Notice], of_cards: int | None = None) -> None:
        for one in notices:
            data = {**one.data, "order": order_id} if order_id is not None else one.data
            self._outbox.put(one.kind, one.chat_id, data, one.key, urgency=of_cards if one.kind == "card" else None)

    def _one(self, sql: str, values: list[object]) -> Order | None:
        row = next(self._db.query(sql, values), None)
        return order_of(row) if row else None

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")
