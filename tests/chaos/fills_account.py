"""The independent account of a world: what the exchange filled, what was told of it, and which gaps were due.

Of the bot it looks at two tables only: `orders`, for which number belongs to which person, and `outbox`, for what was
said. What is due follows from the exchange's own ledger and from the log of clean readings kept here.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from kis.sim import Simulator
from kis.sim.exchange.orders import API_CHANNEL, Action, OrderUpdate, UpdateKind
from tests.chaos.life import OWNER_CHAT

BLIND = timedelta(seconds=20)
NEAR = timedelta(milliseconds=2)
OPEN = frozenset({"open", "partial", "submitting", "unknown"})
ENDS = frozenset({"cancelled", "replaced", "rejected", "lapsed", "never_booked"})
MAY_BE_THERE = frozenset({"submitting", "unknown", "absent"})

PROMISES = {
    "missed": "shares that filled and were not told",
    "doubled": "shares told more than once, or that never filled",
    "early": "fills told before the exchange had them",
    "numbers": "pushes out of step: a number or a total that does not follow",
    "elsewhere": "orders made elsewhere whose fills were told otherwise than they happened",
    "stray": "orders of ours at the exchange that no order in the journal stands for",
    "ends": "orders told to be cancelled that the day has ended",
    "notices missing": "gaps that were due and not told",
    "notices extra": "gaps told that were not due, or twice",
    "notices wrong": "gaps told with other times or figures than they had",
    "alarms": "alarms without a fault that explains them",
    "faults": "faults of the program itself",
    "counters": "days whose kept counters are not what came in",
}


@dataclass(frozen=True)
class Row:
    """An order of ours as the journal has it."""

    id: int
    chat: int
    state: str
    day: date | None
    sent_at: datetime | None
    order_no: str
    filled: int
    growths: int


@dataclass
class Reading:
    """A clean reading that was taken in: in which life, when by clock and by ticks, and how our orders then stood."""

    life: int
    at: datetime
    tick: float
    orders: dict[int, Row]


@dataclass
class Account:
    """Watches one world.

    Attributes:
        readings: the log of clean readings.
        life: which life of the bot it is, counted from 1.
        fills: executions of orders that came over the API; `elsewhere` of all others.
        early: fills that were told before they were.
    """

    simulator: Simulator
    connection: sqlite3.Connection
    readings: list[Reading] = field(default_factory=list)
    early: int = 0
    fills: int = 0
    elsewhere: int = 0
    life: int = 0
    _letter: int = 0

    def __post_init__(self) -> None:
        self.simulator.exchange.set_listener(self)

    # --- the exchange ---------------------------------------------------------------------------------------------

    def on_order_update(self, update: OrderUpdate) -> None:
        """The exchange says what became of an order; the websocket hears it too."""
        if update.kind is UpdateKind.FILLED:
            ours = update.order.channel == API_CHANNEL
            self.fills += ours
            self.elsewhere += not ours
        self.simulator.websocket.on_order_update(update)

    def on_price(self, *_: object) -> None:
        """Prices are no news here."""

    # --- while it goes on -----------------------------------------------------------------------------------------

    def saw(self, at: datetime, tick: float) -> None:
        """A reading was taken in: nothing may have been told that the exchange does not have."""
        orders = self.orders()
        self.readings.append(Reading(self.life, at, tick, orders))
        rows = self.connection.execute(
            "SELECT id, kind, data, key FROM outbox WHERE id > ? AND kind IN ('fill', 'external_fill')", [self._letter]
        ).fetchall()
        for letter, kind, text, key in rows:
            self._letter, data = letter, json.loads(text)
            if kind == "fill":
                there = self._filled(orders[data["order"]].order_no, orders[data["order"]].day)
            else:
                there = self._filled(data["order_no"], _day_of(key))
            self.early += data["filled"] > there

    def _filled(self, number: str, day: date | None) -> int:
        booked = self.simulator.exchange.find(number, day)
        return booked.filled if booked is not None else 0

    def orders(self) -> dict[int, Row]:
        """Every order of ours that was ever sent."""
        rows = self.connection.execute(
            "SELECT id, chat_id, state, day, sent_at, order_no, filled, growths FROM orders WHERE sent_at IS NOT NULL"
        ).fetchall()
        return {
            row[0]: Row(row[0], row[1], row[2], date.fromisoformat(row[3]), datetime.fromisoformat(row[4]), *row[5:])
            for row in rows
        }

    # --- the verdict ----------------------------------------------------------------------------------------------

    def verdict(self) -> tuple[Counter[str], list[str]]:
        """What was broken, by the names of PROMISES, beside what was had; and where."""
        found: Counter[str] = Counter(fills=self.fills, elsewhere_fills=self.elsewhere, early=self.early)
        notes: list[str] = []
        self._judge_fills(found, notes)
        self._judge_elsewhere(found, notes)
        ended = "SELECT id FROM orders WHERE state = 'cancelled' AND cancel = 'none'"
        found["ends"] += len(self.connection.execute(ended).fetchall())  # nobody cancels here but through the bot
        self._judge_gaps(found, notes)
        return found, notes

    def entries(self, kind: str) -> list[tuple[int, dict[str, Any]]]:
        rows = self.connection.execute("SELECT chat_id, data FROM outbox WHERE kind = ? ORDER BY id", [kind]).fetchall()
        return [(chat, json.loads(data)) for chat, data in rows]

    def _judge_fills(self, found: Counter[str], notes: list[str]) -> None:
        told: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
        for chat, data in self.entries("fill"):
            told[data["order"], chat].append(data)
        orders = self.orders()
        linked = {(row.order_no, row.day) for row in orders.values()}
        for order in self.simulator.exchange.orders:
            if order.channel == API_CHANNEL and order.filled and (order.number, order.day) not in linked:
                found["stray"] += 1
                notes.append(f"{order.number} of {order.day} filled {order.filled}, and nobody's")
        for row in orders.values():
            booked = self.simulator.exchange.find(row.order_no, row.day) if row.order_no else None
            there = booked.filled if booked is not None else 0
            for chat in {row.chat, OWNER_CHAT}:
                entries = told.pop((row.id, chat), [])
                steps = sum(one["step"] for one in entries)
                found["letters"] += len(entries)
                found["shares"] += there
                found["missed"] += max(0, there - steps)
                found["doubled"] += max(0, steps - there)
                totals = [one["filled"] for one in entries]
                sums = [sum(one["step"] for one in entries[: n + 1]) for n in range(len(entries))]
                numbers = [one["number"] for one in entries]
                crooked = totals != sums or numbers != list(range(1, len(entries) + 1))
                found["numbers"] += crooked
                if steps != there or crooked:
                    notes.append(f"order {row.id} in chat {chat}: {there} filled, told {totals} as {numbers}")
        found["doubled"] += sum(one["step"] for entries in told.values() for one in entries)

    def _judge_elsewhere(self, found: Counter[str], notes: list[str]) -> None:
        told: dict[tuple[str, date], list[int]] = defaultdict(list)
        rows = self.connection.execute("SELECT data, key FROM outbox WHERE kind = 'external_fill' ORDER BY id")
        for text, key in rows.fetchall():
            data = json.loads(text)
            told[data["order_no"], _day_of(key)].append(data["filled"])
        for order in self.simulator.exchange.orders:
            if order.channel == API_CHANNEL or order.action is not Action.NEW:
                continue
            totals = told.pop((order.number, order.day), [])
            last = totals[-1] if totals else 0
            if last != order.filled or totals != sorted(set(totals)):
                found["elsewhere"] += 1
                notes.append(f"{order.number} made elsewhere on {order.day}: {order.filled} filled, told {totals}")
        found["elsewhere"] += len(told)

    # --- gaps -----------------------------------------------------------------------------------------------------

    def _judge_gaps(self, found: Counter[str], notes: list[str]) -> None:
        due = self.due()
        told: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for chat, data in self.entries("blind"):
            told[data["until"], chat].append(data)
        found["gaps due"] = len(due)
        for wanted in due:
            for chat in wanted.pop("chats"):
                found["notices due"] += 1
                entries = told.pop((wanted["until"], chat), [])
                found["notices told"] += len(entries)
                found["notices missing"] += not entries
                found["notices extra"] += max(0, len(entries) - 1)
                if not entries:
                    notes.append(f"a gap was not told in {chat}: {wanted}")
                elif wrong := differs(wanted, entries[0]):
                    found["notices wrong"] += 1
                    notes.append(f"a gap was told wrongly in {chat}: {wrong}")
        for (until, chat), entries in told.items():
            found["notices extra"] += len(entries)
            notes.append(f"a gap until {until} was told in {chat} and was none: {entries[0]}")

    def due(self) -> list[dict[str, Any]]:
        """The gaps between one clean reading and the next that people must have been told of."""
        pairs = zip(self.readings, self.readings[1:], strict=False)
        return [gap for before, after in pairs if (gap := self._gap(before, after)) is not None]

    def _gap(self, before: Reading, after: Reading) -> dict[str, Any] | None:
        apart = after.at - before.at
        if before.life == after.life:
            apart = timedelta(seconds=after.tick - before.tick)
        if apart <= BLIND:
            return None
        rows = after.orders
        at_first = {n for n, row in before.orders.items() if row.state in OPEN and row.day == before.at.date()}
        left = {
            n
            for n, row in rows.items()
            if row.sent_at is not None
            and row.sent_at > before.at
            and row.day is not None
            and row.day >= before.at.date()
            and (row.order_no or row.state in MAY_BE_THERE)
        }
        if not at_first:
            first = min(
                (row.sent_at for n, row in rows.items() if n in left and row.sent_at is not None), default=after.at
            )
            apart = min(apart, after.at - first)
        if apart <= BLIND or not at_first | left:
            return None
        grown = {n: (row, before.orders.get(n)) for n, row in rows.items()}
        steps = [
            (row.growths - (was.growths if was else 0), row.filled - (was.filled if was else 0))
            for row, was in grown.values()
        ]
        ended = Counter(
            row.state for row, was in grown.values() if row.state in ENDS and (was is None or was.state not in ENDS)
        )
        return {
            "chats": {OWNER_CHAT, *(rows[n].chat for n in at_first | left)},
            "since": (after.at - apart).isoformat(),
            "until": after.at.isoformat(),
            "open": len(at_first | left),
            "fills": sum(fills for fills, _ in steps),
            "shares": sum(shares for _, shares in steps),
            "orders": sum(fills > 0 for fills, _ in steps),
            "ended": dict(ended),
            "off": before.life != after.life,
        }


def _day_of(key: str) -> date:
    """The day in the key of a letter about an order made elsewhere."""
    return date.fromisoformat(key.split(":")[1])


def differs(wanted: dict[str, Any], told: dict[str, Any]) -> str:
    """What of a gap was told otherwise than it was; "" for nothing."""
    apart = abs(datetime.fromisoformat(wanted["since"]) - datetime.fromisoformat(told["since"]))
    wrong = [f"since {told['since']} for {wanted['since']}"] if apart > NEAR else []
    figures = ("open", "fills", "shares", "orders", "ended")
    wrong += [f"{name} {told[name]} for {wanted[name]}" for name in figures if wanted[name] != told[name]]
    if bool(told["off"]) != wanted["off"]:
        wrong.append(f"off {told['off']!r}")
    return ", ".join(wrong)
