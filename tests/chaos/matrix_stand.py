"""One broker, one person and one bot in virtual time: what a case of the fault matrix is played on.

The desk, its sender and watch, the journal and the client are the real ones (`tests.chaos.life`). A life ends at a
named point as by `kill -9`: what it was doing stops there, and the next one has nothing but what is on disk.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from bot.orders.access.roles import Actor, Role
from bot.orders.model.order import AT_BROKER, IN_DOUBT, ON_ITS_WAY, Link, Order, OrderRequest, OrderState
from bot.orders.model.tap_result import TapOutcome, TapResult
from bot.orders.risk.trading_halt import HaltLevel
from kis import failpoints as crash
from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import Env
from kis.errors import KisError
from kis.krx import step
from kis.models import OrderKind, Side
from kis.sim import Simulator
from kis.sim.exchange.orders import API_CHANNEL, HTS_CHANNEL, Action, OrderRejected
from kis.sim.exchange.orders import OrderDivision as SimKind
from tests.chaos.life import OWNER_CHAT, Died, Life, belonging, database
from tests.chaos.world import PLENTY, RICH, tradable
from tests.support.memory_wire import MemoryWire
from tests.support.virtual_time import VirtualClock

ME = Actor(3001, 3001, "매매자", Role.TRADER)
OWNER = Actor(OWNER_CHAT, OWNER_CHAT, "김관리", Role.OWNER)
ORDER_PATH, LIST_PATH = "order-cash", "inquire-daily-ccld"
UNSETTLED = ON_ITS_WAY | IN_DOUBT
TEN = 10
YOUNG, OLD = 3.0, 20.0
"""Seconds between readings while a doubt is young, and when it is old: fewer of them say the same in less time."""
YOUTH = 45.0
SURE_BY = 400.0
"""Seconds after which a person who finds nothing at the broker's says so."""


class Killed(BaseException):
    """The process is gone; no handler of an ordinary fault sees it."""


class _Gone:
    """What a dead bot has in place of its database."""

    def __getattr__(self, name: str) -> Any:
        raise Died(name)


@contextlib.contextmanager
def hook(spec: str, strike: Callable[[str], None]) -> Iterator[None]:
    """Have the arrival at a crash point call `strike` in place of ending this process."""
    usual = crash._end_process

    def arrive() -> None:
        crash.arm("")
        strike(spec.partition(":")[0])

    crash._end_process = arrive
    crash.arm(spec)
    try:
        yield
    finally:
        crash.arm("")
        crash._end_process = usual


def trap(spec: str, strike: Callable[[str], None]) -> contextlib.AbstractContextManager[None]:
    """Have the arrival at a crash point call `strike` and end everything that is above it."""

    def kill(point: str) -> None:
        strike(point)
        raise Killed(point)

    return hook(spec, kill)


class WatchedTransport(httpx.AsyncBaseTransport):
    """The way to the broker: counts what leaves, and lets a fault begin with an order's POST."""

    def __init__(self, wire: MemoryWire) -> None:
        self.wire = wire
        self.posts: list[bytes] = []
        self.tokens: list[float] = []
        self.before_post: Callable[[], None] = lambda: None
        self.after_post: Callable[[], None] = lambda: None
        self.no_address = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("tokenP"):
            self.tokens.append(asyncio.get_running_loop().time())
        if not path.endswith(ORDER_PATH):
            return await self.wire.handle_async_request(request)
        self.posts.append(request.content)
        self.before_post()
        if not isinstance(request.stream, httpx.ByteStream):
            async for _ in request.stream:  # type: ignore[union-attr]  # in two halves, where a life may end between them
                pass
        if self.no_address:
            self.no_address -= self.no_address > 0
            await _no_address(request)
        try:
            return await self.wire.handle_async_request(request)
        except Killed as killed:
            if str(killed) == "all_sent":  # the bytes are on their way, whoever is left to hear of it
                await _arrives(self.wire, request)
            raise
        finally:
            self.after_post()


async def _no_address(request: httpx.Request) -> None:
    trace = request.extensions.get("trace")
    failure = httpx.ConnectError("[Errno -2] Name or service not known", request=request)
    if trace is not None:
        await trace("connection.connect_tcp.started", {})
        await trace("connection.connect_tcp.failed", {"exception": failure})
    raise failure


async def _arrives(wire: MemoryWire, request: httpx.Request) -> None:
    again = httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
    with contextlib.suppress(httpx.TransportError):
        again.extensions["timeout"] = {"read": 0.001}
        await wire.handle_async_request(again)


