"""Our own policy: people who tap, an owner who resumes trading and answers questions, and a bot that may die."""

import asyncio
import json
import random
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.orders.access.roles import Actor, Role
from bot.orders.model.order import AT_BROKER, IN_DOUBT, ON_ITS_WAY, Link, Order, OrderRequest, OrderState
from bot.orders.model.tap_result import TapOutcome, TapResult
from bot.orders.risk.trading_halt import HaltLevel
from kis.errors import KisError
from kis.models import Side
from kis.sim.exchange.orders import Action
from tests.chaos.life import OWNER_CHAT, Died, Life, belonging, database, outside
from tests.chaos.naive import kind_of
from tests.chaos.verdict import End, Reported
from tests.chaos.wishes import Wish
from tests.chaos.world import World

ASK_AGAIN = 10.0
"""Seconds after which somebody who was told to wait asks again."""
OWNER_LOOKS = 5.0
DOWN = (0.5, 5.0)
"""Seconds a bot that died is away."""
SURE_BY = 330.0
"""Seconds after which a person who finds nothing at the broker's says so: nothing comes later than that."""
FOUND_WITHIN = 300
"""Seconds after the last booking within which a late one must be known."""
OWNER = Actor(OWNER_CHAT, OWNER_CHAT, "김관리", Role.OWNER)
PENDING = frozenset({OrderState.PROPOSED}) | ON_ITS_WAY | IN_DOUBT
REVISIONS = 100_000
PATIENCE = 3_600.0
"""Seconds for which somebody who is told to wait goes on asking."""


