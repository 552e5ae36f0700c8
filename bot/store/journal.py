"""The journal of orders: what the desk's `Journal` asks for, over SQLite. Each method is one transaction."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.orders.access.membership import for_groups
from bot.orders.access.roles import Actor
from bot.orders.model.button import ButtonToken, KnownButton, decode, encode
from bot.orders.model.events import Event, Voided
from bot.orders.model.notice import Notice, cards
from bot.orders.model.order import Attempt, Link, Order, OrderState, Vote, apply
from bot.orders.ports import Stale
from bot.orders.risk.trading_halt import HaltStatus
from bot.store.audit.log import AuditLog
from bot.store.message_kinds import CARD_URGENCY
from bot.store.outbox import Outbox
from bot.store.rows import Store, event_detail, iso, marks, order_of, order_row
from kis.models import OrderReport
from kis.receipts import Receipt

_ATTEMPT = TypeAdapter(Attempt)
_BUTTON = TypeAdapter(KnownButton)
_HALT = TypeAdapter(HaltStatus)
_RECEIPT = TypeAdapter(Receipt)
_VOTE = TypeAdapter(Vote)


class SqliteJournal(Store):
    """Orders, attempts, buttons; with every change its audit row and its notices."""

    def __init__(
        self,
        db: Database,
        audit: AuditLog,
        outbox: Outbox,
        *,
        clock: Callable[[], datetime],
        groups: Collection[int] = (),
    ) -> None:
        """`groups`: chats told of fills."""
        super().__init__(db, clock)
        self._groups = groups
        self._audit = audit
        self._outbox = outbox
        self._tried: dict[int, Order] = {}
        self._tried_day: date | None = None

    def add(self, order: Order, buttons: Sequence[ButtonToken], notices: Sequence[Notice]) -> Order:
        """Write a new order with its ticket; the id is given here."""
        row = order_row(order)
        del row["id"]
        with self._db.atomic():
            order_id = self._db.table("orders").insert(row).last_rowid
            assert order_id is not None  # noqa: S101  # an insert has one
            self.add_buttons(order_id, buttons)
            self._put(order_id, notices)
            self._audit.add(
                "order.proposed",
                user_id=order.user_id,
                name=order.user_name,
                order_id=order_id,
                **{name: row[name] for name in ("act", "parent", "side", "code", "quantity", "kind", "price", "quote")},
            )
        found = self.get(order_id)
        assert found is not None  # noqa: S101  # written a line ago
        return found

    def get(self, order_id: int | None) -> Order | None:
        """The order of this id; none for None."""
        return next(self._orders("id = ?", [order_id]), None)

    def of_origin(self, origin: int) -> Order | None:
        """The order that this update proposed, if it did."""
        return next(self._orders("origin = ?", [origin]), None)

    def of_number(self, order_no: str) -> Order | None:
        """The newest order of this number at the broker."""
        return next(self._orders("order_no = ? ORDER BY id DESC LIMIT 1", [order_no]), None)

    def in_state(self, states: Collection[OrderState]) -> list[Order]:
        """Every order in one of these states, oldest first."""
        return list(self._orders(f"state IN ({marks(states)}) ORDER BY id", [state.value for state in states]))

    def due(self, states: Collection[OrderState], now: datetime) -> list[Order]:
        """Orders in one of these states whose time is up, oldest first."""
        values = [*(state.value for state in states), now.isoformat()]
        return list(self._orders(f"state IN ({marks(states)}) AND expires_at <= ? ORDER BY id", values))

    def tried_on(self, day: date) -> list[Order]:
        """Every order of that day that was sent at least once, oldest first.

        Asked before every order, and a day's orders are many: kept in memory, and brought up to date with each write.
        """
        if self._tried_day != day:
            found = self._orders("day = ? AND attempt > 0 ORDER BY id", [day.isoformat()])
            self._tried = {one.id: one for one in found}
            self._tried_day = day
        return [self._tried[number] for number in sorted(self._tried)]

    def _orders(self, where: str, values: Sequence[object]) -> Iterator[Order]:
        return map(order_of, self._db.query(f"SELECT * FROM orders WHERE {where}", values))  # noqa: S608  # our own words

    def save(
        self,
        order: Order,
        event: Event,
        *,
        actor: Actor | None = None,
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
                self.answered(order.id, receipt)
            if buttons:
                self.add_buttons(order.id, buttons)
            self._write(order, event, actor, notices)
        if order.day == self._tried_day and order.attempt > 0:
            self._tried[order.id] = order

    def _write(self, order: Order, event: Event, actor: Actor | None, notices: Sequence[Notice]) -> None:
        row = order_row(order)
        fields = [name for name in row if name not in {"id", "origin"}]
        sets = ", ".join(f"{name} = ?" for name in fields)
        changed = self._db.execute(
            f"UPDATE orders SET {sets} WHERE id = ? AND version = ?",  # noqa: S608  # names of our own fields
            [*(row[name] for name in fields), order.id, order.version - 1],
        )
        if changed.rowcount != 1:
            raise Stale(f"order {order.id}")
        self._put(order.id, [*notices, *for_groups(notices, self._groups)], CARD_URGENCY.get(order.state))
        self._audit.add(
            event.action,
            user_id=actor.user_id if actor else None,
            name=actor.name if actor else None,
            order_id=order.id,
            state=order.state.value,
            **{f"event_{name}": value for name, value in event_detail(event).items()},
        )

    def votes(self, order_id: int) -> list[Vote]:
        """What was said to an order, in all its rounds."""
        rows = self._db.table("votes").rows_where("order_id = ?", [order_id], order_by="at")
        return [_VOTE.validate_python(row) for row in rows]

    def _add_vote(self, vote: Vote) -> None:
        made = self._db.execute(
            "INSERT OR IGNORE INTO votes (order_id, round, user_id, name, approve, at) "
            "VALUES (:order_id, :round, :user_id, :name, :approve, :at)",
            {**vars(vote), "at": vote.at.isoformat()},
        )
        if made.rowcount != 1:
            raise Stale(f"vote on order {vote.order_id}")

    def void_person(self, user_id: int, code: str) -> None:
        """Inside a transaction of the caller's: end what hangs on somebody who is shut out, and kill their buttons.

        Their open tickets end; a request they had agreed to begins anew without them, which is: it ends too.
        """
        self._db.execute("UPDATE buttons SET used_at = ? WHERE user_id = ? AND used_at IS NULL", [self._now(), user_id])
        voted = {row["order_id"] for row in self._db.table("votes").rows_where("user_id = ?", [user_id])}
        for order in self.in_state({OrderState.PROPOSED, OrderState.PENDING}):
            if order.user_id == user_id or (order.state is OrderState.PENDING and order.id in voted):
                event = Voided(code)
                self._write(apply(order, event, self._clock()), event, None, cards(order))

    def _use(self, button_id: int) -> None:
        used = self._db.execute(
            "UPDATE buttons SET used_at = ? WHERE id = ? AND used_at IS NULL", [self._now(), button_id]
        )
        if used.rowcount != 1:
            raise Stale(f"button {button_id}")

    def button(self, digest: str) -> KnownButton | None:
        """The button of this hash, used or not."""
        row = self._row("buttons WHERE digest = ?", digest)
        if row is None:
            return None
        read = {"action": decode(row["action"]), "used": row["used_at"] is not None}
        return _BUTTON.validate_python({**row, **read})

    def add_buttons(self, order_id: int | None, buttons: Sequence[ButtonToken]) -> None:
        """Make further buttons, for an order or for none in particular."""
        self._db.table("buttons").insert_all(
            {
                "digest": one.digest,
                "order_id": order_id,
                "action": encode(one.action),
                "user_id": one.user_id,
                "expires_at": one.expires_at.isoformat(),
                "terms": one.terms,
            }
            for one in buttons
        )

    def use(self, button_id: int, actor: Actor, action: str) -> None:
        """Use up a button that belongs to no single order.

        Raises:
            Stale: it was used already.
        """
        with self._db.atomic():
            self._use(button_id)
            self._audit.add(action, user_id=actor.user_id, name=actor.name)

    def attempt(self, order_id: int) -> Attempt | None:
        """The newest try at the order itself, not at cancelling it."""
        row = self._row("attempts WHERE order_id = ? AND endpoint != 'cancel' ORDER BY n DESC", order_id)
        return _ATTEMPT.validate_python({**row, "baseline": json.loads(row["baseline"])}) if row else None

    def attempted(self, attempt: Attempt) -> None:
        """Write down a try at cancelling, before it leaves."""
        with self._db.atomic():
            (last,) = self._db.execute(
                "SELECT coalesce(max(n), 0) FROM attempts WHERE order_id = ?", [attempt.order_id]
            ).fetchone()
            self._add_attempt(replace(attempt, n=last + 1))

    def answered(self, order_id: int, receipt: Receipt) -> None:
        """Write down what became of the newest try."""
        row = _RECEIPT.dump_python(receipt, mode="json") | {"answered_at": self._now(), "order_id": order_id}
        self._db.execute(
            "UPDATE attempts SET outcome = :outcome, status = :status, code = :code, answer = :answer, sent = :sent, "
            "seconds = :seconds, answered_at = :answered_at "
            "WHERE order_id = :order_id AND n = (SELECT max(n) FROM attempts WHERE order_id = :order_id)",
            row,
        )

    def _add_attempt(self, attempt: Attempt) -> None:
        row = _ATTEMPT.dump_python(attempt, mode="json")
        row["baseline"] = json.dumps(sorted(attempt.baseline))
        self._db.table("attempts").insert(row)

    def halt_status(self) -> HaltStatus | None:
        """The newest row of the trading halt, None before any."""
        row = self._row("brakes ORDER BY seq DESC")
        return _HALT.validate_python(row) if row else None

    def set_halt(self, status: HaltStatus, notices: Sequence[Notice]) -> None:
        """Add a row to the trading halt, with its notices."""
        with self._db.atomic():
            row = {"why": status.why, "user_id": status.user_id, "name": status.name}
            self._db.table("brakes").insert({**row, "at": iso(status.at), "level": int(status.level)})
            self._put(None, notices)
            self._audit.add(
                "brake", user_id=status.user_id or None, name=status.name, level=status.level.name, why=status.why
            )

    def linked(self, day: date, *, directly: bool = False) -> frozenset[str]:
        """Order numbers of that day which belong to our orders; `directly`: which the broker's answer gave us."""
        where, values = "day = ? AND order_no != '' AND (NOT ? OR link = ?)", [day.isoformat(), directly, Link.DIRECT]
        rows = self._db.table("orders").rows_where(where, values, select="order_no")
        return frozenset(row["order_no"] for row in rows)

    def channel(self) -> str:
        """Where the broker said our orders are entered, when it was last sure; "" for never."""
        row = self._row("channels ORDER BY at DESC")
        return row["name"] if row else ""

    def keep_channel(self, channel: str) -> None:
        """Remember it."""
        self._db.table("channels").insert({"name": channel, "at": self._now()}, replace=True)

    def external_mark(self, row: OrderReport) -> int:
        """How far an order made elsewhere was seen to fill."""
        found = self._db.execute(  # asked for every row of every list: no look-up of the schema each time
            "SELECT filled FROM external WHERE day = ? AND branch = ? AND order_no = ?",
            [row.day.isoformat(), row.branch, row.order_no],
        ).fetchone()
        return found[0] if found else 0

    def mark_external(self, row: OrderReport, notices: Sequence[Notice]) -> None:
        """Remember how far it is filled, with what is told of it."""
        with self._db.atomic():
            which = {"day": row.day.isoformat(), "branch": row.branch, "order_no": row.order_no}
            self._db.table("external").upsert({**which, "filled": row.filled})
            self._put(None, notices)
            self._audit.add("external.filled", order_no=row.order_no, code=row.code, filled=row.filled)

    def days_seen(self) -> dict[date, bool]:
        """The last days whose list was taken in, and whether that was done once more when they were over."""
        rows = self._db.table("list_days").rows_where(order_by="day DESC", limit=30)
        return {date.fromisoformat(row["day"]): bool(row["over"]) for row in rows}

    def day_seen(self, day: date, *, over: bool) -> None:
        """Remember it."""
        self._db.table("list_days").insert({"day": day.isoformat(), "over": over}, replace=True)

    def _put(self, order_id: int | None, notices: Sequence[Notice], of_cards: int | None = None) -> None:
        for one in notices:
            data = {**one.data, "order": order_id} if order_id is not None else one.data
            self._outbox.put(one.kind, one.chat_id, data, one.key, urgency=of_cards if one.kind == "card" else None)
