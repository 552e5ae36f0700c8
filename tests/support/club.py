"""A group of people and its order desk over a simulated broker in memory; it can be started anew on what is on disk.

What is known of the broker comes from the broker's ledger and what left for it, never from the desk.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from sqlite_utils import Database

from bot.orders.access.notifications import Notifications
from bot.orders.access.roles import Actor, Role
from bot.orders.approvals.policy import ApprovalPolicy
from bot.orders.execution.desk import Desk
from bot.orders.hours import TradingHours
from bot.orders.model.order import OrderRequest
from bot.orders.model.tap_result import TapOutcome, TapResult
from bot.orders.reconciliation.report_handler import ReportHandler
from bot.orders.reconciliation.report_reader import ReportReader
from bot.orders.risk.checks import Limits
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from bot.store.audit.log import AuditLog
from bot.store.journal import SqliteJournal
from bot.store.outbox import Outbox
from bot.store.people import People
from kis.client import KisClient
from kis.config import KisConfig
from kis.endpoints import Env
from kis.errors import KisError
from kis.krx import step
from kis.models import OrderKind, Side
from kis.sim import Simulator
from kis.sim.exchange.orders import API_CHANNEL, Action
from tests.chaos.life import database
from tests.chaos.world import PLENTY, RICH, tradable
from tests.support.members import never_asks
from tests.support.memory_wire import MemoryWire
from tests.support.virtual_time import VirtualClock, VirtualLoop

OWNER = 1
ORDER_PATH, REVISE_PATH = "order-cash", "order-rvsecncl"
NO_LIMIT = 10**18
LIMITS = Limits(
    max_quantity=10**6,
    soft_value=NO_LIMIT,
    max_value=RICH,
    day_value_user=NO_LIMIT,
    day_value_account=NO_LIMIT,
    day_orders_user=0,
    orders_per_minute=0,
    duplicate_minutes=0,
    cool_off_rejects=0,
)
"""What is under test is whose consent an order needs: the limits are out of the way."""
PAUSE = 60.0
"""Seconds trading is halted before somebody alone in charge may resume it."""


class ClubClock(VirtualClock):
    """Virtual time that can also leap, with nothing happening meanwhile."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return super().__call__() + self.ahead


class WatchedTransport(httpx.AsyncBaseTransport):
    """The way to the broker: tells of every order, revision and cancel just before it passes and just after."""

    def __init__(self, wire: MemoryWire) -> None:
        self.wire = wire
        self.before: Callable[[dict[str, str]], None] = lambda _: None
        self.after: Callable[[], None] = lambda: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith((ORDER_PATH, REVISE_PATH)):
            return await self.wire.handle_async_request(request)
        self.before(json.loads(request.content))
        try:
            return await self.wire.handle_async_request(request)
        finally:
            self.after()


@dataclass(frozen=True)
class Key:
    """A button as it stands in somebody's chat."""

    chat: int
    action: str
    order: int
    """0 where it is about no order."""
    token: str


