"""Many people at once: 200 chats tap 50 tickets a second against a broker that takes 18 calls a second.

The bot is a process of its own, as `kisbot run` is; broker, Telegram and the people share another. What is asked: how
long until a tap is answered, sent and told about, how deep the queues get, and whether anything is lost or sent twice.
"""

import asyncio
import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bot.demo.run import OWNER, TOKEN
from bot.demo.telegram import ChatUser, LocalTelegram
from kis.config import kst_now
from kis.krx import tick_neighbours
from kis.sim import Simulator
from tests.bench.broker import environment
from tests.bench.load_bot import FIRST_MESSAGE
from tests.bench.load_report import Seen, Tap, figures_of, rows_of
from tests.bench.report import Row
from tests.bench.tap_to_wire import LIMITS, PER_SECOND, RICH, SLOT, is_order

CHATS = tuple(ChatUser(3001 + n, f"손님{n}", "매매자") for n in range(200))
TAPS_PER_SECOND = 50
STOCKS = 10
PATIENT = 0.97
"""Of the last price: orders that rest, so that every card has one last word."""
LOOKS = 0.25
"""Seconds between looks at the queues."""
SENDING = "전송 중"
"""On a card that does not say yet what became of the tap."""
QUEUES = {
    "orders": "SELECT count(*) FROM orders WHERE state IN ('confirmed', 'submitting', 'waiting')",
    "updates": "SELECT count(*) FROM inbox WHERE done_at IS NULL",
    "letters": "SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending')",
}
LOOKS_NEEDED = 2
LARGEST_LINE = 1 << 24


async def load(*, seconds: float = 60, patience: float = 90) -> tuple[list[Row], dict[str, Any]]:
    """The taps of so many seconds, and then at most `patience` seconds until all queues are empty."""
    broker = Simulator(profile="real", cash=RICH, per_second=PER_SECOND, token_rules=False)
    telegram = LocalTelegram(token=TOKEN, people=(OWNER, *CHATS))
    with tempfile.TemporaryDirectory(prefix="kisbot-bench-") as home:
        async with broker.serve() as kis_url, telegram.serve() as page:
            given = {name.upper(): str(value) for name, value in LIMITS.items()} | {
                "TELEGRAM_BOT_TOKEN": TOKEN,
                "TELEGRAM_API_BASE": f"{page}/bot",
                "KISBOT_OWNER_ID": str(OWNER.id),
                "KISBOT_DATA_DIR": home,
                "KIS_MIN_INTERVAL": str(SLOT),
            }
            async with _bot(broker.environ(kis_url) | given) as bot:
                run = _Run(broker, telegram, bot, Path(home) / "kisbot.db")
                return await run.play(int(seconds * TAPS_PER_SECOND), patience)


class _Bot(NamedTuple):
    """The bot's process."""

    child: asyncio.subprocess.Process

    async def ask(self, wanted: object) -> Any:
        """Hand over a line and wait for one."""
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(wanted).encode() + b"\n")
        return await self.receive()

    async def receive(self) -> Any:
        assert self.child.stdout is not None
        line = await asyncio.wait_for(self.child.stdout.readline(), 180)
        if not line:
            raise RuntimeError("the bot has ended")
        return json.loads(line)


@contextlib.asynccontextmanager
async def _bot(environ: dict[str, str]) -> AsyncIterator[_Bot]:
    pipe = subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.load_bot"),
        stdin=pipe,
        stdout=pipe,
        env=environment(**environ),
        limit=LARGEST_LINE,
    )
    try:
        yield _Bot(child)
    finally:
        if child.stdin is not None:
            child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), 30)
        except TimeoutError:
            child.kill()
            await child.wait()


