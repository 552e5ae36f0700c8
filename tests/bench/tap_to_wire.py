"""How long after a tap the order leaves, for one person alone at KIS's limit: by how old the reads behind it are.

From the tap in the local Telegram to the order's arrival at the broker. The whole bot and both servers share one event
loop, so that the figure holds their work too; a few such worlds, each with its own broker, take turns on it.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from bot.demo.run import TOKEN, Stage, stage
from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.access.roles import Role
from kis.config import kst_now
from kis.sim import Simulator
from kis.sim.api.context import Recorded
from tests.bench.report import Row, percentile
from tests.support.waiting import happens

PEOPLE = tuple(ChatUser(2001 + n, f"손님{n}", "매매자") for n in range(60))
"""Telegram takes about one message a second for one chat: the orders are spread over many, one at a time."""
RICH = 10**12
PER_SECOND = 18
SLOT = 1 / PER_SECOND
"""Seconds between calls: what KIS allows a real account, and the simulator's limiter enforces."""
WARM_UP = 3
STANDS = 2.5
"""Seconds a ticket stands before the tap; its figures are kept fresh meanwhile."""
STALE = 3.2
"""Seconds after which nothing that was read for a ticket is fresh any more."""
WORLDS = 4
LIMITS: dict[str, Any] = {
    "kisbot_max_order_value": RICH,
    "kisbot_soft_order_value": RICH,
    "kisbot_day_value_user": RICH,
    "kisbot_day_value_account": RICH,
    "kisbot_day_orders_user": 0,
    "kisbot_orders_per_minute": 0,
    "kisbot_duplicate_minutes": 0,
    "kisbot_cool_off_rejects": 0,
    "kisbot_restricted_stocks": True,
    "kisbot_ticket_seconds": 600,
}
"""Wide enough that the settings' rules on how much and how often refuse nothing."""
AIMS = {"p50_ms": 1000 * SLOT + 15, "p99_ms": 1000 * SLOT + 50}
"""For fresh reads."""


class Way(NamedTuple):
    """How the reads behind a tap come about.

    Attributes:
        prefetch: whether the desk reads while the ticket is on the screen.
        stands: seconds between ticket and tap.
        at_once: tickets that stand beside each other; more than one only where nothing is read for them meanwhile.
    """

    ko: str
    en: str
    prefetch: bool
    stands: float
    at_once: int = 1


WAYS = {
    "fresh": Way("주문서가 2.5초 떠 있던 뒤", "the ticket has stood for 2.5 s", prefetch=True, stands=STANDS),
    "at_once": Way("주문서가 뜨자마자", "the ticket has just come", prefetch=True, stands=0),
    "stale": Way("미리 읽어 둔 것이 없을 때", "nothing was read ahead", prefetch=False, stands=STALE, at_once=5),
}