class Club:
    """The people, the bot and the broker."""

    def __init__(self, loop: VirtualLoop, home: Path, policy: ApprovalPolicy) -> None:
        self.loop = loop
        self.clock = ClubClock(loop)
        self.home = home
        self.policy = policy
        self.codes = tradable()[:3]
        self.simulator = Simulator(
            profile="real",
            clock=self.clock,
            cash=RICH,
            holdings=dict.fromkeys(self.codes, (PLENTY, 10_000)),
            rate_limit=False,
        )
        self.exchange = self.simulator.exchange
        self.base = {code: self.exchange.issues[code].last for code in self.codes}
        self.transport = WatchedTransport(MemoryWire(self.simulator, sleep=asyncio.sleep, clock=self.clock))
        self.connection = database()
        self.keys: list[Key] = []
        self.waiting: list[TapResult] = []
        """Taps that were judged and not yet carried out."""
        self._read_to = 0
        self._origin = 0
        self._roles: dict[int, Role] = {}
        self.start()
        self.people.put(OWNER, "사람1", Role.OWNER)

    # --- the bot ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Everything anew, with nothing but what is on disk and what the broker knows."""
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
        clock, hours = self.clock, TradingHours()
        self.hours = hours
        self.client = KisClient(config, clock=clock, sleep=asyncio.sleep, transport=self.transport)
        db = Database(self.connection, execute_plugins=False)
        audit = AuditLog(db, clock)
        outbox = Outbox(db, clock)
        self.journal = SqliteJournal(db, audit, outbox, clock=clock)
        self.people = People(db, audit, clock, self.journal.void_person)
        told = Notifications(outbox, self.people)
        self.trading_halt = TradingHalt(self.journal, told, clock=clock)
        self.watch = ReportHandler(self.journal, self.trading_halt, told, clock=clock, day_over=hours.day_over)
        self.lists = ReportReader(self.client, self.watch, hours, clock=clock)
        self.desk = Desk(
            self.client,
            self.journal,
            self.trading_halt,
            hours,
            self.people,
            never_asks(told),
            told,
            clock=clock,
            limits_of=lambda _: LIMITS,
            policy=self.policy,
            position_percent=Decimal(0),
            resume_pause=PAUSE,
            external_orders=self.watch.external_orders,
            poll_reports=lambda: None,
            run_number=lambda: 0,
        )

    def restart(self) -> None:
        """As after a kill: what was tapped and not carried out is forgotten."""

        async def end() -> None:
            await self.desk.pretrade.close()
            await self.client.close()

        self.do(end())
        self.waiting.clear()
        self.start()
        self.desk.recover()
        self.read_list()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def pass_time(self, seconds: float) -> None:
        """A leap, after which the bot looks whose time is up."""
        self.clock.ahead += timedelta(seconds=seconds)
        self.desk.expire()

    def read_list(self) -> None:
        """The broker's list is read, and taken in."""
        try:
            readings = self.do(self.lists.read())
        except KisError:
            return
        for reading in readings:
            self.watch.handle(reading)
        if self.desk.risk_context.recovering and not self.watch.unresolved():
            self.desk.risk_context.recovering = False

    def end(self) -> None:
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()
        self.connection.close()

    # --- people -------------------------------------------------------------------------------------------------------

    def who(self, user: int) -> Actor:
        """Somebody as the guard let them in last, be it long ago: what they may do now is for the desk to find out."""
        person = self.people.get(user)
        if person is not None:
            self._roles[user] = person.role
        return Actor(user, user, f"사람{user}", self._roles.get(user, Role.VIEWER))

    def standing(self) -> dict[int, Role]:
        """Everybody who is let in, and their role, as it stands on disk."""
        rows = self.connection.execute("SELECT user_id, role FROM people WHERE status = 'active'")
        return {user: Role(role) for user, role in rows}

    def in_charge(self) -> set[int]:
        return {user for user, role in self.standing().items() if role.covers(Role.ADMIN)}

    def remember_roles(self) -> None:
        """Before a change: whoever loses their role may still have a tap on its way under the old one."""
        for user in self.standing():
            self.who(user)

    # --- orders -------------------------------------------------------------------------------------------------------

    def propose(self, user: int, side: Side, code: str, won: int, *, market: bool = False, away: int = 0) -> int:
        """A ticket for about so many won, `away` steps from the market; its id, or 0 where there is none."""
        last = self.exchange.issues[code].last
        price = None if market else step(last, away)
        ask = OrderRequest(
            side, code, code, False, max(1, won // last), OrderKind.MARKET if market else OrderKind.LIMIT, price
        )
        self._origin += 1
        return self._made(self.desk.propose(ask, self.who(user), self._origin))

    def revise(self, user: int, order_no: str, price: int) -> int:
        """A ticket that changes an open order's price."""
        self._origin += 1
        return self._made(self.desk.propose_revision(order_no, price, self.who(user), self._origin))

    def _made(self, work: Coroutine[Any, Any, Any]) -> int:
        try:
            made = self.do(work)
        except KisError:
            return 0
        self.collect()
        return 0 if isinstance(made, list) else made.id

    def collect(self) -> None:
        """Take the buttons off all that chats were told since."""
        rows = self.connection.execute(
            "SELECT id, chat_id, order_id, data FROM outbox WHERE id > ? ORDER BY id", [self._read_to]
        )
        for number, chat, order, text in rows.fetchall():
            self._read_to = number
            data = json.loads(text)
            for action in ("confirm", "discard", "withdraw", "approve", "deny", "agree"):
                if data.get(action):
                    self.keys.append(Key(chat, action, order or 0, data[action]))

    def press(self, key: Key, user: int) -> TapResult:
        """A tap; what it asks for waits until it is carried out."""
        pressed = self.desk.press(key.token, self.who(user))
        if pressed.verdict in {TapOutcome.SENDING, TapOutcome.CANCELLING}:
            self.waiting.append(pressed)
        self.collect()
        return pressed

    def carry_out(self, count: int | None = None) -> None:
        """Carry out what was tapped: all of it together, or only the first."""
        now, self.waiting = self.waiting[:count], self.waiting[len(self.waiting[:count]) :]

        async def all_of_it() -> None:
            await asyncio.gather(*(self.desk.carry_out(one) for one in now))

        self.do(all_of_it())
        self.collect()

    def newest(self, action: str, user: int | None = None, order: int | None = None) -> Key | None:
        """The newest button of a kind."""
        for key in reversed(self.keys):
            if key.action == action and user in {None, key.chat} and order in {None, key.order}:
                return key
        return None

    # --- the record, past every object of the bot's -------------------------------------------------------------------

    def rows(self) -> dict[int, dict[str, Any]]:
        """Every order as it stands on disk."""
        found = self.connection.execute("SELECT * FROM orders ORDER BY id")
        names = [column[0] for column in found.description]
        return {row[0]: dict(zip(names, row, strict=True)) for row in found}

    def row(self, order: int) -> dict[str, Any]:
        found = self.connection.execute("SELECT * FROM orders WHERE id = ?", [order])
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone(), strict=True))

    def level(self) -> HaltLevel:
        row = self.connection.execute("SELECT level FROM brakes ORDER BY seq DESC LIMIT 1").fetchone()
        return HaltLevel(row[0]) if row else HaltLevel.OFF

    def booked(self) -> list[Any]:
        """New orders and revisions in the broker's ledger, oldest first."""
        wanted = {Action.NEW, Action.REVISE}
        return [one for one in self.exchange.orders if one.channel == API_CHANNEL and one.action in wanted]
