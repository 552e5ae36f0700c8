"""Watch lists with a broker behind them, in virtual time: the real client, part, tables and words; the simulator as KIS."""

import asyncio
import contextlib
import random
import tempfile
from collections import defaultdict
from pathlib import Path

from bot.chat.handlers.watchlist import WatchlistHandlers
from bot.chat.i18n.frame import Frame
from bot.chat.messages.watchlist_messages import watchlist_push
from bot.chat.types import Button, CallbackAnswer, Reply, Request, outgoing, reply_key
from bot.orders.access.roles import Actor, Role
from bot.orders.hours import TradingHours
from bot.services.live_watchlists import LiveWatchlists
from bot.services.price_feed import PriceFeed
from bot.store.audit.log import AuditLog
from bot.store.live_message import LiveMessages
from bot.store.outbox import Outbox
from bot.store.watchlist import WatchlistStore
from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import Env
from kis.sim import Simulator
from kis.symbols import Stock, Symbols
from tests.support.members import members
from tests.support.memory_wire import MemoryWire
from tests.support.outbox import OWNER, TRADER, empty_database
from tests.support.trade_source import HandTrades
from tests.support.trade_source import trade as hand_trade
from tests.support.virtual_time import MONDAY_MORNING, VirtualClock, run_virtual

SAMSUNG, HYNIX, KAKAO = "005930", "000660", "035720"
HELD = {KAKAO: (20, 61_250)}


class Harness:
    """One bot's watch lists. `say` and `tap` are what people do, `chats` what they see."""

    def __init__(self, clock: VirtualClock, home: Path, db=None, simulator=None, **options):
        self.clock = clock
        self.home = home
        self.options = options
        always = options.get("always", True)
        self.simulator = simulator or Simulator(
            clock=clock,
            profile="real",
            always_open=always,
            holdings=options.get("holdings", HELD),
            rate_limit=False,
            seed=1,
        )
        self.exchange = self.simulator.exchange
        customer = self.simulator.credentials
        config = KisConfig(
            env=Env(self.simulator.env),
            app_key=customer.app_key,
            app_secret=customer.app_secret,
            account=customer.account,
            min_interval=options.get("interval", 0.06),
            rest_url="http://127.0.0.1:9",
            token_dir=home,
        )
        self.wire = MemoryWire(self.simulator, sleep=asyncio.sleep, clock=clock, latency=0.05)
        self.client = KisClient(config, clock=clock, sleep=asyncio.sleep, rng=random.Random(1), transport=self.wire)
        self.db = empty_database() if db is None else db
        self.outbox = Outbox(self.db, clock)
        self.book = WatchlistStore(self.db)
        self.live_messages = LiveMessages(self.db, self.outbox, clock)
        self.people = members(self.db, AuditLog(self.db, clock), clock)
        self.stream = HandTrades()
        self.lists = LiveWatchlists(
            self.book,
            self.live_messages,
            PriceFeed(self.client, self.stream, clock=clock),  # type: ignore[arg-type]  # trades by hand
            self.client,
            TradingHours(always=always),
            self.people,
            clock=clock,
            calls_per_minute=options.get("per_minute", 60),
        )
        self.prices = self.lists._prices
        listed = [
            Stock(one.listing.code, one.listing.name, one.listing.market, one.listing.etf, one.listing.group, one.base, halted=False)
            for one in self.exchange.issues.values()
        ]  # fmt: skip
        self.frame = Frame(options.get("lang", "ko"), "practice", "…78-01")
        self.view = WatchlistHandlers(self.lists, Symbols(listed), self.frame, self.outbox.put)
        self.chats: dict[int, dict[int, Reply]] = defaultdict(dict)
        """By person and message, as it stands."""
        self.edits: list[tuple[float, int, int]] = []
        """When, whose and which message was changed."""
        self._updates = self._messages = 0

    async def say(self, words: str = "", person: int = TRADER) -> int:
        """/watch with these words; the message that answers."""
        self._updates += 1
        reply = await self.view.watch(self._ask(words, person, 0))
        self.outbox.put("reply", person, outgoing(reply), reply_key(self._updates))
        self.deliver(person)
        return self.live_messages.message_of(reply_key(self._updates))

    async def tap(self, message: int, data: str, person: int = TRADER) -> CallbackAnswer:
        """Press a button of a message."""
        self._updates += 1
        assert data in self.buttons(message, person)
        toast = await self.view.tap(data.removeprefix("w:"), self._ask("", person, message))
        self.deliver(person)
        return toast

    def _ask(self, words, person, message):
        role = Role.OWNER if person == OWNER else Role.TRADER
        return Request(Actor(person, person, "누구", role), words, self._updates, message, self.clock())

    def deliver(self, person: int = TRADER):
        """Telegram takes all that waits for a chat."""
        while (letter := self.outbox.next(person)) is not None:
            self.outbox.sending(letter)
            if letter.kind == "reply":
                self._messages += 1
                shown, message = Reply(letter.data["text"], _keys(letter)), self._messages
            else:
                message = letter.data["message_id"]
                shown = (
                    watchlist_push(letter.data, self.frame)
                    if letter.kind == "look"
                    else Reply(letter.data["text"], _keys(letter))
                )
                assert shown != self.chats[person][message], "Telegram is asked for no change that is none"
                self.edits.append((self.clock.seconds(), person, message))
            self.chats[person][message] = shown
            self.outbox.sent(letter, message)

    def text(self, message: int, person: int = TRADER) -> str:
        return self.chats[person][message].text

    def buttons(self, message: int, person: int = TRADER) -> list[str]:
        return [key.data for row in self.chats[person][message].buttons for key in row]

    @property
    def asked(self) -> list[str]:
        """The stocks KIS was asked for, in order."""
        prices = [one for one in self.simulator.requests if one.path.endswith("inquire-price")]
        return [one.query["FID_INPUT_ISCD"] for one in prices]

    def move(self, code: str = SAMSUNG) -> int:
        """The market moves by a tick; the new price."""
        issue = self.exchange.quote(code)
        self.exchange.set_price(code, issue.step(issue.last, 1))
        return issue.last

    def again(self) -> "Harness":
        """A new start on the same disk, before the same broker and chats."""
        new = Harness(self.clock, self.home, self.db, self.simulator, **self.options)
        new.chats, new.edits, new._updates, new._messages = self.chats, self.edits, self._updates, self._messages
        return new

    @contextlib.asynccontextmanager
    async def at_work(self):
        """The part runs, and Telegram takes what it writes."""

        async def post():
            while True:
                await asyncio.sleep(0.1)
                for person in list(self.chats):
                    self.deliver(person)

        work = [asyncio.create_task(one) for one in (self.lists.run(), post())]
        try:
            yield self
        finally:
            for one in work:
                one.cancel()
            await asyncio.gather(*work, return_exceptions=True)


def _keys(letter):
    return tuple(tuple(Button(*one) for one in row) for row in letter.data["keys"])


def in_harness(play, start=MONDAY_MORNING, **options):
    """Run a test's coroutine function over a harness of its own."""

    async def go(clock: VirtualClock):
        with tempfile.TemporaryDirectory() as home:
            harness = Harness(clock, Path(home), **options)
            async with harness.client:
                return await play(harness)

    return run_virtual(go, start)


def trade(harness, code, price, volume=1_000):
    return hand_trade(code, price, harness.clock(), volume)