class Ours:
    """The desk, with everybody around it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.life: Life
        self.connection = database()
        self._up = asyncio.Event()
        self._chance = random.Random(f"{world.seed}:ours")
        self._tapped: set[int] = set()
        self._orders: dict[int, int] = {}
        self._work: set[asyncio.Task[Any]] = set()
        self._answered: set[int] = set()
        self.refusals: dict[str, int] = {}
        self.deaths = 0
        self.faults: list[str] = []
        """Faults of the program itself."""

    # --- coming and going ---------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        asyncio.get_running_loop().set_task_factory(belonging)
        self.world.wire.outside = outside
        self._live()
        self._work.add(asyncio.create_task(self._own()))

    def _live(self) -> None:
        self.life = Life(self.world, self.connection)
        self.life.begin()
        self._up.set()

    async def kill(self) -> None:
        if not self._up.is_set() or self.world.wire.healed:
            return
        self._up.clear()
        self.deaths += 1
        await self.life.end()
        self.world.trail.note(self.world.clock.seconds(), "killed")
        await asyncio.sleep(self._chance.uniform(*DOWN))
        self._live()

    # --- people -------------------------------------------------------------------------------------------------------

    async def order(self, wish: Wish) -> None:
        who = _who(wish)
        ask = OrderRequest(
            Side(wish.side.value), wish.code, wish.code, False, wish.quantity, kind_of(wish), wish.price or None,
        )  # fmt: skip
        order = await self._ticket(wish, lambda: self.life.desk.propose(ask, who, wish.number + 1))
        if order is not None:
            await self._tap(wish, order, who)

    async def revise(self, wish: Wish) -> None:
        order = self._order(wish)
        if order is None or not order.order_no:
            return
        who, origin = _who(wish), REVISIONS + wish.number + 1
        ticket = await self._ticket(
            wish, lambda: self.life.desk.propose_revision(order.order_no, wish.revised, who, origin), patience=60
        )
        if ticket is not None:
            await self._tap(wish, ticket, who)

    async def cancel(self, wish: Wish) -> None:
        order = self._order(wish)
        if order is None or not order.order_no:
            return
        await self._up.wait()
        pressed = self.life.desk.cancel_number(order.order_no, _who(wish))
        await self._carry_out(pressed)

    async def _ticket(self, wish: Wish, propose: Any, patience: float = PATIENCE) -> Order | None:
        """A ticket, however long one has to wait for it; None when the answer is no for good."""
        until = self.world.clock.seconds() + patience
        while self.world.clock.seconds() < until:
            await self._up.wait()
            try:
                answer = await self.life.ask(propose())
            except (KisError, Died):
                await asyncio.sleep(ASK_AGAIN / 2)
                continue
            except Exception as fault:  # noqa: BLE001  # it is what this run looks for
                self._fault(fault)
                await asyncio.sleep(ASK_AGAIN)
                continue
            if isinstance(answer, Order):
                return answer
            for reason in answer:
                self.refusals[reason.code] = self.refusals.get(reason.code, 0) + 1
            if not {one.code for one in answer} <= PASSING:
                return None
            await asyncio.sleep(ASK_AGAIN)
            while self._hopeless(wish.code) and self.world.clock.seconds() < until:  # noqa: ASYNC110  # costs nothing here
                await asyncio.sleep(ASK_AGAIN / 2)
        return None

    def _hopeless(self, code: str) -> bool:
        """Whether the chat has not said yet that the doubt, or the halt, is over: then nobody asks again."""
        if not self._up.is_set():
            return True
        doubts = {code for (code,) in self.connection.execute("SELECT code FROM orders WHERE state = 'unknown'")}
        return code in doubts or self.life.trading_halt.now().level > HaltLevel.OFF

    async def _tap(self, wish: Wish, order: Order, who: Actor) -> None:
        """Press what stands on the ticket, as often as it asks again."""
        for _ in range(6):
            await asyncio.sleep(wish.think)
            await self._up.wait()
            current = self.life.journal.get(order.id)
            if current is None or current.state is not OrderState.PROPOSED:
                return
            token = self._token(order.id)
            pressed = [self.life.desk.press(token, who) for _ in range(wish.taps)]
            if any(one.verdict is TapOutcome.SENDING for one in pressed):
                self._tapped.add(order.id)
            if order.origin <= REVISIONS:
                self._orders[wish.number] = order.id
            await asyncio.gather(*(self._carry_out(one) for one in pressed))

    async def _carry_out(self, pressed: TapResult) -> None:
        try:
            await self.life.ask(self.life.desk.carry_out(pressed))
        except Died:
            return
        except Exception as fault:  # noqa: BLE001  # it is what this run looks for
            self._fault(fault)

    def _fault(self, fault: Exception) -> None:
        where = traceback.extract_tb(fault.__traceback__)[-1]
        self.faults.append(f"{type(fault).__name__}: {fault} ({Path(where.filename).name}:{where.lineno})")

    def _token(self, order_id: int) -> str:
        row = self.connection.execute(
            "SELECT data FROM outbox WHERE order_id = ? AND kind = 'card' AND json_extract(data, '$.confirm') IS NOT NULL "
            "ORDER BY id DESC LIMIT 1",
            [order_id],
        ).fetchone()
        return json.loads(row[0])["confirm"]

    def _order(self, wish: Wish) -> Order | None:
        order_id = self._orders.get(wish.number)
        return self.life.journal.get(order_id) if order_id is not None and not self.life.dead else None

    # --- the owner ----------------------------------------------------------------------------------------------------

    async def _own(self) -> None:
        while True:
            await asyncio.sleep(OWNER_LOOKS)
            if not self._up.is_set():
                continue
            if self.life.trading_halt.now().level is not HaltLevel.OFF:
                self.life.desk.resume(HaltLevel.OFF, OWNER)
            self._answer_questions()

    def _answer_questions(self) -> None:
        """Say which row is ours, as somebody does who looks into the broker's own program."""
        rows = self.connection.execute(
            "SELECT id, order_id, kind, data FROM outbox WHERE kind IN ('ambiguous', 'manual') AND chat_id = ? ORDER BY id DESC",
            [OWNER_CHAT],
        ).fetchall()
        for number, order_id, _, text in rows:
            data = json.loads(text)
            order = self.life.journal.get(order_id if order_id is not None else data["order"])
            if number in self._answered or order is None or order.state not in {OrderState.UNKNOWN, OrderState.ABSENT}:
                continue
            token = self._true_answer(order, data)
            if token:
                self._answered.add(number)
                self.life.desk.press(token, OWNER)

    def _true_answer(self, order: Order, data: dict[str, Any]) -> str:
        """The key of the right answer, "" while a careful person would rather wait."""
        mine = self._booked(order)
        for row_no, _, _, token in data.get("claims", ()):
            if row_no in mine:
                return str(token)
        waited = (self.world.clock() - order.sent_at).total_seconds() if order.sent_at else 0.0
        return str(data["none"]) if not mine and waited >= SURE_BY else ""

    def _name(self, order: Order) -> str:
        return f"order {order.origin - 1}" if order.origin <= REVISIONS else f"revise {order.origin - REVISIONS - 1}"

    # --- the end ------------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until nothing is in doubt, an hour at most; what was called absent too soon has five minutes to be found."""
        await self._up.wait()
        for n in range(720):
            await asyncio.sleep(5)
            hasty = n < FOUND_WITHIN // 5 and any(
                self._booked(one) for one in self.life.journal.in_state({OrderState.ABSENT})
            )
            if not hasty and not self.life.journal.in_state(PENDING - {OrderState.PROPOSED}):
                return

    def _booked(self, order: Order) -> set[str]:
        """Numbers under which the broker has it."""
        action = Action.NEW if order.origin <= REVISIONS else Action.REVISE
        return {row.number for row in self.world.observer.rows(self._name(order), action)}

    def end(self, wish: Wish) -> End | None:
        order = self._order(wish)
        if order is None or order.id not in self._tapped:
            return None
        return self.ended(order)

    def tapped(self) -> list[Order]:
        """Every order somebody confirmed."""
        found = [self.life.journal.get(number) for number in sorted(self._tapped)]
        return [one for one in found if one is not None]

    def revisions(self) -> list[tuple[str, End]]:
        """What became of the revisions that were tapped."""
        return [(self._name(one), self.ended(one)) for one in self.tapped() if one.origin > REVISIONS]

    def ended(self, order: Order) -> End:
        asked = self.connection.execute(
            "SELECT 1 FROM outbox WHERE kind IN ('ambiguous', 'manual') AND json_extract(data, '$.order') = ?",
            [order.id],
        ).fetchone()
        return End(
            reported=reported(order),
            order_no=order.order_no,
            how=how(order),
            reported_shares=self._reported_shares(order),
            asked=asked is not None,
            unsure=self._unsure(order),
        )

    def _reported_shares(self, order: Order) -> int:
        rows = self.connection.execute(
            "SELECT data FROM outbox WHERE order_id = ? AND kind = 'fill' AND chat_id = ?", [order.id, order.chat_id]
        )
        return sum(json.loads(data)["step"] for (data,) in rows.fetchall())

    def _unsure(self, order: Order) -> float | None:
        """Seconds from the sending until an order in doubt was settled."""
        rows = self.connection.execute(
            "SELECT at, action FROM audit WHERE order_id = ? ORDER BY seq", [order.id]
        ).fetchall()
        lost = next((at for at, action in rows if action in {"order.lost", "order.doubted"}), None)
        if lost is None:
            return None
        sure = next((at for at, action in rows if at >= lost and action in SETTLED), None)
        return (_moment(sure) - _moment(lost)).total_seconds() if sure else None


PASSING = frozenset(
    {"UNKNOWN_OPEN", "TRADING_HALTED", "BUYS_HALTED", "RECOVERING", "CLOCK", "DISK", "CASH", "SELLABLE", "PARENT_GONE"}
)
"""Refusals after which somebody asks again later."""
SETTLED = frozenset({"order.found", "order.not_found", "order.claimed", "order.disowned", "order.refused"})


def _who(wish: Wish) -> Actor:
    number = 3001 + wish.person
    return Actor(number, number, f"매매{wish.person}", Role.TRADER)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def reported(order: Order) -> Reported:
    """What the order's card says: placed, not placed, or neither yet."""
    if order.state in AT_BROKER:
        return Reported.PLACED
    return Reported.IN_DOUBT if order.state in ON_ITS_WAY | IN_DOUBT else Reported.NOT_PLACED


def how(order: Order) -> str:
    """By which way the end was come to."""
    if order.link is Link.NONE:
        return (
            f"{order.state.value} {order.code_word}".strip() if order.state is OrderState.BLOCKED else order.state.value
        )
    return {Link.DIRECT: "direct", Link.MATCHED: "found", Link.LATE: "late", Link.HUMAN: "by a person"}[order.link]
