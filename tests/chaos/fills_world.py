"""A night over midnight in virtual time: a market that trades, people who order, and everything that goes wrong around fills.

The bot hears of fills by websocket and reads them from the list, over lines that lose, double, delay and swap what
they carry; it is killed, stopped and started, and the machine sleeps. The exchange alone knows what filled.
"""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from bot.orders.access.roles import Actor, Role
from bot.orders.model.order import IN_DOUBT, WORKING, Order, OrderRequest
from bot.orders.model.tap_result import TapOutcome
from bot.orders.risk.trading_halt import HaltLevel
from kis import websocket as line
from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import Env
from kis.errors import KisError
from kis.krx import KST, step
from kis.models import OrderKind, Side
from kis.sim import Simulator
from kis.sim.exchange.orders import API_CHANNEL, HTS_CHANNEL, OrderDivision, OrderRejected
from kis.sim.exchange.orders import BookedOrder as Booked
from tests.chaos.error_log import logged_errors
from tests.chaos.fills_account import Account
from tests.chaos.fills_life import FillsLife, Killed
from tests.chaos.fills_storm import MIDNIGHT, Storms
from tests.chaos.fills_wire import CALM as CALM_LIST
from tests.chaos.fills_wire import FillsWire
from tests.chaos.life import OWNER_CHAT, Died, belonging, database, outside
from tests.chaos.world import KINDS_OF_MARKET, PLENTY, RICH, tradable
from tests.support.memory_socket import CALM as CALM_FRAMES
from tests.support.memory_socket import FIELDS, MemorySockets
from tests.support.virtual_time import VirtualClock, VirtualLoop

BEGINS = datetime(2026, 11, 23, 23, 44, tzinfo=KST)
MINUTE = timedelta(minutes=1)
OWNER = Actor(OWNER_CHAT, OWNER_CHAT, "김관리", Role.OWNER)
PEOPLE = 4
AT_ONCE = 3
"""Orders a person has open at once."""
STOCKS = 6
PAPER = 0.3
DEATHLESS = 0.15
"""How many nights the bot lives through, so that what it counts can be held against what came in, one by one."""
TRADES_EVERY = 1.1
"""Seconds between bursts of trades of others that reach orders of this account."""
SMALL = 0.97
"""The share of trades that take a share or a few, not all that is left of an order."""
SETTLES = 1_200
"""Seconds within which everything is told once the faults are over."""


