"""`kill -9` around taps: the bot as a process of its own, ended at random moments and started again on the same data."""

import asyncio
import contextlib
import itertools
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.demo.run import OWNER, TOKEN, Stage, stage
from bot.demo.telegram import CallbackResult, ChatMessage, LocalTelegram, Person
from bot.orders.model import Order, State
from bot.orders.people import Role
from bot.store.audit import AuditLog
from bot.store.database import open_database
from bot.store.people import People
from kis.config import kst_now
from kis.sim import Simulator
from kis.sim.orders import Kind, Side
from tests.bench.broker import environment
from tests.bench.waiting import until
from tests.chaos.cases import ORDER_PATH
from tests.chaos.clock import HandClock
from tests.chaos.desk_run import how, resolve, told
from tests.chaos.report import quiet
from tests.chaos.verdict import Outcome, Told, judged, orders_between

TRADERS = tuple(Person(3001 + n, f"매매{n}", "매매자") for n in range(12))
"""Telegram takes about one message a second for one chat: the orders are spread over many."""
AT_ONCE = 3
RICH = 10**13
START_WITHIN = 40.0
SLOWED = 0.6
"""How often the broker takes its time, so that a bot dies while it waits for the answer."""
LIVES = 0.3
"""Seconds after the taps within which a bot is killed; an order's way takes a tenth of that."""
LIMITS = {"kisbot_max_order_value": RICH, "kisbot_ticket_seconds": 600, "kis_min_interval": 0}


ENDS = {
    State.FILLED: ("✅ 체결",),
    State.REJECTED: ("⛔ 거부",),
    State.NOT_SENT: ("🚫 보내지 않음",),
    State.BLOCKED: ("🚫 보내지 않음",),
    State.EXPIRED: ("⌛ 만료",),
    State.ABSENT: ("🔎 접수 기록 없음",),
}
"""What the chat must show of a tap at its end."""
ON_ITS_WAY = frozenset({State.PROPOSED, State.CONFIRMED, State.SUBMITTING})
MOST_KILLS = 60
"""Every order is for a stock of its own, and there are not many more."""


@dataclass(frozen=True)
class _Wish:
    """Somebody's wish for one share of a stock that nobody else asks for."""

    person: Person
    code: str


async def kill_run(kills: int, seed: int) -> Counter[str]:
    """Kill a bot so many times, let a last one settle what is open, and judge by the broker's ledger."""
    clock = HandClock(kst_now())
    broker = Simulator(profile="real", clock=clock, cash=RICH, rate_limit=False, token_rules=False)
    telegram = LocalTelegram(token=TOKEN, people=(OWNER, *TRADERS), clock=clock)
    with tempfile.TemporaryDirectory(prefix="kisbot-chaos-") as name:
        home = Path(name)
        async with broker.serve() as kis_url, telegram.serve() as page:
            _let_in(home, clock)
            run = _Kills(broker, telegram, _environ(broker, kis_url, page, home), home, random.Random(seed))
            await run.kill_again_and_again(kills)
        kis_port = int(kis_url.rpartition(":")[2])
        setting = stage(
            broker=broker, telegram=telegram, kis_port=kis_port, clock=clock, data_dir=home / "data", **LIMITS
        )
        async with setting as on:
            await _settle(on, run.tapped, clock)
            found = judged(run.outcomes(on))
            found.update(run.counts)
    return found


def kill_apart(kills: int, seed: int) -> Counter[str]:
    """The same in a process of its own, so that it can go on beside other runs."""
    quiet()
    return asyncio.run(kill_run(kills, seed))


def _let_in(home: Path, clock: HandClock) -> None:
    db = open_database(home / "data" / "kisbot.db")
    people = People(db, AuditLog(db, clock), clock)
    for person in (OWNER, *TRADERS):
        people.put(person.id, person.name, Role.OWNER if person is OWNER else Role.TRADER)
    db.close()


def _environ(broker: Simulator, kis_url: str, page: str, home: Path) -> dict[str, str]:
    given = {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_BASE": f"{page}/bot",
        "KISBOT_OWNER_ID": str(OWNER.id),
        "KISBOT_DATA_DIR": str(home / "data"),
    }
    limits = {name.upper(): str(value) for name, value in LIMITS.items()}
    return environment(**broker.environ(kis_url), **given, **limits)


