"""What befalls a night of fills: the list goes, freezes or lies, sockets break and stall, clocks are set, the bot dies."""

import asyncio
import contextlib
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kis.endpoints import Env
from kis.frames import subscription
from kis.krx import KST
from kis.sim.websocket.frames import NOTICES
from tests.chaos.fills_wire import CALM as CALM_LIST
from tests.chaos.fills_wire import Mood
from tests.support.memory_socket import CALM as CALM_FRAMES
from tests.support.memory_socket import Weather

if TYPE_CHECKING:
    from tests.chaos.fills_world import FillsWorld

MIDNIGHT = datetime(2026, 11, 24, tzinfo=KST)
NEAR_MIDNIGHT = 160
WEATHER_EVERY = 5.0
ROUGH = Mood(failing=0.08, slow=0.06, stale=0.10, page=0.05, order=0.15)
STORMY = Weather(lost=0.10, repeated=0.08, late=0.08, batched=0.10, spoilt=0.01)


class Storms:
    """The weather of a night, and the world that it befalls."""

    def __init__(self, world: "FillsWorld") -> None:
        self.world = world

    async def storm(self) -> None:
        rng = random.Random(f"{self.world.seed}:weather")
        befalls = {
            self._list_away: 5, self._list_frozen: 5, self._killed: 4, self._killed_while_taking_in: 4, self._stopped: 2,
            self._asleep: 3, self._socket_cut: 4, self._socket_stalled: 4, self._second_login: 4, self._sockets_down: 4,
            self._clock_set: 3, self._calm: 4,
        }  # fmt: skip
        if not self.world.deaths:
            for death in (self._killed, self._killed_while_taking_in, self._stopped):
                del befalls[death]
        lasting = {self._socket_stalled, self._second_login, self._sockets_down}
        while True:
            rough = rng.random() < 0.7
            self.world.wire.mood, self.world.sockets.weather = (ROUGH, STORMY) if rough else (CALM_LIST, CALM_FRAMES)
            await asyncio.sleep(rng.expovariate(1 / WEATHER_EVERY))
            (what,) = rng.choices(list(befalls), list(befalls.values()))
            if what in lasting:
                self.world.around.append(asyncio.create_task(what(rng)))
            else:
                await what(rng)

    async def _calm(self, rng: random.Random) -> None:
        self.world.wire.mood, self.world.sockets.weather = CALM_LIST, CALM_FRAMES
        await asyncio.sleep(rng.uniform(5, 30))

    async def _list_away(self, rng: random.Random) -> None:
        self.world.fired["broker away"] += 1
        self.world.wire.away = True
        await asyncio.sleep(rng.choice((rng.uniform(2, 16), rng.uniform(16, 24), rng.uniform(24, 70))))
        self.world.wire.away = False

    async def _list_frozen(self, rng: random.Random) -> None:
        self.world.fired["list lags"] += 1
        self.world.wire.frozen = asyncio.get_running_loop().time()
        await asyncio.sleep(rng.uniform(2, 22))
        self.world.wire.frozen = None

    async def _killed(self, rng: random.Random) -> None:
        self.world.fired["killed"] += 1
        await asyncio.shield(
            self.world.dies(rng.choice((rng.uniform(0.5, 5), rng.uniform(14, 22), rng.uniform(22, 60))))
        )

    async def _killed_while_taking_in(self, rng: random.Random) -> None:
        """At some statement of the next reading that is taken in."""
        if self.world.up.is_set():
            self.world.fired["killed while taking in"] += 1
            self.world.life.dies_after = rng.choice((rng.randrange(12), rng.randrange(80)))
            await asyncio.sleep(4)

    async def _stopped(self, rng: random.Random) -> None:
        self.world.fired["stopped and started"] += 1
        await asyncio.shield(self.world.dies(rng.choice((2.0, rng.uniform(15, 40))), orderly=True))

    async def _asleep(self, rng: random.Random) -> None:
        self.world.fired["machine asleep"] += 1
        self.world.skip(rng.uniform(10, 60))

    async def _clock_set(self, rng: random.Random) -> None:
        """The clock is minutes off for a while; never over midnight, when the days of bot and broker would differ."""
        if abs((self.world.time() - MIDNIGHT).total_seconds()) > NEAR_MIDNIGHT:
            self.world.fired["clock set"] += 1
            self.world.clock.ahead = timedelta(seconds=rng.uniform(-120, 120))
            await asyncio.sleep(rng.uniform(3, 20))
            self.world.clock.ahead = timedelta()

    async def _socket_cut(self, rng: random.Random) -> None:
        del rng
        if self.world.sockets.open:
            self.world.fired["socket cut"] += 1
            self.world.sockets.open[-1].cut()

    async def _socket_stalled(self, rng: random.Random) -> None:
        if self.world.sockets.open:
            self.world.fired["socket stalled"] += 1
            self.world.sockets.open[-1].stalled = True
            await asyncio.sleep(rng.uniform(20, 100))

    async def _sockets_down(self, rng: random.Random) -> None:
        self.world.fired["socket refused"] += 1
        self.world.sockets.down = True
        if self.world.sockets.open:
            self.world.sockets.open[-1].cut()
        await asyncio.sleep(rng.uniform(5, 40))
        self.world.sockets.down = False

    async def _second_login(self, rng: random.Random) -> None:
        """Another program takes the app key's only session."""
        self.world.fired["second login"] += 1
        customer = self.world.simulator.credentials
        answer = self.world.simulator.oauth.approval({"appkey": customer.app_key, "secretkey": customer.app_secret})
        for one in list(self.world.sockets.open):
            one.cut()
        with contextlib.suppress(OSError):
            await self._hold_session(str(answer.body["approval_key"]), rng.uniform(10, 90))

    async def _hold_session(self, approval_key: str, seconds: float) -> None:
        async with self.world.sockets.connect() as guest:
            guest.strange = True
            tr_id = NOTICES[self.world.config.env is Env.PAPER]
            await guest.send(subscription(approval_key, tr_id, self.world.config.hts_id, register=True))
            await asyncio.sleep(seconds)
