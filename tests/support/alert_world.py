"""Alerts with a broker behind them, in virtual time: the real client, watch, table and answers; the simulator as KIS."""

import asyncio
import contextlib
import json
import random
import tempfile
from collections import Counter
from pathlib import Path

from sqlite_utils import Database

from bot.chat.handlers.alerts import AlertHandlers
from bot.chat.i18n.frame import Frame
from bot.chat.messages.alert_messages import alert_push
from bot.chat.types import Reply, Request
from bot.orders.access.roles import Actor, Role
from bot.orders.hours import TradingHours
from bot.services.alert_runner import AlertRunner
from bot.services.price_feed import PriceFeed
from bot.store.alerts import AlertStore
from bot.store.outbox import Outbox
from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import Env
from kis.sim import Simulator
from kis.symbols import Stock, Symbols
from tests.support.memory_wire import MemoryWire
from tests.support.outbox import OWNER, TRADER, empty_database
from tests.support.trade_source import HandTrades
from tests.support.virtual_time import MONDAY_MORNING, VirtualClock, run_virtual

PEOPLE = {OWNER: Actor(OWNER, OWNER, "김관리", Role.OWNER), TRADER: Actor(TRADER, TRADER, "이매매", Role.TRADER)}


class Harness:
    """One bot's alerts. `say` writes to it, `pushes` is what it rang for."""

    def __init__(self, clock: VirtualClock, home: Path, db: Database | None = None, **options) -> None:
        self.clock = clock
        self.home = home
        self.always = options.pop("always", False)
        self.holdings = options.pop("holdings", {})
        self.simulator = options.pop("simulator", None) or Simulator(
            clock=clock, profile="real", always_open=self.always, holdings=self.holdings, rate_limit=False, seed=1
        )
        self.exchange = self.simulator.exchange
        customer = self.simulator.credentials
        config = KisConfig(
            env=Env(self.simulator.env),
            app_key=customer.app_key,
            app_secret=customer.app_secret,
            account=customer.account,
            min_interval=0,
            rest_url="http://127.0.0.1:9",
            token_dir=home,
        )
        wire = MemoryWire(self.simulator, sleep=asyncio.sleep, clock=clock)
        self.client = KisClient(config, clock=clock, sleep=asyncio.sleep, rng=random.Random(1), transport=wire)
        self.db = empty_database() if db is None else db
        self.outbox = Outbox(self.db, clock)
        self.hours = TradingHours(always=self.always)
        self.book = AlertStore(self.db, self.outbox, clock)
        self.stream = HandTrades()
        self.watch = AlertRunner(
            self.book,
            PriceFeed(self.client, self.stream, clock=clock),  # type: ignore[arg-type]  # trades by hand
            self.client,
            self.hours,
            clock=clock,
            calls_per_minute=options.pop("per_minute", 20),
        )
        listed = [
            Stock(one.listing.code, one.listing.name, one.listing.market, one.listing.etf, one.listing.group, one.base, halted=False)
            for one in self.exchange.issues.values()
        ]  # fmt: skip
        self.frame = Frame(options.pop("lang", "ko"), "practice", "…78-01")
        self.view = AlertHandlers(
            self.watch, self.client, Symbols(listed), self.hours, self.frame, clock, options.pop("most", 30)
        )
        self._updates = 0

    async def say(self, words: str, person: int = TRADER, update: int | None = None) -> Reply:
        """/alert with these words."""
        self._updates += 1
        ask = Request(PEOPLE[person], words, self._updates if update is None else update, 1, self.clock())
        reply = await self.view.alert(ask)
        assert reply is not None
        return reply

    @property
    def pushes(self) -> list[str]:
        """The texts of what rang, in order."""
        rows = self.db.execute("SELECT data FROM outbox WHERE kind = 'alert' ORDER BY id").fetchall()
        return [alert_push(json.loads(data), self.frame).text for (data,) in rows]

    @property
    def asked(self) -> Counter:
        """How often KIS was asked for each stock."""
        prices = [one for one in self.simulator.requests if one.path.endswith("inquire-price")]
        return Counter(one.query["FID_INPUT_ISCD"] for one in prices)

    @contextlib.asynccontextmanager
    async def at_work(self):
        """The part of the bot that asks in turn."""
        work = asyncio.create_task(self.watch.run())
        try:
            yield self
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def in_harness(play, start=MONDAY_MORNING, **options):
    """Run a test's coroutine function over a harness of its own."""

    async def go(clock: VirtualClock):
        with tempfile.TemporaryDirectory() as home:
            harness = Harness(clock, Path(home), **options)
            async with harness.client:
                return await play(harness)

    return run_virtual(go, start)
