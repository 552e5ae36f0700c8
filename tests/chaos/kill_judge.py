"""Real `kill -9` at every crash point, again and again, judged by the broker's own ledger in another process.

For each point a broker, a local Telegram and a data directory of its own; one life after the other is ended there, in
the middle of an order. The next one recovers, and is asked for the next order.
"""

import asyncio
import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.demo.run import OWNER, TOKEN
from bot.demo.telegram import CallbackResult, ChatMessage, ChatUser, LocalTelegram
from bot.orders.access.roles import Role
from bot.orders.model.order import AT_BROKER, IN_DOUBT, ON_ITS_WAY, OrderState
from bot.store.audit.log import AuditLog
from bot.store.database import open_database
from kis.config import kst_now
from kis.krx import KST
from kis.sim import Simulator
from kis.sim.exchange.orders import API_CHANNEL, Action
from tests.chaos.error_log import keep_errors
from tests.chaos.kill_child import SharedClock, live
from tests.chaos.kill_points import POINTS, spec
from tests.chaos.matrix_stand import ORDER_PATH
from tests.chaos.world import PLENTY, RICH
from tests.support.members import members

KILLS, QUICK_KILLS = 50, 3
TRADERS = tuple(ChatUser(3001 + n, f"매매{n}", "매매자") for n in range(12))
"""Telegram takes about one message a second for one chat: the orders are spread over many."""
FROM = datetime(2026, 11, 23, 1, 0, tzinfo=KST)
START_WITHIN, DIES_WITHIN, SHOWN_WITHIN = 20.0, 4.0, 6.0
SETTINGS = {
    "kisbot_max_order_value": RICH,
    "kisbot_soft_order_value": RICH,
    "kisbot_day_value_user": RICH,
    "kisbot_day_value_account": RICH,
    "kisbot_day_orders_user": 0,
    "kisbot_orders_per_minute": 0,
    "kisbot_cool_off_rejects": 0,
    "kisbot_ticket_seconds": 600,
    "kis_min_interval": 0,
}
"""What is under test is what becomes of orders: the limits are out of the way."""
ANSWERED: tuple[tuple[str, dict[str, Any]] | None, ...] = (
    None,
    ("slow", {"seconds": 0.05, "acts": False}),
    ("slow", {"seconds": 0.05}),
)
"""Ways to take an order after which it is filled and the answer is read."""
BEHAVIOURS = (
    *ANSWERED,
    None,
    ("lose_reply", {}),
    ("lose_request", {}),
    ("throttle", {"status": 500}),
    ("refuse", {"code": "APBK0952", "message": "주문가능금액을 초과 했습니다", "status": 200, "rt_cd": "1"}),
)
ENDS = {
    OrderState.FILLED: "✅ 체결",
    OrderState.REJECTED: "⛔ 거부",
    OrderState.NOT_SENT: "🚫 보내지 않음",
    OrderState.BLOCKED: "🚫 보내지 않음",
    OrderState.EXPIRED: "⌛ 만료",
    OrderState.ABSENT: "🔎 접수 기록 없음",
}
"""What the chat must show of a tap at its end."""
NEED_AN_ANSWER = ("answer_read", "fill_noted", "fill_sent")
"""Points that an order passes only where the broker answers, or fills it."""
MUST = ("duplicates", "ghosts", "wrong", "adrift", "untold", "unlabelled", "too_often", "lost_wishes", "second_posts")
"""Counts that must be 0."""


@dataclass
class Wish:
    """Somebody's wish to sell one share of a stock that nobody else asks for."""

    person: ChatUser
    code: str
    behaviour: str = "calm"
    tapped: bool = False


def run(kills: int = KILLS, seed: int = 1, points: Iterable[str] = POINTS, processes: int = 2) -> Counter[str]:
    """Kill so often at every point; the counts, those of MUST by point too where they are not 0."""
    found: Counter[str] = Counter()
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=keep_errors) as pool:
        jobs = [(point, kills, seed) for point in points]
        for point, one in zip(points, pool.map(_at, jobs), strict=True):
            found += one
            for name in MUST:
                if one[name]:
                    found[f"{name} at {point}"] += one[name]
    found["seconds"] = round(time.monotonic() - began)
    return found


def _at(job: tuple[str, int, int]) -> Counter[str]:
    point, kills, seed = job
    return asyncio.run(kill_at(point, kills, seed))


