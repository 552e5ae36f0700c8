"""One seed's world: a broker in virtual time, a market that trades, strangers, and people who want something of a policy."""

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Literal, Protocol

from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import Env
from kis.sim import Simulator
from kis.sim.exchange.orders import HTS_CHANNEL, OrderRejected
from tests.chaos.mix import Chance
from tests.chaos.verdict import End
from tests.chaos.wire import WISH, ChaosWire, OrderObserver, Trail
from tests.chaos.wishes import STOCKS, Wish, wishes
from tests.support.virtual_time import VirtualClock

RICH = 10**13
PLENTY = 10**6
PAPER = 0.2
"""How many worlds are paper accounts, whose lists come in pages of fifteen rows."""
TRADES_EVERY = 6.0
"""Seconds between trades of others that reach orders of ours."""
AFTERWARDS = 45.0
"""Seconds of quiet after the last late booking has shown."""
KINDS_OF_MARKET = 4
"""Seeds of prices. They are none of what is under test, and a new past takes longer to draw than an order to send."""


class Policy(Protocol):
    """Whoever sends orders for people."""

    async def begin(self) -> None:
        """Get ready, before anybody asks for anything."""

    async def order(self, wish: Wish) -> None:
        """Bring a wish to the broker; returns when its person has been told something."""

    async def cancel(self, wish: Wish) -> None:
        """Take it back."""

    async def revise(self, wish: Wish) -> None:
        """Change its price."""

    async def kill(self) -> None:
        """Die at once and start again, with nothing but what is on disk."""

    async def settle(self) -> None:
        """The faults are over: bring everything to an end."""

    def end(self, wish: Wish) -> End | None:
        """What its person was told; None if it never came to a tap."""


class World:
    """The broker and everybody around it but the policy."""

    def __init__(self, seed: str, rate: float, clock: VirtualClock, home: Path, count: int) -> None:
        self.seed = seed
        self.clock = clock
        self.trail = Trail()
        self.home = home
        chance = random.Random(f"{seed}:world")
        profile: Literal["paper", "real"] = "paper" if chance.random() < PAPER else "real"
        pool = chance.sample(tradable(), STOCKS)
        self.simulator = Simulator(
            profile=profile,
            seed=chance.randrange(KINDS_OF_MARKET),
            clock=clock,
            cash=RICH,
            holdings=dict.fromkeys(pool, (PLENTY, 10_000)),
            rate_limit=False,
        )
        self.exchange = self.simulator.exchange
        self.observer = OrderObserver(self.simulator, self.trail)
        self.wire = ChaosWire(self.simulator, Chance(seed, rate), self.trail, clock=clock)
        self.people = wishes(self.exchange, pool, count, seed)
        self.wishes = sorted((one for by_one in self.people for one in by_one), key=lambda one: one.number)
        self._market = random.Random(f"{seed}:market")

    def client(self) -> KisClient:
        """A client of the only customer, as a new process would make it."""
        customer = self.simulator.credentials
        config = KisConfig(
            env=Env(self.simulator.env),
            app_key=customer.app_key,
            app_secret=customer.app_secret,
            account=customer.account,
            min_interval=0,
            rest_url="http://127.0.0.1:9",
            token_dir=self.home,
        )
        rng = random.Random(f"{self.seed}:client")
        return KisClient(config, clock=self.clock, sleep=asyncio.sleep, rng=rng, transport=self.wire)

    async def play(self, policy: Policy) -> None:
        """From the first wish to the last word."""
        await policy.begin()
        market = asyncio.create_task(self._trade())
        await asyncio.gather(*(self._person(policy, by_one) for by_one in self.people))
        market.cancel()
        self.wire.healed = True
        await self._calm()
        await policy.settle()

    async def _calm(self) -> None:
        """Everything that rests is filled, and whatever is late comes to light."""
        while self.wire.at_work:  # noqa: ASYNC110  # virtual time costs nothing
            await asyncio.sleep(1)
        for order in self.exchange.open_orders():
            self.exchange.trade(order.code, order.price, order.open)
        last = max((order.visible_at for order in self.exchange.orders), default=self.clock())
        late = (last - self.clock()).total_seconds()
        await asyncio.sleep(max(0.0, late) + AFTERWARDS)

    async def _person(self, policy: Policy, own: list[Wish]) -> None:
        later = []
        for wish in own:
            await asyncio.sleep(wish.rest)
            WISH.set(wish.name)
            around = [asyncio.create_task(one) for one in self._around(policy, wish)]
            await policy.order(wish)
            later += around
            if wish.cancel is not None:
                later.append(asyncio.create_task(_after(wish.cancel, policy.cancel, wish, "cancel")))
            if wish.revise is not None:
                later.append(asyncio.create_task(_after(wish.revise, policy.revise, wish, "revise")))
        await asyncio.gather(*later)

    def _around(self, policy: Policy, wish: Wish) -> Iterator[Coroutine[None, None, None]]:
        if wish.twin is not None:
            yield self._stranger(wish, max(0.0, wish.think + wish.twin))
        if wish.killed is not None:
            yield _killed(policy, wish.think + wish.killed)

    async def _stranger(self, wish: Wish, seconds: float) -> None:
        """Somebody keys in the very same order at the broker's own program."""
        await asyncio.sleep(seconds)
        WISH.set("")
        try:
            self.exchange.submit(wish.side, wish.code, wish.kind, wish.quantity, wish.price, channel=HTS_CHANNEL)
        except OrderRejected:
            return

    async def _trade(self) -> None:
        """Others trade: now and then an order of ours is reached, whole or in part."""
        rng = self._market
        while True:
            await asyncio.sleep(rng.expovariate(1 / TRADES_EVERY))
            resting = [order for order in self.exchange.open_orders() if order.price]
            if not resting:
                continue
            order = rng.choice(resting)
            self.exchange.trade(order.code, order.price, rng.choice((1, order.open, order.open)))


async def _after(seconds: float, act: Callable[[Wish], Awaitable[None]], wish: Wish, what: str) -> None:
    await asyncio.sleep(seconds)
    WISH.set(f"{what} {wish.number}")
    await act(wish)


async def _killed(policy: Policy, seconds: float) -> None:
    await asyncio.sleep(seconds)
    WISH.set("")
    await policy.kill()


_POOL: list[str] = []


def tradable() -> list[str]:
    """Shares that trade, no funds."""
    if not _POOL:
        issues = Simulator().exchange.issues
        _POOL.extend(code for code, issue in issues.items() if not issue.halted and not issue.listing.etf)
    return _POOL[:40]


def home_of(seed: str) -> tempfile.TemporaryDirectory:
    """A folder for the token file."""
    return tempfile.TemporaryDirectory(prefix=f"kisbot-chaos-{seed.replace(':', '-')}-")