class _Kills:
    """The bot's many lives."""

    def __init__(
        self, broker: Simulator, telegram: LocalTelegram, environ: dict[str, str], home: Path, rng: random.Random
    ) -> None:
        self._broker = broker
        self._telegram = telegram
        self._environ = environ
        self._home = home
        self._rng = rng
        self._codes = iter([code for code, issue in broker.exchange.issues.items() if not issue.halted])
        self._people = itertools.cycle(TRADERS)
        self._asked: list[_Wish] = []
        self._taps: set[asyncio.Task[CallbackResult]] = set()
        self.tapped: list[_Wish] = []
        self.counts: Counter[str] = Counter()

    async def kill_again_and_again(self, kills: int) -> None:
        for _ in range(kills):
            async with self._life() as child:
                if not self._asked:
                    await self._ask()
                tickets = [(wish, await self._ticket(wish)) for wish in self._asked]
                self._asked = []
                if self._rng.random() < SLOWED:
                    slowness = {"seconds": self._rng.uniform(0.02, 0.2), "acts": self._rng.random() < 0.5}
                    self._broker.faults.plant("slow", path=ORDER_PATH, times=AT_ONCE, **slowness)
                for wish, ticket in tickets:
                    self._tap(wish, ticket)
                    await asyncio.sleep(self._rng.uniform(0, 0.01))
                await self._ask()
                await asyncio.sleep(self._rng.uniform(0, LIVES))
                child.kill()
            self.counts["kills"] += 1
            self._broker.faults.clear()

    @contextlib.asynccontextmanager
    async def _life(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """From a start to the first poll; then whatever happens."""
        began = kst_now()
        with (self._home / "log").open("ab") as log:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", cwd=self._home, env=self._environ, stdout=log, stderr=log
            )
            try:
                up = await until(lambda: child.returncode is not None or self._polled(began), within=START_WITHIN)
                if not up or child.returncode is not None:
                    words = (self._home / "log").read_text(encoding="utf-8", errors="replace")
                    raise RuntimeError(f"the bot did not start: {words[-1500:]}")
                yield child
            finally:
                if child.returncode is None:
                    child.kill()
                await child.wait()

    def _polled(self, began: datetime) -> bool:
        return any(call.method == "getUpdates" and call.at > began for call in self._telegram.calls)

    async def _ask(self) -> None:
        """Messages that ask for an order each, of stocks nobody asked for yet: the ticket may come in another life."""
        for _ in range(AT_ONCE):
            wish = _Wish(next(self._people), next(self._codes))
            await self._telegram.send(wish.person.id, f"/buy {wish.code} 1 시장가")
            self._asked.append(wish)

    async def _ticket(self, wish: _Wish) -> ChatMessage:
        return await self._telegram.wait(
            wish.person.id, lambda message: wish.code in message.text and bool(message.buttons), timeout=15
        )

    def _tap(self, wish: _Wish, ticket: ChatMessage) -> None:
        """Press and do not wait: the answer may never come."""
        press = self._telegram.tap(wish.person.id, ticket.message_id, "확인", timeout=0.5)
        task = asyncio.get_running_loop().create_task(press)
        self._taps.add(task)
        task.add_done_callback(self._taps.discard)
        self.tapped.append(wish)

    def outcomes(self, on: Stage) -> list[Outcome]:
        known = {order.code: order for order in on.app.journal.in_state(set(State))}
        return [self._outcome(wish, known.get(wish.code)) for wish in self.tapped]

    def _outcome(self, wish: _Wish, order: Order | None) -> Outcome:
        exchange = self._broker.exchange
        said = self._said(wish)
        pushes = [text for text in said if "누적" in text]
        self.counts["marked_repeats"] += sum("재전송" in text for text in pushes)
        self.counts["unmarked_repeats"] += max(0, sum("재전송" not in text for text in pushes) - 1)
        end = told(order) if order else Told.IN_DOUBT
        words = ENDS.get(order.state, ()) if order else ()
        self.counts["adrift"] += end is Told.IN_DOUBT or not any(word in text for word in words for text in said)
        return Outcome(
            code=wish.code,
            side=Side.BUY,
            kind=Kind.MARKET,
            quantity=1,
            price=0,
            told=end,
            order_no=order.order_no if order else "",
            how=how(order) if order else "missing",
            told_shares=min(1, len(pushes)),
            ours=orders_between(exchange, wish.code, 0, len(exchange.orders)),
        )

    def _said(self, wish: _Wish) -> list[str]:
        messages = self._telegram.chat(wish.person.id)
        return [one.text for one in messages if one.sender == "bot" and wish.code in one.text]


async def _settle(on: Stage, tapped: list[_Wish], clock: HandClock) -> None:
    """Let the last bot answer what is left, look up what is in doubt, and tell everything."""
    codes = {wish.code for wish in tapped}
    journal, outbox = on.app.journal, on.app.outbox
    await until(lambda: not any(order.code in codes for order in journal.in_state(ON_ITS_WAY)), within=20, every=0.05)
    await resolve(on, clock)
    await until(lambda: not outbox.waiting(), within=40, every=0.05)