async def kill_at(point: str, kills: int, seed: int) -> Counter[str]:
    """So many lives that end at one point, and a last one that settles what is left."""
    with tempfile.TemporaryDirectory(prefix="kisbot-kill-") as name:
        home = Path(name)
        clock = SharedClock(home / "clock")
        clock.jump((FROM - kst_now()).total_seconds())
        blank = Simulator(profile="real")
        codes = [code for code, one in blank.exchange.issues.items() if not one.halted and not one.listing.etf]
        holdings = dict.fromkeys(codes, (PLENTY, 10_000))
        broker = Simulator(
            profile="real", clock=clock, cash=RICH, holdings=holdings, rate_limit=False, token_rules=False
        )
        telegram = LocalTelegram(token=TOKEN, people=(OWNER, *TRADERS), clock=clock)
        async with broker.serve() as kis_url, telegram.serve() as page:
            values: dict[str, Any] = {key.lower(): value for key, value in broker.environ(kis_url).items()}
            values |= SETTINGS | {
                "telegram_bot_token": TOKEN,
                "telegram_api_base": f"{page}/bot",
                "kisbot_owner_id": str(OWNER.id),
                "kisbot_data_dir": str(home / "data"),
            }
            _let_in(home, clock)
            station = Station(broker, telegram, values, home, random.Random(f"{seed}:{point}"), codes)
            for _ in range(kills):
                await station.one_kill(point)
            await station.last_life()
        return station.judged()


def _let_in(home: Path, clock: SharedClock) -> None:
    db = open_database(home / "data" / "kisbot.db")
    people = members(db, AuditLog(db, clock), clock)
    for person in (OWNER, *TRADERS):
        people.put(person.id, person.name, Role.OWNER if person is OWNER else Role.TRADER)
    db.close()