async def tap_to_wire(*, taps: int = 60) -> tuple[list[Row], dict[str, Any]]:
    """The delay in each way, in milliseconds and in slots of KIS's pace; half as many taps where no aim is set."""
    figures: dict[str, Any] = {"taps": taps, "slot_ms": 1000 * SLOT, "aims_of_fresh": AIMS}
    rows = []
    for name, way in WAYS.items():
        each = -(-(taps if name == "fresh" else taps // 2) // WORLDS)
        turns = asyncio.Lock()
        found = await asyncio.gather(*(world(way, each, turns) for _ in range(WORLDS)))
        delays = [1000 * delay for one in found for delay, _ in one]
        figures[name] = {
            "n": len(delays),
            "fresh": sum(fresh for one in found for _, fresh in one) / len(delays),
            **{f"p{percent}_ms": percentile(delays, percent) for percent in (50, 95, 99)},
        }
        rows.append(_row(way, figures[name]))
    return rows, figures


def _row(way: Way, found: dict[str, Any]) -> Row:
    slots = [found[name] / (1000 * SLOT) for name in ("p50_ms", "p99_ms")]
    return Row(
        f"버튼을 누른 뒤 주문이 나가기까지, 초당 {PER_SECOND}건 한도에서, {way.ko}",
        f"from the tap to the order leaving at {PER_SECOND} calls a second, {way.en}",
        f"{slots[0]:.1f} / {slots[1]:.1f} 간격 · slots",
        f"p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms, n={found['n']}, fresh {found['fresh']:.0%}",
    )


async def world(way: Way, taps: int, turns: asyncio.Lock) -> list[tuple[float, bool]]:
    """Seconds from each tap to its order, and whether all that it needed had been read already.

    Whoever holds `turns` is alone: the other worlds wait, with their tickets on the screen.
    """
    broker = Simulator(profile="real", cash=RICH, per_second=PER_SECOND)
    telegram = LocalTelegram(token=TOKEN, people=PEOPLE)
    async with stage(broker=broker, telegram=telegram, kis_min_interval=SLOT, **LIMITS) as on:
        for person in PEOPLE:
            on.app.storage.people.put(person.id, person.name, Role.TRADER)
        if not way.prefetch:
            _read_nothing_ahead(on)
        stocks = [code for code, issue in broker.exchange.issues.items() if not issue.halted]
        # a stock is bought, and sold again once every other one had its turn
        asks = [("sell" if n // len(stocks) % 2 else "buy", stocks[n % len(stocks)]) for n in range(WARM_UP + taps)]
        taken: list[tuple[float, bool]] = []
        with _freshness(on) as was_fresh:
            for first in range(0, len(asks), way.at_once):
                numbers = range(first, min(first + way.at_once, len(asks)))
                await turns.acquire()
                tickets = [await _ticket(on, PEOPLE[n % len(PEOPLE)].id, *asks[n]) for n in numbers]
                if way.stands:
                    turns.release()
                    await asyncio.sleep(way.stands)
                    await turns.acquire()
                for chat, message in tickets:
                    delay = await _tap(on, chat, message)
                    taken.append((delay, was_fresh[-1]))
                turns.release()
        await quiet(on)
    return taken[WARM_UP:]


def _read_nothing_ahead(on: Stage) -> None:
    def keep(*_: object) -> None:
        """No ticket's figures are kept fresh."""

    on.app.parts.desk.pretrade.keep = keep  # type: ignore[method-assign]  # this is what is switched off


@contextlib.contextmanager
def _freshness(on: Stage) -> Iterator[list[bool]]:
    """Whether each send found all its reads there."""
    looks, seen = on.app.parts.desk.pretrade, []
    for_send = looks.for_send

    async def noted(ask: Any, *after: Any) -> Any:
        look = await for_send(ask, *after)
        seen.append(look.fresh)
        return look

    looks.for_send = noted  # type: ignore[method-assign]  # listened to, and passed on unchanged
    try:
        yield seen
    finally:
        looks.for_send = for_send  # type: ignore[method-assign]


async def _ticket(on: Stage, person: int, side: str, code: str) -> tuple[int, int]:
    before = on.telegram.revision
    await on.telegram.send(person, f"/{side} {code} 1 시장가")
    ticket = await on.telegram.wait(person, lambda message: bool(message.buttons), after=before)
    return person, ticket.message_id


async def _tap(on: Stage, person: int, message: int) -> float:
    orders, watch = on.broker.exchange.orders, on.app.parts.report_handler
    seen, tapped = len(orders), kst_now()
    await on.telegram.tap(person, message, "확인")
    if not await happens(lambda: len(orders) > seen and not watch.busy(), within=10):
        shown = on.telegram.chat(person)[-1].text
        raise RuntimeError(f"an order did not come through: {shown}")
    order = next(one for one in reversed(on.broker.requests) if is_order(one))
    return (order.at - tapped).total_seconds()


def is_order(one: Recorded) -> bool:
    """Whether a request is a new order."""
    return one.method == "POST" and one.path.endswith("order-cash")


async def quiet(on: Stage) -> None:
    """Nobody reads these chats: what still waits to be told would only hold up the end."""
    on.app.storage.db.execute("UPDATE outbox SET state = 'failed' WHERE state = 'pending'")
    await asyncio.sleep(0)
