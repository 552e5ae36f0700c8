"""The stage of `bot.demo.run` without sockets: broker, Telegram and bot as they are, both wires in memory.

In a test marked `virtual_time` nobody waits: the loop moves its clock to the next timer. Without the mark the same
stage runs in real time.
"""

import asyncio
import contextlib
import contextvars
import itertools
import random
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

from bot.app.application import BotApplication
from bot.charts.renderer import ChartRenderer
from bot.config.settings import GivenSettings, Settings
from bot.demo.run import HOLDINGS, OWNER, STRANGER, TOKEN, TRADER, Stage
from bot.demo.run import stage as served
from bot.demo.telegram import LocalTelegram
from bot.orders.access.roles import Role
from kis.sim import Simulator
from tests.support import virtual_time
from tests.support.memory_socket import MemorySockets
from tests.support.memory_telegram import BASE, MemoryTelegram
from tests.support.memory_wire import MemoryNetwork, MemoryWire
from tests.support.waiting import until

PEOPLE = ((OWNER, Role.OWNER), (TRADER, Role.TRADER))
LATENCY = 0.005
"""Seconds a request takes, either way."""
_ports = itertools.count(10_001)
"""Brokers' ports, where nobody listens: to the client, as on sockets, each is a broker of its own."""


@dataclass
class MemoryStage(Stage):
    """The stage, and what the bot was made of."""

    settings: Settings
    clock: Callable[[], datetime]
    network: httpx.AsyncBaseTransport
    sockets: MemorySockets


@contextlib.asynccontextmanager
async def stage(
    *,
    clock: Callable[[], datetime] = virtual_time.now,
    ticks: Callable[[], float] = virtual_time.ticks,
    lang: str = "ko",
    data_dir: Path | None = None,
    broker: Simulator | None = None,
    telegram: LocalTelegram | None = None,
    kis_port: int = 0,
    seed: int = 1,
    **settings: Any,
) -> AsyncIterator[MemoryStage]:
    """Broker, Telegram and bot, up and connected, as `bot.demo.run.stage` makes them."""
    broker = broker or Simulator(profile="real", seed=seed, holdings=HOLDINGS, clock=clock)
    telegram = telegram or LocalTelegram(token=TOKEN, people=(OWNER, TRADER, STRANGER), clock=clock)
    with contextlib.ExitStack() as stack:
        home = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kisbot-stage-")))
        sockets = MemorySockets(broker, random.Random(seed), contextvars.copy_context, fields=26)
        stack.enter_context(mock.patch("kis.websocket.connect", sockets.connect))
        wire = MemoryWire(broker, sleep=asyncio.sleep, clock=clock, latency=LATENCY)
        kis_port = kis_port or next(_ports)
        environ = broker.environ(f"http://127.0.0.1:{kis_port}")
        values: dict[str, Any] = {name.lower(): value for name, value in environ.items()}
        values |= {
            "telegram_bot_token": TOKEN,
            "telegram_api_base": f"{BASE}/bot",
            "kisbot_owner_id": str(OWNER.id),
            "kisbot_data_dir": home,
            "kisbot_lang": lang,
            **settings,
        }
        network = MemoryNetwork(wire, MemoryTelegram(telegram, latency=LATENCY))
        given = GivenSettings(**values)
        app = BotApplication(given, clock=clock, ticks=ticks, network=network)
        app.storage.db.execute("PRAGMA synchronous=OFF")  # nobody is killed here
        draw_at_once(app.parts.charts)
        for person, role in PEOPLE:
            app.storage.people.put(person.id, person.name, role)
        async with app.running():
            yield MemoryStage(broker, telegram, app, BASE, kis_port, given, clock, network, sockets)


@contextlib.asynccontextmanager
async def stage_on_sockets(**options: Any) -> AsyncIterator[Stage]:
    """The demo's own stage, over HTTP and in real time, as soon as the table of stocks has arrived."""
    async with served(**options) as on:
        await until(lambda: len(on.app.parts.symbols))
        yield on


def draw_at_once(charts: ChartRenderer) -> ChartRenderer:
    """The same program draws, run to its end: a loop in virtual time does not hear of a child process's end."""

    async def drawn(asked: bytes) -> bytes | None:
        try:
            done = subprocess.run(  # noqa: ASYNC221
                charts._command, input=asked, capture_output=True, check=False, timeout=charts._timeout
            )
        except subprocess.TimeoutExpired:
            return None
        return done.stdout if done.returncode == 0 else None

    charts._drawn = drawn  # type: ignore[method-assign]
    return charts