class Station:
    """One broker, one Telegram, and the bot's many lives."""

    def __init__(
        self,
        broker: Simulator,
        telegram: LocalTelegram,
        values: dict[str, Any],
        home: Path,
        rng: random.Random,
        codes: list[str],
    ) -> None:
        self._broker = broker
        self._telegram = telegram
        self._values = values
        self._home = home
        self._rng = rng
        self._codes = itertools.cycle(codes)
        self._people = itertools.cycle(TRADERS)
        self._taps: set[asyncio.Task[CallbackResult]] = set()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.chaos.kill_child"])
        self.wishes: list[Wish] = []
        self.counts: Counter[str] = Counter()

    # --- lives --------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _life(self, point: str) -> AsyncIterator["Child"]:
        ours, theirs = self._context.Pipe()
        clock_file = self._home / "clock"
        process = self._context.Process(target=live, args=(theirs, self._values, clock_file, spec(point)), daemon=True)
        process.start()
        theirs.close()
        child = Child(process, ours)
        try:
            await child.expect("ready")
            yield child
        finally:
            child.kill()
            await child.dead(5)
            ours.close()

    async def one_kill(self, point: str) -> None:
        async with self._life(point) as child:
            await self._left_over(child)
            await child.command("arm")
            wish = Wish(next(self._people), next(self._codes))
            behaviour = self._rng.choice(ANSWERED if point in NEED_AN_ANSWER else BEHAVIOURS)
            if behaviour is not None:
                wish.behaviour, how = behaviour
                self._broker.faults.plant(wish.behaviour, path=ORDER_PATH, **how)
            self.wishes.append(wish)
            await self._ask(wish)
            await self._tap(wish, child)
            if not await child.dead(DIES_WITHIN):
                self.counts["killed elsewhere"] += 1
            self.counts["kills"] += 1
        self._broker.faults.clear()

    async def last_life(self) -> None:
        """Nobody dies any more: everything is settled and told."""
        async with self._life("nowhere") as child:
            await self._left_over(child)
            await child.command("settle")
            await child.command("quiet")
            child.send("stop")
            await child.dead(10)

    # --- people -------------------------------------------------------------------------------------------------------

    async def _ask(self, wish: Wish) -> None:
        await self._telegram.send(wish.person.id, f"/sell {wish.code} 1 시장가")

    async def _tap(self, wish: Wish, child: "Child", within: float = SHOWN_WITHIN) -> None:
        """Press as soon as there is something to press; the answer may never come."""
        until = time.monotonic() + within
        while time.monotonic() < until and not child.gone():
            ticket = self._ticket(wish)
            if ticket is not None:
                press = self._telegram.tap(wish.person.id, ticket.message_id, "확인", timeout=0.5)
                task = asyncio.get_running_loop().create_task(press)
                self._taps.add(task)
                task.add_done_callback(self._taps.discard)
                wish.tapped = True
                return
            await asyncio.sleep(0.005)

    def _ticket(self, wish: Wish) -> ChatMessage | None:
        for message in reversed(self._telegram.chat(wish.person.id)):
            keys = [key.text for row in message.buttons for key in row]
            if message.sender == "bot" and wish.code in message.text and any("확인" in key for key in keys):
                return message
        return None

    async def _left_over(self, child: "Child") -> None:
        """What an earlier life did not get round to: a person with no ticket asks again, and taps the one there is."""
        for wish in self.wishes[-2:]:
            if wish.tapped:
                continue
            await self._tap(wish, child, within=0.7)
            if not wish.tapped:
                self.counts["asked again"] += 1
                await self._ask(wish)
                await self._tap(wish, child)
            await asyncio.sleep(0.05)
        await child.command("settle")

    # --- the verdict --------------------------------------------------------------------------------------------------

    def judged(self) -> Counter[str]:
        """What the broker's ledger, the journal and the chats say of every wish."""
        db = sqlite3.connect(self._home / "data" / "kisbot.db")
        db.row_factory = sqlite3.Row
        for wish in self.wishes:
            rows = db.execute("SELECT * FROM orders WHERE code = ? ORDER BY id", [wish.code]).fetchall()
            self._judge(wish, rows, db)
        db.close()
        return self.counts

    def _judge(self, wish: Wish, rows: list[sqlite3.Row], db: sqlite3.Connection) -> None:
        counts, exchange = self.counts, self._broker.exchange
        ours = [
            one
            for one in exchange.orders
            if (one.code, one.channel, one.action) == (wish.code, API_CHANNEL, Action.NEW)
        ]
        counts["wishes"] += 1
        counts["at the broker"] += len(ours)
        counts["duplicates"] += len(ours) > max(1, sum(row["attempt"] > 0 for row in rows))
        counts["lost_wishes"] += not wish.tapped
        tapped = [row for row in rows if row["state"] != OrderState.PROPOSED]
        for row in tapped:
            state = OrderState(row["state"])
            counts[f"end: {state.value} {row['link']}".strip()] += 1
            mine = [one for one in ours if one.number == row["order_no"]]
            counts["wrong"] += state in AT_BROKER and not mine
            counts["ghosts"] += state not in AT_BROKER | IN_DOUBT and row["attempt"] > 0 and bool(ours)
            answered = "SELECT coalesce(outcome, '') FROM attempts WHERE order_id = ? ORDER BY n"
            outcomes = [one for (one,) in db.execute(answered, [row["id"]])]
            counts["second_posts"] += any(one not in {"throttled", "token", "not_sent"} for one in outcomes[:-1])
            self._judge_words(wish, state, sum(one.filled for one in mine))
        counts["adrift"] += wish.tapped and not tapped

    def _judge_words(self, wish: Wish, state: OrderState, filled: int) -> None:
        counts = self.counts
        messages = self._telegram.chat(wish.person.id)
        said = [one.text for one in messages if one.sender == "bot" and wish.code in one.text]
        counts["adrift"] += state in IN_DOUBT | ON_ITS_WAY or not any(ENDS.get(state, "?") in text for text in said)
        pushes = [text for text in said if "누적" in text]
        digests = [one.text for one in messages if one.sender == "bot" and "미확인 알림" in one.text]
        counts["untold"] += bool(filled) and not pushes and not digests
        counts["labelled repeats"] += sum("재전송" in text for text in pushes)
        counts["unlabelled"] += sum("재전송" not in text for text in pushes) > 1
        counts["too_often"] += len(pushes) > 2  # once, and once more with a label


class Child:
    """A life in its process, and the line to it."""

    def __init__(self, process: Any, line: Any) -> None:
        self._process = process
        self._line = line

    def gone(self) -> bool:
        return not self._process.is_alive()

    def send(self, word: str) -> None:
        with contextlib.suppress(OSError):
            self._line.send(word)

    async def command(self, word: str) -> None:
        """Tell it something and wait until it has done it."""
        self.send(word)
        await self.expect(word)

    async def expect(self, word: str) -> None:
        until = time.monotonic() + START_WITHIN
        while not self._line.poll():
            if self.gone() or time.monotonic() > until:
                raise RuntimeError(f"the bot never said {word}: exit code {self._process.exitcode}")
            await asyncio.sleep(0.003)
        self._line.recv()

    async def dead(self, within: float) -> bool:
        until = time.monotonic() + within
        while not self.gone() and time.monotonic() < until:  # noqa: ASYNC110  # nor has a process
            await asyncio.sleep(0.003)
        return self.gone()

    def kill(self) -> None:
        if not self.gone():
            os.kill(self._process.pid, signal.SIGKILL)
