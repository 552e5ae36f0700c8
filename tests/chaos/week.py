"""A whole trading week in minutes: the whole bot, five people, a market, and the weather of both wires, in virtual time.

From Monday 08:00 to the next Monday 08:00. Both wires are in memory; bot, database, log and chats are the real ones.
Every hour it is measured what grows.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, time, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import structlog

from bot.app.application import BotApplication
from bot.config.logging import set_up_logs
from bot.config.settings import GivenSettings
from bot.demo.run import TOKEN
from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.access.roles import Role
from kis import krx
from kis.krx import KST, step
from kis.sim import Simulator
from kis.sim.exchange.orders import HTS_CHANNEL, OrderRejected
from kis.sim.faults.catalogue import ALWAYS
from tests.chaos.week_judge import Logged, Meter, Records, Week, broken, figures, lines
from tests.chaos.week_people import Guest, Town
from tests.chaos.world import tradable
from tests.support.memory_telegram import BASE, MemoryTelegram
from tests.support.memory_wire import MemoryNetwork, MemoryWire
from tests.support.stage import draw_at_once
from tests.support.virtual_time import VirtualClock, run_virtual

MONDAY = datetime(2026, 11, 16, 8, 0, tzinfo=KST)
HOURS, QUICK_HOURS = 7 * 24, 24
PEOPLE = (
    (ChatUser(1001, "김관리", "소유자"), Role.OWNER),
    (ChatUser(1002, "박관리", "관리자"), Role.ADMIN),
    (ChatUser(1003, "이매매", "매매자"), Role.TRADER),
    (ChatUser(1004, "최매매", "매매자"), Role.TRADER),
    (ChatUser(1005, "정조회", "조회 전용"), Role.VIEWER),
)
GROUP = -1009
STOCKS = 12
SETTINGS: dict[str, Any] = {
    "kisbot_approval_order": "1000000=1",
    "kisbot_day_orders_user": 0,
    "kisbot_day_value_user": 10**10,
    "kisbot_day_value_account": 10**11,
    "kisbot_group_chats": (GROUP,),
    "kisbot_group_fills": True,
    "kis_hts_id": "",
}
"""Nothing is listened to: a websocket needs a socket. People order more in a week than the daily limits allow."""
REMEMBERED = 300
"""Messages that the local Telegram keeps of each chat: its memory must not pass for the bot's."""
LATENCY = 0.03
MARKET_EVERY, OTHERS_EVERY, HTS_EVERY = 20.0, 45.0, 1_500.0
FAULT_EVERY = 420.0
SETTLED = 120.0
"""Seconds after an outage in which an answer may still be late."""
KIS_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("throttle", {}), ("html", {}), ("stale_token", {}), ("lose_reply", {}), ("lose_request", {}), ("garbage", {}),
    ("slow", {"seconds": 4.0}), ("mute", {}),
    ("lose_reply", {"path": "order-cash"}), ("late_booking", {"path": "order-cash", "seconds": 20.0}),
    ("no_order_no", {"path": "order-cash"}), ("lag", {"path": "inquire-daily-ccld", "seconds": 5.0}),
)  # fmt: skip
LINE_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("reset_on_accept", {}), ("black_hole", {}), ("cut_answer", {"at": 60}), ("delay", {"seconds": 3.0}),
)  # fmt: skip
TELEGRAM_AWAY = (
    ("connect", timedelta(hours=2, minutes=12), 180), ("down", timedelta(days=1, hours=5, minutes=30), 720),
    ("connect", timedelta(days=1, hours=14), 3_600), ("down", timedelta(days=3, hours=1, minutes=30), 60),
    ("connect", timedelta(days=4, hours=2), 300), ("connect", timedelta(days=4, hours=19), 14_400),
)  # fmt: skip
"""How Telegram is away, since when from the beginning, and for how many seconds."""
KIS_AWAY = (
    (timedelta(hours=18), 1_800),
    (timedelta(days=2, hours=2, minutes=30), 240),
    (timedelta(days=5, hours=20), 7_200),
)
"""Nights are for maintenance, and four minutes of Wednesday are not."""


Say = Callable[[str], object]


def _nothing(_: str) -> None:
    """Nobody listens."""