class BotClock:
    """The clock of the bot's machine, which somebody may set."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return self._clock() + self.ahead


class FillsWorld:
    """One seed's night."""

    def __init__(self, seed: str, clock: VirtualClock, home: Path, fills: int) -> None:
        self.seed, self.home, self.wanted = seed, home, fills
        self.clock = BotClock(clock)
        self.time = clock
        self.rng = random.Random(f"{seed}:fills")
        paper = self.rng.random() < PAPER
        self.deaths = self.rng.random() >= DEATHLESS
        self.fields = self.rng.choice(FIELDS)
        self.pool = self.rng.sample(tradable(), STOCKS)
        self.simulator = Simulator(
            profile="paper" if paper else "real",
            seed=self.rng.randrange(KINDS_OF_MARKET),
            clock=clock,
            cash=RICH,
            holdings=dict.fromkeys(self.pool, (PLENTY, 10_000)),
            rate_limit=False,
            token_rules=False,
            notice_fields=min(self.fields, 26),
            heartbeat=30.0,
        )
        self.exchange = self.simulator.exchange
        self.wire = FillsWire(self.simulator, random.Random(f"{seed}:wire"), clock=clock)
        self.sockets = MemorySockets(self.simulator, random.Random(f"{seed}:frames"), outside, fields=self.fields)
        customer = self.simulator.credentials
        self.config = KisConfig(
            env=Env(self.simulator.env),
            app_key=customer.app_key,
            app_secret=customer.app_secret,
            account=customer.account,
            hts_id=customer.hts_id,
            min_interval=0,
            rest_url="http://127.0.0.1:9",
            ws_url="ws://127.0.0.1:9",
            token_dir=home,
        )
        self.connection = database()
        self.account = Account(self.simulator, self.connection)
        self.fired: Counter[str] = Counter()
        self.faults: list[str] = []
        self.life: FillsLife
        self.up = asyncio.Event()
        self._orders = 0
        self._work: set[asyncio.Task[None]] = set()
        self.around: list[asyncio.Task[None]] = []

    def client(self) -> KisClient:
        """A client of the only customer, as a new process would make it."""
        rng = random.Random(f"{self.seed}:client")
        return KisClient(self.config, clock=self.clock, sleep=asyncio.sleep, rng=rng, transport=self.wire)

    # --- from beginning to end ------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Until so many fills have happened on either side of midnight, and everything about them was told."""
        asyncio.get_running_loop().set_task_factory(belonging)
        with patch.object(line, "connect", self.sockets.connect):
            self._live()
            await asyncio.sleep(5)
            work = [self._trade(), self._strange(), Storms(self).storm(), *(self._person(n) for n in range(PEOPLE))]
            self.around = [asyncio.create_task(one) for one in work]
            await self._until(lambda: self._filled() >= self.wanted // 2 or self.time() > MIDNIGHT - MINUTE)
            self.clock.ahead = timedelta()
            self.skip((MIDNIGHT - self.time()).total_seconds() - self.rng.uniform(5, 25))
            await self._until(lambda: self._filled() >= self.wanted and self.time() > MIDNIGHT + 2 * MINUTE)
            for task in self.around:
                task.cancel()
            ends = await asyncio.gather(*self.around, return_exceptions=True)
            self.faults += [f"the world broke: {one!r}" for one in ends if isinstance(one, Exception)]
            await asyncio.gather(*self._work)
            await self._settle()
            await self.life.end()

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():  # noqa: ASYNC110  # virtual time costs nothing
            await asyncio.sleep(1)

    def _filled(self) -> int:
        return self.account.fills + self.account.elsewhere

    def skip(self, seconds: float) -> None:
        """The whole world sleeps: nothing trades, nothing is read."""
        if seconds > 0:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop._jump(seconds)

    async def _settle(self) -> None:
        """The faults are over. What is open is filled or left, and the bot has time to find all there is."""
        self.wire.away, self.wire.frozen, self.clock.ahead = False, None, timedelta()
        self.wire.mood, self.sockets.weather, self.sockets.down = CALM_LIST, CALM_FRAMES, False
        self.simulator.faults.clear()
        await self.up.wait()
        for order in self.exchange.open_orders():
            if self.rng.random() < 0.7:
                self.exchange.trade(order.code, order.price, order.open)
        for _ in range(SETTLES // 5):
            await asyncio.sleep(5)
            self._answer()
            if not self.life.journal.in_state(IN_DOUBT):
                break
        await asyncio.sleep(45)

    # --- the bot ----------------------------------------------------------------------------------------------------

    def _live(self) -> None:
        self.account.life += 1
        self.life = FillsLife(self, self.connection)
        task = self.life.start(self.life._run())
        task.add_done_callback(self._over)
        self.up.set()

    def _over(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        fault = task.exception()
        if isinstance(fault, Killed):
            self.dies(self.rng.choice((1.0, 4.0, 40.0)))
        else:
            self.faults.append(f"the bot died: {type(fault).__name__}: {fault}")

    def dies(self, away: float, *, orderly: bool = False) -> asyncio.Task[None]:
        """Die, and live again whatever becomes of who asked for it."""
        work = asyncio.get_running_loop().create_task(self._die(away, orderly=orderly))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        return work

    async def _die(self, away: float, *, orderly: bool = False) -> None:
        """The process is gone for some seconds; what a statement had begun is rolled back, as SQLite does."""
        if not self.up.is_set():
            return
        self.up.clear()
        if orderly:
            with contextlib.suppress(Died, KisError):
                await self.life.ask(self.life.desk.drain())
            self.life.runs.end()
        await self.life.end()
        if self.connection.in_transaction:
            self.connection.rollback()
        await asyncio.sleep(away)
        self._live()

    # --- people -----------------------------------------------------------------------------------------------------

    async def _person(self, number: int) -> None:
        who = Actor(3001 + number, 3001 + number, f"매매{number}", Role.TRADER)
        rng = random.Random(f"{self.seed}:person {number}")
        while True:
            await asyncio.sleep(rng.expovariate(1 / 12))
            if not self.up.is_set() or abs((self.time() - MIDNIGHT).total_seconds()) < 15:
                continue
            with contextlib.suppress(Died, KisError, Killed):
                open_now = [one for one in self.life.journal.in_state(WORKING) if one.user_id == who.user_id]
                if len(open_now) < AT_ONCE:
                    await self._order(who, rng)
                elif rng.random() < 0.25:
                    pressed = self.life.desk.cancel_number(rng.choice(open_now).order_no, who)
                    await self.life.ask(self.life.desk.carry_out(pressed))

    async def _order(self, who: Actor, rng: random.Random) -> None:
        self._release()
        code, side = rng.choice(self.pool), rng.choice((Side.BUY, Side.BUY, Side.SELL))
        away = rng.choice((1, 2, 3)) * (-1 if side is Side.BUY else 1)
        price = step(self.exchange.issues[code].last, away)
        self._orders += 1
        # all of an order's terms together are its own, so that a lost one is found without asking anybody
        wish = OrderRequest(side, code, code, False, 30 + self._orders % 61, OrderKind.LIMIT, price)
        ticket = await self.life.ask(self.life.desk.propose(wish, who, self._orders))
        for _ in range(3):
            if not isinstance(ticket, Order):
                return
            pressed = self.life.desk.press(self._token(ticket.id), who)
            if pressed.verdict is not TapOutcome.AGAIN:
                await self.life.ask(self.life.desk.carry_out(pressed))
                return

    def _token(self, order_id: int) -> str:
        row = self.connection.execute(
            "SELECT data FROM outbox WHERE order_id = ? AND kind = 'card' AND json_extract(data, '$.confirm') IS NOT NULL "
            "ORDER BY id DESC LIMIT 1",
            [order_id],
        ).fetchone()
        return str(json.loads(row[0])["confirm"]) if row else ""

    def _release(self) -> None:
        """The owner resumes trading as soon as that is allowed."""
        if self.life.trading_halt.now().level is not HaltLevel.OFF:
            self.life.desk.resume(HaltLevel.OFF, OWNER)

    def _answer(self) -> None:
        """Somebody looks into the broker's own program and says which row a lost order is."""
        asked = self.connection.execute(
            "SELECT data FROM outbox WHERE kind IN ('ambiguous', 'manual') AND chat_id = ?", [OWNER_CHAT]
        ).fetchall()
        for (text,) in asked:
            data = json.loads(text)
            order = self.life.journal.get(data["order"])
            if order is None or order.state not in IN_DOUBT:
                continue
            mine = {one.number for one in self.exchange.orders if _same(one, order)}
            claimed = [token for number, _, _, token in data.get("claims", ()) if number in mine]
            if claimed or not mine:
                self.life.desk.press(claimed[0] if claimed else str(data["none"]), OWNER)

    async def _strange(self) -> None:
        """Somebody orders at the broker's own program."""
        rng = random.Random(f"{self.seed}:stranger")
        while True:
            await asyncio.sleep(rng.expovariate(1 / 45))
            code, side = rng.choice(self.pool), rng.choice(("buy", "sell"))
            price = step(self.exchange.issues[code].last, rng.choice((0, 1, 2)) * (-1 if side == "buy" else 1))
            with contextlib.suppress(OrderRejected):
                self.exchange.submit(side, code, OrderDivision.LIMIT, rng.randint(50, 90), price, channel=HTS_CHANNEL)

    async def _trade(self) -> None:
        """Others trade: bursts of small fills, several in a second at one price."""
        rng = random.Random(f"{self.seed}:market")
        while True:
            await asyncio.sleep(rng.expovariate(1 / TRADES_EVERY))
            resting = [order for order in self.exchange.open_orders() if order.price]
            if not resting:
                continue
            order = rng.choice(resting)
            for _ in range(rng.choice((1, 1, 2, 3, 5))):
                if order.open:
                    self.exchange.trade(
                        order.code, order.price, rng.choice((1, 1, 1, 2, 2, 3)) if rng.random() < SMALL else order.open
                    )
                    if rng.random() < 0.3:
                        await asyncio.sleep(rng.uniform(0.05, 1.5))

    # --- weather ----------------------------------------------------------------------------------------------------

    def all_fired(self) -> Counter[str]:
        """How often everything struck."""
        wide = Counter({f"notices of {self.fields} fields": self.sockets.delivered})
        return self.fired + self.wire.fired + self.sockets.fired + wide + Counter(midnight=1)

    def all_faults(self) -> list[str]:
        """Faults of the program itself."""
        expected = ("the broker's list contradicts the journal", "a notice could not be taken in (Died")
        return self.faults + [one for one in logged_errors() if not one.startswith(expected)]


def _same(booked: Booked, order: Order) -> bool:
    terms = (order.code, order.side.value, order.quantity, order.price)
    return booked.channel == API_CHANNEL and (booked.code, booked.side.value, booked.quantity, booked.price) == terms