class CaseLife(Life):
    """A life at a slower pulse where nothing can be missed by it."""

    stand: "Stand"

    def _interval(self) -> float:
        doubts = self.journal.in_state(UNSETTLED)
        sent = max((one.sent_at for one in doubts if one.sent_at is not None), default=None)
        young = sent is not None and (self.stand.clock() - sent).total_seconds() < YOUTH
        return YOUNG if young else OLD

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(10)
            self.desk.expire()
            self.watch.remind()


class Stand:
    """Everything of one case."""

    def __init__(
        self,
        clock: VirtualClock,
        home: Path,
        *,
        paper: bool = False,
        tls: bool = False,
        ahead: float = 0.0,
        connection: sqlite3.Connection | None = None,
    ) -> None:
        """`ahead`: seconds by which all of the broker's clocks are ahead of the bot."""
        self.clock = clock
        self.home = home
        self.code = tradable()[0]
        self.others = tradable()[1:4]
        self.simulator = Simulator(
            profile="paper" if paper else "real",
            clock=(lambda: clock() + timedelta(seconds=ahead)) if ahead else clock,
            cash=RICH,
            holdings=dict.fromkeys(tradable()[:4], (PLENTY, 10_000)),
            rate_limit=False,
        )
        self.exchange = self.simulator.exchange
        self.transport = WatchedTransport(MemoryWire(self.simulator, sleep=asyncio.sleep, clock=clock, latency=0.02))
        self._url = f"http{'s' if tls else ''}://127.0.0.1:9"
        self.connection = connection or database()
        self.price = step(self.exchange.issues[self.code].last, -2)
        self.origin = 0
        self.deaths = 0
        self.answered: set[int] = set()
        self.life: CaseLife
        asyncio.get_running_loop().set_task_factory(belonging)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    # --- the bot ------------------------------------------------------------------------------------------------------

    def client(self) -> KisClient:
        """A client of the only customer, as a new process would make it."""
        customer = self.simulator.credentials
        config = KisConfig(
            env=Env(self.simulator.env),
            app_key=customer.app_key,
            app_secret=customer.app_secret,
            account=customer.account,
            min_interval=0.05,
            rest_url=self._url,
            token_dir=self.home,
        )
        return KisClient(config, clock=self.clock, sleep=asyncio.sleep, transport=self.transport)

    async def begin(self) -> None:
        """A life, and the owner who lets it buy."""
        self.life = CaseLife(self, self.connection)  # type: ignore[arg-type]  # it has what a life asks of a world
        self.life.stand = self
        self.life.begin()
        while self.life.desk.risk_context.recovering and not self.life.readings:  # noqa: ASYNC110  # a reading has no event
            await asyncio.sleep(0.2)

    def strike(self, _point: str = "") -> None:
        """From here on nothing this life does reaches the disk."""
        self.deaths += 1
        self.life.dead = True
        self.life.db.conn = _Gone()  # type: ignore[assignment]
        if self.connection.in_transaction:
            self.connection.rollback()

    async def again(self) -> None:
        """The next life, two seconds after the last."""
        await self.life.end()
        await asyncio.sleep(2)
        await self.begin()

    # --- the person ---------------------------------------------------------------------------------------------------

    def ask(self, code: str = "", quantity: int = TEN, *, market: bool = False) -> OrderRequest:
        """What is wanted: ten shares, a little below the market so that they rest."""
        code = code or self.code
        kind = OrderKind.MARKET if market else OrderKind.LIMIT
        price = None if market else step(self.exchange.issues[code].last, -2)
        return OrderRequest(Side.BUY, code, code, False, quantity, kind, price)

    async def ticket(self, ask: OrderRequest | None = None) -> Order | list[Any]:
        self.origin += 1
        return await self.life.ask(self.life.desk.propose(ask or self.ask(), ME, self.origin))

    def tap(self, order: Order) -> TapResult:
        """Press 확인 on the ticket's newest card."""
        row = self.connection.execute(
            "SELECT data FROM outbox WHERE order_id = ? AND json_extract(data, '$.confirm') IS NOT NULL ORDER BY id DESC",
            [order.id],
        ).fetchone()
        return self.life.desk.press(json.loads(row[0])["confirm"], ME)

    async def order(self, ask: OrderRequest | None = None, taps: int = 1) -> Order:
        """A ticket, its tap, and the order as it stands when the sending is over."""
        order = await self.ticket(ask)
        assert isinstance(order, Order), order
        pressed = [self.tap(order) for _ in range(taps)]
        if pressed[0].verdict is TapOutcome.AGAIN:
            pressed = [self.tap(order)]
        await asyncio.gather(*(self.life.ask(self.life.desk.carry_out(one)) for one in pressed))
        return self.now(order.id)

    def now(self, order_id: int) -> Order:
        found = self.life.journal.get(order_id)
        assert found is not None
        return found

    async def settled(self, within: float = 2_400.0, every: float = 5.0) -> None:
        """Wait until nothing is in doubt; the person answers what is asked."""
        until = self.clock.seconds() + within
        while self.life.journal.in_state(UNSETTLED) and self.clock.seconds() < until:
            await asyncio.sleep(every)
            self.answer()

    def answer(self) -> None:
        """Say which row is ours, as somebody does who looks into the broker's own program."""
        rows = self.connection.execute(
            "SELECT id, data FROM outbox WHERE kind IN ('ambiguous', 'manual') AND chat_id = ? ORDER BY id DESC",
            [OWNER_CHAT],
        ).fetchall()
        for number, text in rows:
            data = json.loads(text)
            order = self.life.journal.get(data["order"])
            if number in self.answered or order is None or order.state not in {OrderState.UNKNOWN, OrderState.ABSENT}:
                continue
            mine = {one.number for one in self.ours(order.code)}
            token = next((token for row, _, _, token in data.get("claims", ()) if row in mine), "")
            waited = (self.clock() - order.sent_at).total_seconds() if order.sent_at else 0.0
            if not token and not mine and waited >= SURE_BY:
                token = data["none"]
            if token:
                self.answered.add(number)
                self.life.desk.press(token, OWNER)

    def release(self) -> None:
        """The owner lets buying go on."""
        if self.life.trading_halt.now().level is not HaltLevel.OFF:
            self.life.desk.resume(HaltLevel.OFF, OWNER)

    # --- others at the broker's own program ---------------------------------------------------------------------------

    def ours(self, code: str = "") -> list[Any]:
        """New orders that came over the API."""
        code = code or self.code
        rows = self.exchange.orders
        return [row for row in rows if (row.code, row.channel, row.action) == (code, API_CHANNEL, Action.NEW)]

    async def by_hand(self) -> None:
        """Somebody keys in the same order four seconds later."""
        await asyncio.sleep(4)
        self.key_in()

    async def by_hand_before(self) -> None:
        """It was keyed in before ours was asked for; see `matrix.single`."""

    async def by_hand_during(self) -> None:
        self.key_in()

    def key_in(self) -> None:
        with contextlib.suppress(OrderRejected):
            self.exchange.submit("buy", self.code, SimKind.LIMIT, TEN, self.price, channel=HTS_CHANNEL)

    async def ask_again(self) -> None:
        """The person asks for the same once more, and once more later."""
        for pause in (2.0, 20.0):
            await asyncio.sleep(pause)
            in_doubt = self.life.journal.in_state(IN_DOUBT)
            try:
                answer = await self.ticket()
            except KisError:
                continue
            if in_doubt and self.life.journal.in_state(IN_DOUBT):
                assert isinstance(answer, list), "a stock in doubt took another order"
                assert "UNKNOWN_OPEN" in {one.code for one in answer}

    async def revise_by_hand(self) -> None:
        await asyncio.sleep(4)
        for row in self.ours():
            with contextlib.suppress(OrderRejected):
                self.exchange.revise(row.number, step(row.price, -1), channel=HTS_CHANNEL)

    async def cancel_by_hand(self) -> None:
        await asyncio.sleep(4)
        for row in self.ours():
            with contextlib.suppress(OrderRejected):
                self.exchange.cancel(row.number, channel=HTS_CHANNEL)

    async def reroute(self) -> None:
        """The broker gives it to another venue."""
        while not self.ours():  # noqa: ASYNC110  # a booking has no event
            await asyncio.sleep(1)
        for row in self.ours():
            row.venue = "NXT"


def word(order: Order) -> str:
    """What became of an order, and by which way it was learned."""
    if order.state not in AT_BROKER:
        return order.state.value
    ways = {Link.DIRECT: "placed", Link.MATCHED: "found", Link.LATE: "late", Link.HUMAN: "by a person"}
    return ways.get(order.link, "?")
