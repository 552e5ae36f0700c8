"""The real desk, client, journal and watch over real sockets, one kind of fault at a time."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.demo.run import OWNER, Stage, stage
from bot.orders.model import AT_BROKER, IN_DOUBT, Link, Order, OrderRequest, State, Who
from bot.orders.people import Role
from kis import connections
from kis.models import OrderKind
from kis.models import Side as OurSide
from kis.sim import Simulator
from kis.sim.orders import HTS_CHANNEL, Kind
from tests.bench.waiting import until
from tests.chaos.cases import LIST_PATH, Case, Intent, limit_price, plan
from tests.chaos.clock import HandClock
from tests.chaos.verdict import Outcome, Told, judged, orders_between

RICH = 10**13
PLENTY = 10**6
ME = Who(OWNER.id, OWNER.id, OWNER.name, Role.OWNER)
UNSETTLED = IN_DOUBT | {State.PROPOSED, State.CONFIRMED}
LISTED = 40
"""How many stocks the runs choose from."""


@dataclass
class _Sent:
    """An intent the desk took, and where in the broker's ledger it began."""

    intent: Intent
    order: Order
    price: int
    first: int


def world(clock: HandClock) -> tuple[Simulator, list[str]]:
    """A rich customer's broker, without a limit of calls, and stocks to trade."""
    empty = Simulator(clock=clock)
    pool = [code for code, issue in empty.exchange.issues.items() if not issue.halted and not issue.listing.etf][
        :LISTED
    ]
    holdings = dict.fromkeys(pool, (PLENTY, 10_000))
    return Simulator(profile="real", clock=clock, cash=RICH, holdings=holdings, rate_limit=False), pool


@contextlib.contextmanager
def patience(seconds: float | None) -> Iterator[None]:
    """Shorten the client's patience with an answer: ten real seconds are long for a test."""
    timeouts: dict[str, float] = connections._TIMEOUT["timeout"]  # the fault to plant is one of time
    usual = timeouts["read"]
    timeouts["read"] = seconds or usual
    try:
        yield
    finally:
        timeouts["read"] = usual


async def desk_run(case: Case, rounds: int, seed: int) -> Counter[str]:
    """Play a case on a bot of its own and judge it by the broker's ledger."""
    clock = HandClock()
    broker, pool = world(clock)
    limits: dict[str, Any] = {"kisbot_max_order_value": RICH, "kisbot_max_order_quantity": PLENTY}
    async with stage(broker=broker, clock=clock, kis_min_interval=0, **limits) as on:
        run = _Run(on, case, clock)
        with patience(case.read_timeout):
            for intents in plan(case, rounds, pool, f"{seed}:{case.name}"):
                await run.round(intents)
        await run.to_the_end()
        found = judged(run.outcomes())
        found["fired"] = sum(broker.faults.fired[name] for name, _ in case.faults)
        found.update(asked_again=run.asked_again, let_through=run.let_through, adrift=run.adrift())
        found["hasty"] = 0 if case.tail else found["late"]
        # nobody reads this chat, and the bot would wait for it on its way out
        on.app.db.execute("UPDATE outbox SET state = 'failed' WHERE state = 'pending'")
    return found


