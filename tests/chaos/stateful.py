"""Whatever people, strangers, the broker and the line do in whatever order: what must hold after every step.

A state machine of Hypothesis's over one bot in virtual time. Every intent has a quantity of its own, by which the
broker's ledger tells whose a row is.
"""

import asyncio
import json
import tempfile
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.orders.model.order import (
    AT_BROKER,
    IN_DOUBT,
    ON_ITS_WAY,
    WORKING,
    Order,
    OrderAction,
    OrderRequest,
    OrderState,
)
from bot.orders.model.tap_result import TapOutcome
from bot.orders.risk.context import PretradeData
from bot.orders.risk.trading_halt import HaltLevel
from kis.errors import KisError
from kis.krx import step
from kis.models import OrderKind, Side
from kis.sim.exchange.orders import API_CHANNEL, HTS_CHANNEL, Action, OrderRejected
from kis.sim.exchange.orders import OrderDivision as SimKind
from tests.chaos.error_log import logged_errors
from tests.chaos.matrix_stand import LIST_PATH, ME, ORDER_PATH, OWNER, UNSETTLED, Stand
from tests.chaos.stories import FAULTS, LATENESS, LIST_FAULTS, SECONDS, WISHES, Form, Wish
from tests.support.virtual_time import VirtualClock, VirtualLoop

SAFE_AGAIN = frozenset({"throttled", "token", "not_sent"})
"""Outcomes after which an order may leave once more."""
FIRST_QUANTITY = 11


