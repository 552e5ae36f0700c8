"""What the journal adds to a send: the desk's own path with every commit on disk, and the same with nothing to keep.

Two desks take turns on each order: one over the database as the bot opens it (WAL, `synchronous=FULL`), one over the
same schema in memory with `synchronous=OFF`. Both speak to the simulator without a socket and without spacing.
"""

import asyncio
import io
import os
import sqlite3
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.demo.run import TOKEN, stage
from bot.demo.telegram import LocalTelegram
from bot.orders.access.roles import Actor, Role
from bot.orders.approvals.policy import ApprovalPolicy
from bot.orders.execution.desk import Desk
from bot.orders.hours import TradingHours
from bot.orders.model.order import Order, OrderRequest, OrderState
from bot.orders.risk.checks import Limits
from bot.orders.risk.trading_halt import TradingHalt
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from bot.store.journal import SqliteJournal
from bot.store.migrations.registry import MIGRATIONS
from bot.store.outbox import Outbox
from kis.client import KisClient
from kis.config import KisConfig, kst_now
from kis.models import OrderKind, Side
from kis.sim import Simulator
from tests.bench.report import Row, median, percentile
from tests.bench.tap_to_wire import LIMITS, PEOPLE, RICH, is_order, quiet
from tests.support.members import FixedRoster, never_asks, notifications
from tests.support.memory_wire import MemoryWire
from tests.support.waiting import happens

CODE, NAME = "005930", "삼성전자"
WARM_UP = 10
AIM_MS = 2.0
PAGE = 4096
"""Bytes that SQLite writes at a time."""
_WIDE = Limits(
    max_value=RICH,
    soft_value=RICH,
    day_value_user=RICH,
    day_value_account=RICH,
    day_orders_user=0,
    orders_per_minute=0,
    duplicate_minutes=0,
)
_WHO = Actor(1001, 1001, "김관리", Role.OWNER)


@dataclass
class _Side:
    """One of the two desks, with a broker and a database of its own."""

    broker: Simulator
    client: KisClient
    db: Database
    desk: Desk
    journal: SqliteJournal
    taken: list[tuple[float, float]]
    """Milliseconds of each send: from the tap to the order's arrival, and from the tap to the outcome written down."""

    async def send(self, number: int) -> None:
        """One ticket, one tap, one order; the figures that it is sent upon are all there already."""
        ask = OrderRequest(Side.BUY, CODE, NAME, etf=False, quantity=1, kind=OrderKind.LIMIT, price=60_000)
        made = await self.desk.propose(ask, _WHO, number)
        if not isinstance(made, Order):
            raise TypeError(f"no ticket: {made}")
        self.desk.pretrade.drop(made.id)
        await self.desk.pretrade.for_send(ask)
        token = _token(self.db, made.id)
        tapped, began = self.broker.clock(), time.perf_counter()
        await self.desk.carry_out(self.desk.press(token, _WHO))
        whole = time.perf_counter() - began
        sent = self.journal.get(made.id)
        if sent is None or sent.state is not OrderState.OPEN:
            raise RuntimeError(f"the order did not come through: {sent}")
        order = next(one for one in reversed(self.broker.requests) if is_order(one))
        self.taken.append((1000 * (order.at - tapped).total_seconds(), 1000 * whole))


async def journal_cost(*, sends: int = 300, taps: int = 10) -> tuple[list[Row], dict[str, Any]]:
    """The difference at the median and at the 99th percentile, and the commits of one send."""
    with tempfile.TemporaryDirectory(prefix="kisbot-bench-") as home:
        kept = _side(Path(home) / "kept", open_database(Path(home) / "kept" / "kisbot.db"))
        lost = _side(Path(home) / "lost", _in_memory())
        syncs = []
        with (Path(home) / "page").open("wb", buffering=0) as page:
            for number in range(WARM_UP + sends):
                # neither is always the one that finds a warm cache
                for side in (kept, lost) if number % 2 else (lost, kept):
                    await side.send(number + 1)
                syncs.append(_sync(page))
        for side in (kept, lost):
            await side.desk.drain()
            await side.client.close()
            side.db.close()
    figures: dict[str, Any] = {"sends": sends, "aim_p50_ms": AIM_MS}
    figures["sync"] = {f"p{n}_ms": percentile(syncs, n) for n in (50, 99)}
    for place, name in enumerate(("to_wire", "whole")):
        on_disk, off = ([one[place] for one in side.taken[WARM_UP:]] for side in (kept, lost))
        figures[name] = {
            "difference_p50_ms": median([a - b for a, b in zip(on_disk, off, strict=True)]),
            **{f"on_p{n}_ms": percentile(on_disk, n) for n in (50, 99)},
            **{f"off_p{n}_ms": percentile(off, n) for n in (50, 99)},
        }
    figures["commits"] = await commits_of_a_send(taps)
    return _rows(figures), figures


def _sync(page: io.FileIO) -> float:
    """Milliseconds until one page stands on this disk: what no journal can be quicker than, once for each commit."""
    began = time.perf_counter()
    page.write(bytes(PAGE))
    os.fsync(page.fileno())
    return 1000 * (time.perf_counter() - began)


