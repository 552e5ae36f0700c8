"""A stream connected to a served simulator, whose long pauses end when the test says so."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from random import Random
from unittest import mock

from kis.config import KisConfig
from kis.sim import Simulator
from kis.stream import KisStream
from tests.support.memory_socket import MemorySockets
from tests.support.memory_wire import MemoryWire
from tests.support.virtual_time import VirtualLoop
from tests.support.waiting import PATIENCE, until

SAMSUNG, HYNIX = "005930", "000660"
LONG = 0.1  # seconds; shorter pauses are spacing, not back-off


class Naps:
    """Sleeping that is written down, and lasts until it is let go; spacing takes no time."""

    def __init__(self):
        self.taken = []
        self.resting = asyncio.Event()
        self._wake = asyncio.Event()

    async def __call__(self, seconds):
        if seconds < LONG:
            await asyncio.sleep(0)
            return
        self.taken.append(seconds)
        self.resting.set()
        await self._wake.wait()
        self._wake.clear()

    async def over(self):
        """Lets a pause end once it has begun."""
        await asyncio.wait_for(self.resting.wait(), PATIENCE)
        self.resting.clear()
        self._wake.set()


def config_of(sim, url, tmp_path, **changes):
    environ = sim.environ(url)
    given = {
        "env": environ["KIS_ENV"],
        "app_key": environ["KIS_APP_KEY"],
        "app_secret": environ["KIS_APP_SECRET"],
        "account": environ["KIS_ACCOUNT"],
        "hts_id": environ["KIS_HTS_ID"],
        "rest_url": environ["KIS_REST_URL"],
        "ws_url": environ["KIS_WS_URL"],
        "min_interval": 0,
        "token_dir": tmp_path,
    }
    return KisConfig(**(given | changes))


class Harness:
    """A simulator, its address, and a stream to it."""

    def __init__(self, sim, url, stream, naps):
        self.sim, self.url, self.stream, self.naps = sim, url, stream, naps

    def trade(self, code=SAMSUNG, quantity=1):
        self.sim.exchange.trade(code, self.sim.exchange.quote(code).last, quantity)

    async def registered(self, count=1):
        """Waits until the simulator has so many registrations of one connection, and has said so."""
        sessions, told = self.sim.websocket.sessions, self.stream._registrations
        await until(lambda: any(len(one.topics) == count for one in sessions) and told.complete)

    async def heard(self, listener):
        return await asyncio.wait_for(anext(listener), PATIENCE)


async def nothing_from(listener, seconds=0.05):
    with contextlib.suppress(TimeoutError):
        raise AssertionError(await asyncio.wait_for(anext(listener), seconds))


@contextlib.asynccontextmanager
async def harness(tmp_path, clock, *, silence=5.0, in_session=lambda _: True, config=None, **options):
    """The stream's clock and the simulator's are the one handed in; in a loop in virtual time no socket is used."""
    sim = Simulator(**({"clock": clock, "rate_limit": False} | options))
    naps = Naps()
    async with contextlib.AsyncExitStack() as stack:
        transport = None
        if isinstance(asyncio.get_running_loop(), VirtualLoop):
            url, transport = "http://127.0.0.1:9", MemoryWire(sim, sleep=asyncio.sleep, clock=clock)
            sockets = MemorySockets(sim, Random(7), contextvars.copy_context, fields=26)
            stack.enter_context(mock.patch("kis.websocket.connect", sockets.connect))
        else:
            url = await stack.enter_async_context(sim.serve())
        stream = KisStream(
            config_of(sim, url, tmp_path, **(config or {})),
            clock=clock,
            sleep=naps,
            rng=Random(7),
            transport=transport,
            silence=silence,
            in_session=in_session,
        )
        async with stream:
            yield Harness(sim, url, stream, naps)