class _Run:
    """One case on one bot."""

    def __init__(self, on: Stage, case: Case, clock: HandClock) -> None:
        self._on = on
        self._case = case
        self._clock = clock
        self._exchange = on.broker.exchange
        self._faults = on.broker.faults
        self._sent: list[_Sent] = []
        self._origin = 0
        self.asked_again = 0
        self.let_through = 0

    async def round(self, intents: list[Intent]) -> None:
        """Ask for all, press all, and read the list until every one is known."""
        self._clock.push(62)
        await reading(self._on)
        self._clock.push(62)  # a token is issued once a minute, and the one in use is older than that
        for intent in intents:
            if intent.stranger < 0:
                self._elsewhere(intent)
        asked = [(intent, await self._propose(intent)) for intent in intents]
        for intent, ticket in asked:
            if ticket is not None:
                await self._press(intent, *ticket)
        self._clock.push(self._case.stretch)
        await asyncio.sleep(self._case.settles)
        for intent in intents:
            if intent.stranger > 0:
                self._clock.push(intent.stranger)
                self._elsewhere(intent)
                await reading(self._on)  # the stranger's order may be seen before ours is
        await self._ask_again()
        shaken = sum(intent.shaken for intent in intents)
        if shaken:
            self._faults.plant("same_cursor", path=LIST_PATH, times=shaken)
        await resolve(self._on, self._clock)

    def _elsewhere(self, intent: Intent) -> None:
        """Somebody keys in the very same order at the broker's own program."""
        price = limit_price(self._exchange, intent)
        self._exchange.submit(intent.side, intent.code, intent.kind, intent.quantity, price, channel=HTS_CHANNEL)

    async def _propose(self, intent: Intent) -> tuple[Order, str] | None:
        """The ticket and the key of its button, which stands in the outbox until the chat has it."""
        answer = await self._ask(intent)
        if not isinstance(answer, Order):
            return None
        row = self._on.app.db.execute("SELECT data FROM outbox WHERE order_id = ? AND kind = 'card'", [answer.id])
        return answer, json.loads(row.fetchone()[0])["confirm"]

    async def _ask(self, intent: Intent) -> object:
        self._origin += 1
        name = self._exchange.issues[intent.code].listing.name
        kind = OrderKind.MARKET if intent.kind is Kind.MARKET else OrderKind.LIMIT
        price = limit_price(self._exchange, intent) or None
        request = OrderRequest(OurSide(intent.side), intent.code, name, False, intent.quantity, kind, price)
        return await self._on.app.desk.propose(request, ME, self._origin)

    async def _press(self, intent: Intent, order: Order, token: str) -> None:
        """Tap, once or twice in a moment, while the faults lie in wait for this one order."""
        self._sent.append(_Sent(intent, order, order.price or 0, len(self._exchange.orders)))
        if intent.strike:
            self._case.plant(self._faults, intent.options, times=intent.strike)
        desk = self._on.app.desk
        pressed = [desk.press(token, ME) for _ in range(1 + intent.double_tap)]
        await asyncio.gather(*(desk.carry_out(one) for one in pressed))
        self._faults.clear()

    async def _ask_again(self) -> None:
        """Whoever asks for more of a stock in doubt must be told to wait."""
        doubtful = {order.code for order in self._on.app.journal.in_state(IN_DOUBT)}
        for one in [sent for sent in self._sent[-3:] if sent.intent.code in doubtful]:
            self.asked_again += 1
            answer = await self._ask(one.intent)
            if isinstance(answer, Order) and self._on.app.journal.in_state(IN_DOUBT):
                still = {order.code for order in self._on.app.journal.in_state(IN_DOUBT)}
                self.let_through += one.intent.code in still

    async def to_the_end(self) -> None:
        """The quiet time after the storm: whatever is late comes to light now."""
        self._faults.clear()
        self._clock.push(400)
        await resolve(self._on, self._clock)
        self._clock.push(30)
        await reading(self._on)

    def outcomes(self) -> list[Outcome]:
        return [self._outcome(one, n) for n, one in enumerate(self._sent)]

    def _outcome(self, sent: _Sent, n: int) -> Outcome:
        later = [one.first for one in self._sent[n + 1 :] if one.intent.code == sent.intent.code]
        order = self._on.app.journal.get(sent.order.id)
        assert order is not None
        return Outcome(
            code=sent.intent.code,
            side=sent.intent.side,
            kind=sent.intent.kind,
            quantity=sent.intent.quantity,
            price=sent.price,
            told=told(order),
            order_no=order.order_no,
            how=how(order),
            told_shares=self._told_shares(order),
            ours=orders_between(
                self._exchange, sent.intent.code, sent.first, later[0] if later else len(self._exchange.orders)
            ),
        )

    def adrift(self) -> int:
        """Taps whose fate is not known, and nobody was asked about it."""
        asked = {row for (row,) in self._on.app.db.execute("SELECT order_id FROM outbox WHERE kind = 'ambiguous'")}
        open_now = {order.id for order in self._on.app.journal.in_state(UNSETTLED)}
        return len(open_now & {one.order.id for one in self._sent} - asked)

    def _told_shares(self, order: Order) -> int:
        rows = self._on.app.db.execute(
            "SELECT data FROM outbox WHERE order_id = ? AND kind = 'fill' AND chat_id = ?", [order.id, order.chat_id]
        )
        return sum(json.loads(data)["step"] for (data,) in rows.fetchall())


async def reading(on: Stage) -> None:
    """One reading of the whole list; it may fail."""
    before = on.app.readings
    on.app.poll.wake()
    await until(lambda: on.app.readings != before, within=0.3)


async def resolve(on: Stage, clock: HandClock) -> None:
    """Read the list again and again, half a minute apart, until nothing is in doubt or five minutes are over."""
    await reading(on)
    clock.push(11)
    await reading(on)
    for _ in range(12):
        if not on.app.journal.in_state(IN_DOUBT):
            return
        clock.push(25)
        await reading(on)


def told(order: Order) -> Told:
    """What the order's card says: placed, not placed, or neither yet."""
    if order.state in AT_BROKER:
        return Told.PLACED
    if order.state in UNSETTLED:
        return Told.IN_DOUBT
    return Told.NOT_PLACED


def how(order: Order) -> str:
    """By which way the end was come to."""
    if order.link is Link.NONE:
        return order.state.value
    return {Link.DIRECT: "direct", Link.MATCHED: "found", Link.LATE: "late"}[order.link]