class _Run:
    """One run: the taps, and everything that is seen of them from outside."""

    def __init__(self, broker: Simulator, telegram: LocalTelegram, bot: _Bot, database: Path) -> None:
        self._broker = broker
        self._telegram = telegram
        self._bot = bot
        self._database = database
        self._taps: dict[int, Tap] = {}
        self._by_terms: dict[tuple[str, int], int] = {}
        self._queues: list[tuple[float, dict[str, int]]] = []
        self._calls: Counter[str] = Counter()
        self._db: sqlite3.Connection | None = None

    async def play(self, count: int, patience: float) -> tuple[list[Row], dict[str, Any]]:
        issues = [one for one in self._broker.exchange.issues.values() if one.listing.group == "ST" and not one.halted]
        stocks = [(one.listing.code, one.listing.name, _patient(one.last)) for one in issues[:STOCKS]]
        people = [person.id for person in CHATS]
        tickets = await self._bot.ask({"people": people, "tickets": count, "stocks": stocks})
        for chat, order, _, code, quantity in tickets:
            self._by_terms[code, quantity] = order
            self._show(chat, order)
        random.Random(1).shuffle(tickets)
        self._forget_what_was()
        self._db = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)
        try:
            return await self._measured(tickets, patience)
        finally:
            self._db.close()

    async def _measured(self, tickets: list[tuple[int, int, str, str, int]], patience: float) -> Any:
        processes = {"bot": psutil.Process(self._bot.child.pid), "broker, Telegram and people": psutil.Process()}
        before, waited = {name: _busy(one) for name, one in processes.items()}, _waited_for_a_core(self._bot.child.pid)
        began, began_at = time.monotonic(), time.time()
        looking = asyncio.get_running_loop().create_task(self._sample())
        tapping = []
        for n, ticket in enumerate(tickets):
            await asyncio.sleep(max(0.0, began + n / TAPS_PER_SECOND - time.monotonic()))
            tapping.append(asyncio.get_running_loop().create_task(self._tap(*ticket)))
        tapped, tapped_at = time.monotonic() - began, time.time()
        self._note_calls()
        calls = self._calls.copy()
        shares = {name: (_busy(one) - before[name]) / tapped for name, one in processes.items()}
        waited = (_waited_for_a_core(self._bot.child.pid) - waited) / tapped
        drained = {name: await self._empty(name, began + tapped, patience) for name in QUEUES}
        drained = {name: None if at is None else max(0.0, at - began - tapped) for name, at in drained.items()}
        await asyncio.wait(tapping, timeout=5)
        looking.cancel()
        self._note_calls()
        assert self._db is not None
        states = dict(self._db.execute("SELECT id, state FROM orders").fetchall())
        waiting = self._db.execute("SELECT order_id FROM outbox WHERE state IN ('pending', 'sending')").fetchall()
        assert self._bot.child.stdin is not None
        self._bot.child.stdin.close()
        noted = await self._bot.receive()
        seen = Seen(
            taps=self._taps,
            states=states,
            fresh={self._by_terms[code, quantity]: fresh for code, quantity, fresh in noted["fresh"]},
            booked=Counter(self._by_terms[one.code, one.quantity] for one in self._broker.exchange.orders),
            waiting=frozenset(order for (order,) in waiting if order is not None),
            queues=[depths for _, depths in self._queues],
            drained=drained,
            shares=shares,
            late_ms=noted["late_ms"],
            starved=waited,
            busy=_busy_share(noted["idle"], began_at, tapped_at),
            calls=calls,
            seconds=tapped,
        )
        figures = figures_of(seen)
        return rows_of(figures), figures

    def _show(self, chat: int, order: int) -> None:
        """The ticket's message stands in its chat; an update of this kind is none the bot asked for."""
        number = TOKEN.partition(":")[0]
        message = {
            "message_id": FIRST_MESSAGE + order,
            "chat": {"id": chat, "type": "private"},
            "from": {"id": int(number), "is_bot": True, "first_name": "키스봇"},
            "date": 0,
            "text": f"#{order}",
        }
        self._telegram.inject({"edited_message": message})

    def _forget_what_was(self) -> None:
        self._telegram.calls.clear()
        self._broker.requests.clear()

    async def _tap(self, chat: int, order: int, token: str, _code: str, _quantity: int) -> None:
        tap = self._taps[order] = Tap(kst_now())
        result = await self._telegram.tap_data(chat, FIRST_MESSAGE + order, f"t:{token}", timeout=120)
        if result.answered:
            tap.toast, tap.answered = result.text, kst_now()

    # --- looking ------------------------------------------------------------------------------------------------------

    async def _sample(self) -> None:
        while True:
            self._queues.append((time.monotonic(), self._depths()))
            self._note_calls()
            await asyncio.sleep(LOOKS)

    def _depths(self) -> dict[str, int]:
        assert self._db is not None
        depths = {name: self._db.execute(query).fetchone()[0] for name, query in QUEUES.items()}
        return {**depths, "unanswered": sum(tap.answered is None for tap in self._taps.values())}

    async def _empty(self, queue: str, after: float, patience: float) -> float | None:
        """When a queue was first seen empty after the last tap."""
        while time.monotonic() < after + patience:
            at, depths = self._queues[-1]
            if at > after and depths[queue] == 0 and depths["unanswered"] == 0:
                return at
            await asyncio.sleep(LOOKS)
        return None

    def _note_calls(self) -> None:
        """What arrived at Telegram and at the broker since the last look."""
        while self._telegram.calls:
            call = self._telegram.calls.popleft()
            if call.method == "editMessageText" and SENDING not in str(call.params["text"]):
                self._reported(int(call.params["message_id"]) - FIRST_MESSAGE, call.at)
        while self._broker.requests:
            request = self._broker.requests.popleft()
            self._calls[request.path.rpartition("/")[2]] += 1
            if is_order(request):
                body = json.loads(request.body)
                tap = self._taps[self._by_terms[body["PDNO"], int(body["ORD_QTY"])]]
                tap.posts.append(request.at)

    def _reported(self, order: int, at: datetime) -> None:
        tap = self._taps.get(order)
        if tap is not None and tap.reported is None:
            tap.reported = at


def _waited_for_a_core(pid: int) -> float:
    """Seconds that a process could have worked and others did, where the system tells: Linux's schedstat."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:
        return 0.0


def _busy_share(idle: list[tuple[float, float]], began: float, ended: float) -> float:
    """How much of the time between two moments the bot's event loop had something to do, or waited for the disk."""
    within = [one for one in idle if began <= one[0] <= ended]
    if len(within) < LOOKS_NEEDED:
        return 1.0  # so busy that it could not even look
    (first, idle_then), (last, idle_now) = within[0], within[-1]
    return 1 - (idle_now - idle_then) / (last - first)


def _patient(price: int) -> int:
    return tick_neighbours(int(price * PATIENT))[0]


def _busy(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return spent.user + spent.system