def played(
    hours: float, seed: int, *, begins: datetime = MONDAY, show: bool = False
) -> tuple[list[str], list[str], dict[str, Any]]:
    """Play it in a process of its own, whose memory nothing else fills: what to say, what is broken, the figures."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_play, hours, seed, begins, show).result()


def _play(hours: float, seed: int, begins: datetime, show: bool) -> tuple[list[str], list[str], dict[str, Any]]:
    week = run(hours, seed, begins=begins, say=lambda line: sys.stderr.write(f"{line}\n") if show else None)
    return lines(week), broken(week), figures(week)


def run(
    hours: float, seed: int = 1, *, begins: datetime = MONDAY, log: Path | None = None, say: Say = _nothing
) -> Week:
    """Play it, and return what was measured and what is to be judged. It takes over the log of the process."""
    with tempfile.TemporaryDirectory(prefix="kisbot-week-") as home:
        file = log or Path(home) / "kisbot.log"
        return run_virtual(lambda clock: _week(clock, Path(home), hours, seed, file, say), begins)


async def _week(clock: VirtualClock, home: Path, hours: float, seed: int, log: Path, say: Say) -> Week:
    with _logging(clock, log) as logged:
        town = _Town(clock, home, seed)
        async with town.app.running():
            await asyncio.sleep(SETTLED)
            meter = Meter(town.app, town.settings.database, town.wire, clock, log, say)
            meter.take(0)
            life = [asyncio.create_task(one) for one in town.life()]
            for left in range(ceil(hours)):
                await asyncio.sleep(3_600 * min(1.0, hours - left))
                meter.take(len(town.broker.exchange.orders))
            for one in life:
                one.cancel()
            gone = await asyncio.gather(*life, return_exceptions=True)
            await asyncio.sleep(SETTLED)
            meter.take(len(town.broker.exchange.orders))
            records = Records.of(town.app, town.broker.exchange, town.telegram.unread)
        died = [repr(one) for one in gone if isinstance(one, Exception)]
        records.verify_audit(home)
        return Week(meter.samples, logged, records, town.people, [*died, *_fault(town.app)])


def _fault(app: BotApplication) -> list[str]:
    return [f"a part of the bot died: {app.fault.result()!r}"] if app.fault.done() else []


class _Town:
    """Everything there is."""

    def __init__(self, clock: VirtualClock, home: Path, seed: int) -> None:
        self.clock = clock
        self.chance = random.Random(f"{seed}:weather")
        self.codes = self.chance.sample(tradable(), STOCKS)
        owned = dict.fromkeys(self.codes[::2], (100, 50_000))
        self.broker = Simulator(
            profile="real", seed=seed, clock=clock, always_open=False, cash=100_000_000, holdings=owned
        )
        exchange = self.broker.exchange
        self.telegram = LocalTelegram(
            token=TOKEN, people=[one for one, _ in PEOPLE], clock=clock, max_messages=REMEMBERED
        )
        records = {"message_id": 1, "date": int(clock().timestamp()), "from": PEOPLE[0][0].user, "text": "안녕"}
        self.telegram.inject({"message": {**records, "chat": {"id": GROUP, "type": "group", "title": "모임"}}})
        self.post = MemoryTelegram(self.telegram, latency=LATENCY)
        self.wire = MemoryWire(self.broker, sleep=asyncio.sleep, clock=clock, latency=LATENCY)
        values: dict[str, Any] = {name.lower(): value for name, value in self.broker.environ(BASE).items()}
        values |= {
            "telegram_bot_token": TOKEN,
            "telegram_api_base": f"{BASE}/bot",
            "kisbot_owner_id": str(PEOPLE[0][0].id),
            "kisbot_data_dir": home,
            **SETTINGS,
        }
        self.settings = GivenSettings(**values)
        network = MemoryNetwork(self.wire, self.post)
        self.app = BotApplication(self.settings, clock=clock, ticks=clock.seconds, network=network)
        draw_at_once(self.app.parts.charts)
        self.app.storage.db.execute("PRAGMA synchronous=OFF")  # nobody is killed here
        for person, role in PEOPLE:
            self.app.storage.people.put(person.id, person.name, role)
        self._well_since = clock()
        self._away = False
        self.people = Town(self.telegram, exchange, clock, self._excused, self.codes)
        self.guests = [Guest(self.people, person, role, f"{seed}:{person.id}") for person, role in PEOPLE]

    def life(self) -> list[Any]:
        """Everything that goes on: each runs until it is cancelled."""
        return [
            self._market(),
            self._others(),
            self._hts(),
            self._faults(),
            self._telegram_away(),
            self._kis_away(),
            *(self._days(guest) for guest in self.guests),
        ]

    def _in_session(self) -> bool:
        return krx.session_at(self.clock()) is krx.MarketSession.REGULAR

    async def _session(self) -> None:
        """Wait until the exchange trades."""
        while not self._in_session():  # noqa: ASYNC110  # the exchange has no such event
            await asyncio.sleep(30)

    async def _days(self, guest: Guest) -> None:
        while True:
            if krx.is_trading_day(self.clock().date()):
                await guest.day()
            now = self.clock()
            await asyncio.sleep((datetime.combine(now.date() + timedelta(days=1), time(8), KST) - now).total_seconds())

    async def _market(self) -> None:
        """Prices move: a second of trading, every twenty seconds."""
        while True:
            await self._session()
            self.broker.exchange.step()
            await asyncio.sleep(MARKET_EVERY)

    async def _others(self) -> None:
        """Now and then an order of ours is reached, whole or in part."""
        exchange = self.broker.exchange
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / OTHERS_EVERY))
            await self._session()
            resting = [one for one in exchange.open_orders() if one.price]
            if resting:
                one = self.chance.choice(resting)
                exchange.trade(one.code, one.price, self.chance.randint(1, one.open))

    async def _hts(self) -> None:
        """Somebody keys in orders at the broker's own program."""
        exchange = self.broker.exchange
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / HTS_EVERY))
            await self._session()
            code = self.chance.choice(self.codes)
            price = self.chance.choice((0, step(exchange.issues[code].last, -2)))
            with contextlib.suppress(OrderRejected):
                kind = "limit" if price else "market"
                exchange.submit("buy", code, kind, self.chance.randint(1, 5), price, channel=HTS_CHANNEL)

    # --- weather ------------------------------------------------------------------------------------------------------

    async def _faults(self) -> None:
        """KIS fails now and then, and so does Telegram; what nobody met does not wait for the next morning."""
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / FAULT_EVERY))
            if self._away:
                continue
            self.telegram.faults.clear()
            self.broker.faults.clear()
            if self.chance.random() < 0.2:
                self.telegram.faults.plant(self.chance.choice(("flood", "lose_reply", "refuse")), method="sendMessage")
                self._well_since = self.clock()
            elif self.chance.random() < 0.3:
                name, how = self.chance.choice(LINE_FAULTS)
                self.wire.plant(name, **how)
            else:
                name, how = self.chance.choice(KIS_FAULTS)
                self.broker.faults.plant(name, **how)

    async def _telegram_away(self) -> None:
        for how, since, seconds in TELEGRAM_AWAY:
            await asyncio.sleep(max(0.0, (MONDAY + since - self.clock()).total_seconds()))
            self._away = True
            self.post.away = how == "connect"
            if how == "down":
                self.telegram.faults.plant("down")
            await asyncio.sleep(seconds)
            self.post.away = self._away = False
            self.telegram.faults.clear()
            self._well_since = self.clock()

    async def _kis_away(self) -> None:
        for since, seconds in KIS_AWAY:
            await asyncio.sleep(max(0.0, (MONDAY + since - self.clock()).total_seconds()))
            self.wire.plant("refuse", times=ALWAYS)
            await asyncio.sleep(seconds)
            self.wire.clear()

    def _excused(self) -> bool:
        return self._away or self.clock() - self._well_since < timedelta(seconds=SETTLED)


@contextlib.contextmanager
def _logging(clock: VirtualClock, file: Path) -> Iterator[Logged]:
    """The bot's own log, in a file and by the clock of its world, and counted; afterwards all is as it was."""
    usual, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logged = Logged(clock)
    with file.open("w", encoding="utf-8") as stream:
        with contextlib.redirect_stderr(stream):
            set_up_logs(clock=clock)
        root.addHandler(logged)
        try:
            yield logged
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.configure(**usual)
