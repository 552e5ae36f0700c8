"""The way to the broker, on which every request may meet a fault; and the observer that sees what the broker really booked.

The observer knows which wish a request was sent for, because whoever sends it says so in a context variable that nothing
under test ever looks at.
"""

import asyncio
import contextvars
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx

from kis.sim import Simulator
from kis.sim.exchange.orders import API_CHANNEL, Action, BookedOrder, OrderUpdate, UpdateKind
from tests.chaos.mix import CONNECT, LATE, LATE_NAME, ORDER_PATHS, Chance, Fault, Plant
from tests.support.memory_wire import MemoryWire

WISH: contextvars.ContextVar[str] = contextvars.ContextVar("wish", default="")
"""Whose order is being sent."""
WAY = 0.03
"""Seconds a request takes to the broker."""


@dataclass(frozen=True)
class Post:
    """One POST of an order as it left: whose, what befell it, and whether it may be followed by another."""

    wish: str
    path: str
    tr_id: str
    body: bytes
    at: float
    fault: Fault | None


class Trail:
    """Everything that happened, in its order, as one hash: two runs of a seed must give the same."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.events = 0

    def note(self, at: float, *what: object) -> None:
        self._hash.update(f"{at:.6f}|{'|'.join(map(str, what))}\n".encode())
        self.events += 1

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


class OrderObserver:
    """Sees every order come to the broker, and for whom it was sent."""

    def __init__(self, simulator: Simulator, trail: Trail) -> None:
        self._trail = trail
        self._rows: dict[str, list[BookedOrder]] = {}
        self._owner: dict[BookedOrder, str] = {}
        simulator.exchange.set_listener(self)

    def on_order_update(self, update: OrderUpdate) -> None:
        """The exchange says what became of an order."""
        if update.kind is not UpdateKind.RECEIVED:
            return
        order, wish = update.order, WISH.get()
        self._owner[order] = wish
        self._rows.setdefault(wish, []).append(order)
        self._trail.note(_now(), "booked", order.number, wish, order.action)

    def on_price(self, issue: object, price: int, quantity: int) -> None:
        """Prices are no news here."""

    def rows(self, wish: str, action: Action = Action.NEW) -> list[BookedOrder]:
        """What the broker booked for a wish over the API."""
        return [row for row in self._rows.get(wish, ()) if row.action is action and row.channel == API_CHANNEL]

    def owner(self, order: BookedOrder) -> str:
        """Whose wish a row of the ledger is; "" for a stranger's."""
        return self._owner.get(order, "") if order.channel == API_CHANNEL else ""


class ChaosWire(httpx.AsyncBaseTransport):
    """In front of the simulated broker: draws what befalls a request, and counts."""

    def __init__(self, simulator: Simulator, chance: Chance, trail: Trail, *, clock: Callable[[], datetime]) -> None:
        self._simulator = simulator
        self._chance = chance
        self._trail = trail
        self._inner = MemoryWire(simulator, sleep=asyncio.sleep, clock=clock)
        self._tries: Counter[str] = Counter()
        self._at_work: set[asyncio.Task[httpx.Response]] = set()
        self._way = WAY
        self.healed = False
        self.fired: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        """Questions by the end of their path."""
        self.posts: list[Post] = []
        self.before_post: Callable[[Post], None] = lambda _: None
        self.outside: Callable[[], contextvars.Context] = contextvars.copy_context
        """In which context the broker works: it goes on when a bot dies."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.rpartition("/")[2]
        if path in ORDER_PATHS:
            return await self._write(path, request)
        self.asked[path] += 1
        following = request.headers.get("tr_cont") == "N"
        fault, plants = (None, []) if self.healed else self._chance.read(path, following=following)
        self._trail.note(_now(), path, fault.name if fault else "")
        if fault is not None:
            self.fired[fault.name] += 1
        return await self._pass(request, path, plants)

    async def _write(self, path: str, request: httpx.Request) -> httpx.Response:
        wish = WISH.get()
        fault, plants = (None, []) if self.healed else self._chance.write(wish, self._tries[wish])
        self._tries[wish] += 1
        self._trail.note(_now(), path, wish, fault.name if fault else "")
        post = Post(wish, path, request.headers["tr_id"], request.content, _now(), fault)
        self.posts.append(post)
        self.before_post(post)
        for name in (*((fault.name,) if fault else ()), *(LATE_NAME for one in plants if one.name == LATE)):
            self.fired[name] += 1
        # The broker goes on with what it has received, whether or not anybody still waits for its answer.
        work = self._pass(request, path, plants)
        task = asyncio.get_running_loop().create_task(work, context=self.outside())
        self._at_work.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    async def _pass(self, request: httpx.Request, path: str, plants: list[Plant]) -> httpx.Response:
        if any(one.name == CONNECT for one in plants):
            raise httpx.ConnectError("planted", request=request)
        await asyncio.sleep(self._way)
        for name, how in plants:
            self._simulator.faults.plant(name, path=path, **how)
        return await self._inner.handle_async_request(request)

    @property
    def at_work(self) -> bool:
        """Whether the broker is still busy with an order nobody may be waiting for."""
        return bool(self._at_work)

    def _over(self, task: asyncio.Task[httpx.Response]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be left to hear it


def _now() -> float:
    return asyncio.get_running_loop().time()