def _rows(figures: dict[str, Any]) -> list[Row]:
    rows, sync = [], figures["sync"]["p50_ms"]
    for name, ko, en in (
        ("to_wire", "버튼에서 주문이 나가기까지", "from the tap to the order leaving"),
        ("whole", "버튼에서 결과를 적기까지", "from the tap until its outcome is written down"),
    ):
        one = figures[name]
        rows.append(
            Row(
                f"기록(저널)이 더하는 시간, {ko}",
                f"what the journal adds, {en}",
                f"{one['difference_p50_ms'] / sync:.1f} fsync",
                f"+{one['difference_p50_ms']:.1f} ms: p50 {one['on_p50_ms']:.1f} / {one['off_p50_ms']:.1f} ms, "
                f"p99 {one['on_p99_ms']:.1f} / {one['off_p99_ms']:.1f} ms, fsync {sync:.1f} ms, n={figures['sends']}",
            )
        )
    before, after = (sum(figures["commits"][name].values()) for name in ("before_the_order", "after_it"))
    rows.append(
        Row(
            "주문 한 번의 디스크 기록(commit) 횟수: 나가기 전 / 그 뒤",
            "commits of one send: before the order leaves / after it",
            f"{before:.0f} / {after:.0f}",
            ", ".join(f"{name} {count:.0f}" for name, count in figures["commits"]["before_the_order"].items()),
        )
    )
    return rows


def _in_memory() -> Database:
    db = Database(sqlite3.connect(":memory:", isolation_level=None), execute_plugins=False)
    for pragma in ("synchronous=OFF", "foreign_keys=ON"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    MIGRATIONS.apply(db)
    return db


def _side(home: Path, db: Database) -> _Side:
    broker = Simulator(profile="real", cash=RICH, rate_limit=False, token_rules=False)
    customer = broker.credentials
    client = KisClient(
        KisConfig(
            env=broker.env,
            app_key=customer.app_key,
            app_secret=customer.app_secret,
            account=customer.account,
            min_interval=0.0,
            rest_url="http://127.0.0.1:9",
            token_dir=home,
        ),
        transport=MemoryWire(broker, sleep=asyncio.sleep, clock=kst_now),
    )
    audit = AuditLog(db, kst_now)
    outbox = Outbox(db, kst_now)
    journal = SqliteJournal(db, audit, outbox, clock=kst_now)
    told = notifications(outbox)
    desk = Desk(
        client,
        journal,
        TradingHalt(journal, told, clock=kst_now),
        TradingHours(always=True),
        FixedRoster(),
        never_asks(told),
        told,
        clock=kst_now,
        limits_of=lambda _: _WIDE,
        policy=ApprovalPolicy(),
        position_percent=Decimal(0),
        resume_pause=0,
        external_orders=tuple,
        poll_reports=lambda: None,
        run_number=lambda: 0,
    )
    return _Side(broker, client, db, desk, journal, [])


def _token(db: Database, order_id: int) -> str:
    (token,) = db.execute(
        "SELECT json_extract(data, '$.secrets.confirm') FROM outbox WHERE order_id = ? AND kind = 'card' ORDER BY id LIMIT 1",
        [order_id],
    ).fetchone()
    return str(token)


# --- commits ----------------------------------------------------------------------------------------------------------


class _Commits:
    """Counts a connection's commits by what was written in each."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._inside: list[str] = []
        self._open = False
        self.found: list[tuple[float, str]] = []
        """When each began to be written, by the event loop's clock, and the tables it changed."""
        db.conn.set_trace_callback(self._heard)

    def _heard(self, statement: str) -> None:
        words = statement.upper().replace("OR IGNORE ", "").split(None, 3)
        match words[0]:
            case "BEGIN":
                self._open, self._inside = True, []
            case "COMMIT" | "END":
                self._count()
            case "ROLLBACK" if "TO" not in words:
                self._open = False
            case "INSERT" | "DELETE" | "UPDATE":
                table = words[2] if words[0] != "UPDATE" else words[1]
                if words[0] != "DELETE" or "WHERE 0" not in statement.upper():
                    self._inside.append(table.lower())
                if not self._open:
                    self._count()

    def _count(self) -> None:
        self._open = False
        if self._inside:
            self.found.append((time.time(), "+".join(sorted(set(self._inside)))))
        self._inside = []


async def commits_of_a_send(taps: int) -> dict[str, dict[str, float]]:
    """Commits of one send in the whole bot, Telegram's side included, by the tables each of them changes."""
    broker = Simulator(profile="real", cash=RICH, rate_limit=False)
    telegram = LocalTelegram(token=TOKEN, people=PEOPLE[:taps])
    counted: dict[str, Counter[str]] = {"before_the_order": Counter(), "after_it": Counter()}
    async with stage(broker=broker, telegram=telegram, kis_min_interval=0.0, **LIMITS) as on:
        for person in telegram.people:
            on.app.storage.people.put(person.id, person.name, Role.TRADER)
        commits = _Commits(on.app.storage.db)
        for person in telegram.people:
            before = telegram.revision
            await telegram.send(person.id, f"/buy {CODE} 1 60000")
            ticket = await telegram.wait(person.id, lambda message: bool(message.buttons), after=before)
            await asyncio.sleep(0.3)
            commits.found.clear()
            await telegram.tap(person.id, ticket.message_id, "확인")
            idle = _settled(on.app.storage.db, commits)
            if not await happens(idle, within=10, every=0.05):
                raise RuntimeError("the send does not come to rest")
            at = next(one for one in reversed(broker.requests) if is_order(one)).at.timestamp()
            for moment, tables in commits.found:
                counted["before_the_order" if moment < at else "after_it"][tables] += 1
        await quiet(on)
    return {part: {name: count / taps for name, count in found.most_common()} for part, found in counted.items()}


def _settled(db: Database, commits: _Commits) -> Any:
    def quiet_for_long_enough() -> bool:
        (waiting,) = db.execute("SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending')").fetchone()
        last = commits.found[-1][0] if commits.found else time.time()
        return waiting == 0 and time.time() - last > 0.3

    return quiet_for_long_enough