class Desk(RuleBasedStateMachine):
    """One bot, its people, and all that may befall them."""

    def __init__(self) -> None:
        super().__init__()
        logged_errors()
        self.loop = VirtualLoop()
        self.home = tempfile.TemporaryDirectory(prefix="kisbot-stateful-")
        self.orders: list[int] = []
        self.tapped: set[int] = set()
        self.most: dict[int, int] = {}
        self.broken: list[str] = []
        self.quantity = FIRST_QUANTITY
        self.stand: Stand

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        """A bot that has learned by three orders of its own which channel is ours."""

        async def first() -> None:
            self.stand = Stand(VirtualClock(self.loop), Path(self.home.name))
            await self.stand.begin()
            self.stand.transport.before_post = self._leaves
            for _ in range(3):
                await self.stand.order(self.stand.ask(self.stand.others[2], quantity=1, market=True))
                await asyncio.sleep(31)

        self.do(first())

    # --- people -------------------------------------------------------------------------------------------------------

    @rule(wish=WISHES)
    def draft(self, wish: Wish) -> None:
        """A ticket, which somebody may press later."""
        self.do(self._propose(wish))

    @rule(wish=WISHES, forms=FAULTS, late=LATENESS, taps=st.integers(1, 3), resumed=st.booleans(), then=SECONDS)
    def order(self, wish: Wish, forms: list[Form], late: float, taps: int, resumed: bool, then: float) -> None:
        """A ticket that is pressed at once, while faults lie in wait for what it sends."""
        if resumed:
            self.stand.release()
        for form in forms:
            self._plant(form)
        if late:
            self.stand.simulator.faults.plant("late_booking", path=ORDER_PATH, seconds=late)

        async def whole() -> None:
            order = await self._propose(wish)
            if order is not None:
                await self._press(order, taps)
                await asyncio.sleep(then)

        self.do(whole())

    async def _propose(self, wish: Wish) -> Order | None:
        which, side, market, near = wish
        stand = self.stand
        code = (stand.code, *stand.others)[which]
        away = (0 if near else 2) * (-1 if side is Side.BUY else 1)
        kind = OrderKind.MARKET if market else OrderKind.LIMIT
        price = None if market else step(stand.exchange.issues[code].last, away)
        self.quantity += 1
        try:
            made = await stand.ticket(OrderRequest(side, code, code, False, self.quantity, kind, price))
        except KisError:
            return None
        if isinstance(made, list):
            return None
        self.orders.append(made.id)
        return made

    async def _press(self, order: Order, taps: int) -> None:
        pressed = [self.stand.tap(order) for _ in range(taps)]
        assert sum(one.verdict is TapOutcome.SENDING for one in pressed) <= 1, "one tap counts"
        for one in pressed:
            if one.verdict is TapOutcome.SENDING:
                self.tapped.add(order.id)
            self.stand.life.start(self.stand.life.desk.carry_out(one))
        await asyncio.sleep(0.3)

    @rule(data=st.data(), taps=st.integers(1, 3))
    @precondition(lambda self: self._in({OrderState.PROPOSED}))
    def tap(self, data: st.DataObject, taps: int) -> None:
        order = data.draw(st.sampled_from(self._in({OrderState.PROPOSED})))

        self.do(self._press(order, taps))

    @rule(data=st.data())
    @precondition(lambda self: self._in(WORKING))
    def cancel(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(self._in(WORKING)))

        async def press() -> None:
            self.stand.life.start(self.stand.life.desk.carry_out(self.stand.life.desk.request_cancel(order, ME)))
            await asyncio.sleep(0.3)

        self.do(press())

    @rule(data=st.data())
    @precondition(lambda self: any(one.price for one in self._in(WORKING)))
    def revise(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from([one for one in self._in(WORKING) if one.price]))
        price = step(order.price or 0, -1 if order.side is Side.BUY else 1)

        async def propose() -> None:
            self.stand.origin += 1
            desk = self.stand.life.desk
            try:
                made = await desk.propose_revision(order.order_no, price, ME, self.stand.origin)
            except KisError:
                return
            if isinstance(made, Order):
                self.orders.append(made.id)

        self.do(propose())

    @rule(level=st.sampled_from((HaltLevel.BUYS, HaltLevel.NEW)))
    def halt(self, level: HaltLevel) -> None:
        self.stand.life.desk.halt(level, OWNER)

    @rule()
    @precondition(lambda self: self._up() and self.stand.life.trading_halt.now().level)
    def resume(self) -> None:
        self.stand.release()

    # --- the world ----------------------------------------------------------------------------------------------------

    def _plant(self, form: Form) -> None:
        _, name, how, line = form
        where = self.stand.transport.wire if line else self.stand.simulator.faults
        where.plant(name, path=ORDER_PATH, **json.loads(how))

    @rule(form=st.sampled_from(LIST_FAULTS), times=st.integers(1, 6))
    def list_fault(self, form: tuple[str, str, str], times: int) -> None:
        self.stand.simulator.faults.plant(form[1], path=LIST_PATH, times=times, **json.loads(form[2]))

    @rule(data=st.data())
    @precondition(lambda self: self._in(set(OrderState)))
    def by_hand(self, data: st.DataObject) -> None:
        """A stranger keys in the very same order."""
        one = data.draw(st.sampled_from(self._in(set(OrderState))))
        kind = SimKind.MARKET if one.kind is OrderKind.MARKET else SimKind.LIMIT
        try:
            self.stand.exchange.submit(
                one.side.value, one.code, kind, one.quantity, one.price or 0, channel=HTS_CHANNEL
            )
        except OrderRejected:
            return

    @rule(data=st.data(), whole=st.booleans())
    @precondition(lambda self: any(one.price for one in self.stand.exchange.open_orders()))
    def trade(self, data: st.DataObject, whole: bool) -> None:
        one = data.draw(st.sampled_from([one for one in self.stand.exchange.open_orders() if one.price]))
        self.stand.exchange.trade(one.code, one.price, one.open if whole else 1)

    @rule(seconds=SECONDS)
    def poll(self, seconds: float) -> None:
        async def pass_by() -> None:
            await asyncio.sleep(seconds)
            self.answer()

        self.do(pass_by())

    @rule(resumed=st.booleans())
    def restart(self, resumed: bool) -> None:
        async def anew() -> None:
            self.stand.strike()
            await self.stand.again()
            if resumed:
                self.stand.release()

        self.do(anew())

    @rule()
    @precondition(lambda self: self._up() and self.stand.simulator.faults.waiting)
    def heal(self) -> None:
        self.stand.simulator.faults.clear()
        self.stand.transport.wire.clear()

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        if not self._up():
            return
        assert self.broken == [], self.broken
        for order in self._in(set(OrderState)):
            self._one_order_at_most(order)
            self._true_words(order)
            self._only_grows(order)
        self._one_to_one()
        self._reserved()

    def _one_order_at_most(self, order: Order) -> None:
        rows = self._rows(order)
        assert len(rows) <= 1, f"I1: {len(rows)} orders at the broker for order {order.id}"
        attempts = self.stand.connection.execute(
            "SELECT n, outcome FROM attempts WHERE order_id = ? AND endpoint != 'cancel' ORDER BY n", [order.id]
        ).fetchall()
        assert len(attempts) <= 4, f"I8: order {order.id} was tried {len(attempts)} times"
        assert all(outcome in SAFE_AGAIN for _, outcome in attempts[:-1]), f"I8: {attempts}"

    def _true_words(self, order: Order) -> None:
        rows = self._rows(order)
        if order.state in AT_BROKER:
            assert order.order_no in {row.number for row in rows}, f"I2: {order.id} is told placed as {order.order_no}"
        elif order.state not in UNSETTLED | {OrderState.PROPOSED}:
            assert not rows, f"I3: order {order.id} is told {order.state}, and the broker has it"

    def _only_grows(self, order: Order) -> None:
        assert order.filled >= self.most.get(order.id, 0), "I5: fills fell"
        self.most[order.id] = order.filled
        told = self.stand.connection.execute(
            "SELECT coalesce(sum(json_extract(data, '$.step')), 0) FROM outbox "
            "WHERE kind = 'fill' AND order_id = ? AND chat_id = ?",
            [order.id, ME.chat_id],
        ).fetchone()[0]
        assert told == order.filled, f"I5: {told} shares told, {order.filled} known"

    def _one_to_one(self) -> None:
        twice = self.stand.connection.execute(
            "SELECT order_no FROM orders WHERE order_no != '' GROUP BY day, order_no HAVING count(*) > 1"
        ).fetchall()
        assert not twice, f"I4: linked twice: {twice}"

    def _reserved(self) -> None:
        doubts = self._in(IN_DOUBT)
        ask = self.stand.ask()
        facts = self.stand.life.desk.risk_context.facts(ask, PretradeData(None, None, None), ME.user_id)  # type: ignore[arg-type]
        won = sum(one.quantity * one.reserve_unit for one in doubts if one.side is Side.BUY)
        assert facts.reserved_won >= won, "I12: an order in doubt is not reckoned with"
        assert facts.symbol_in_doubt == any(one.code == ask.code for one in doubts), "I12: its stock is free"

    def _leaves(self) -> None:
        """I7: what leaves stands on disk, unanswered, and no halt was on when that was written."""
        rows = self.stand.connection.execute(
            "SELECT order_id, outcome, started_at FROM attempts WHERE endpoint != 'cancel' ORDER BY rowid DESC LIMIT 1"
        ).fetchone()
        if rows is None or rows[1] is not None:
            self.broken.append(f"I7: it left without a row: {rows}")
            return
        order = self.stand.now(rows[0])
        at = datetime.fromisoformat(rows[2]).isoformat(timespec="milliseconds")
        # what was pulled or released within the same millisecond may have come before it or after it
        found = [
            self.stand.connection.execute(
                f"SELECT level FROM brakes WHERE at {sign} ? ORDER BY seq DESC LIMIT 1", [at]
            ).fetchone()
            for sign in ("<", "<=")
        ]
        level = min(HaltLevel(row[0]) if row else HaltLevel.OFF for row in found)
        if level >= HaltLevel.NEW or (level is HaltLevel.BUYS and order.side is Side.BUY):
            self.broken.append(f"I7: order {order.id} left although {level.name}")
        if order.terms() != order.fingerprint:
            self.broken.append(f"I7: order {order.id} is not what was approved")

    def _up(self) -> bool:
        return hasattr(self, "stand")

    def _in(self, states: Any) -> list[Order]:
        if not self._up():
            return []
        return [one for one in self.stand.life.journal.in_state(set(states)) if one.id in self.orders]

    def _rows(self, order: Order) -> list[Any]:
        """What the broker booked for an order over the API."""
        rows = [row for row in self.stand.exchange.orders if row.channel == API_CHANNEL and row.code == order.code]
        if order.act is OrderAction.NEW:
            return [row for row in rows if row.action is Action.NEW and row.quantity == order.quantity]
        parent = self.stand.now(order.parent or 0)
        sisters = [one for one in self._in(set(OrderState)) if one.parent == order.parent and one.price == order.price]
        mine = [row for row in rows if row.action is Action.REVISE and row.original == parent.order_no]
        mine = [row for row in mine if row.price == (order.price or 0)]
        others = {one.order_no for one in sisters if one.id != order.id}
        return [row for row in mine if row.number not in others]

    def answer(self) -> None:
        """Somebody looks into the broker's own program and says which row it is, or that there is none."""
        rows = self.stand.connection.execute(
            "SELECT data FROM outbox WHERE kind IN ('ambiguous', 'manual') AND chat_id = ? ORDER BY id DESC",
            [OWNER.chat_id],
        ).fetchall()
        for (text,) in rows:
            data = json.loads(text)
            order = self.stand.life.journal.get(data["order"])
            if order is None or order.state not in {OrderState.UNKNOWN, OrderState.ABSENT} or order.sent_at is None:
                continue
            mine = {row.number for row in self._rows(order)}
            token = next((token for row, _, _, token in data.get("claims", ()) if row in mine), "")
            sure = (self.stand.clock() - order.sent_at).total_seconds() > 330
            if not token and not mine and sure:
                token = data["none"]
            if token:
                self.stand.life.desk.press(token, OWNER)

    def teardown(self) -> None:
        """The storm is over: every tap has come to an end, and its card says so (I6)."""
        try:
            if self._up():
                self.heal()
                self.do(self._settle())
                self.holds()
                for order in self._in(set(OrderState)):
                    if order.id in self.tapped:
                        assert order.state not in ON_ITS_WAY | IN_DOUBT, f"I6: order {order.id} is {order.state}"
                        self._last_word(order)
                words = [one for one in logged_errors() if "(Died" not in one]
                assert words == [], f"faults of the program: {words}"
        finally:
            self.loop.close()
            self.home.cleanup()

    async def _settle(self) -> None:
        for _ in range(300):
            await asyncio.sleep(10)
            self.answer()
            if not self._in(ON_ITS_WAY | IN_DOUBT):
                break
        await asyncio.sleep(120)
        await self.stand.life.end()
        self.stand.life.db.conn = self.stand.connection

    def _last_word(self, order: Order) -> None:
        card, change = self.stand.connection.execute(
            "SELECT (SELECT max(made_at) FROM outbox WHERE order_id = ?1 AND kind = 'card'), "
            "(SELECT max(at) FROM audit WHERE order_id = ?1 AND action LIKE 'order.%')",
            [order.id],
        ).fetchone()
        assert card is not None, f"I6: order {order.id} has no card"
        assert card >= change, f"I6: order {order.id} changed at {change}, its card is of {card}"


def run(examples: int = 1_500, steps: int = 60, *, same: bool = False, shorten: bool = True) -> None:
    """Search; raises with the story found in which something does not hold.

    Args:
        examples: how many stories.
        steps: of one story at most.
        same: the same stories each time.
        shorten: look for a shorter one, which takes minutes.
    """
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=same,
        database=None,
        phases=[Phase.generate, *([Phase.shrink] if shorten else [])],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Desk, settings=profile)
