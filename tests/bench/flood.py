"""What one person's flood costs the others: their ticket, their order, and /halt, beside the same without a flood.

At KIS's limit, broker and Telegram on real sockets. The flooder is let in and may only look; they send as much as is
taken of them: a burst of questions, and then one more each second. For the halt they send 3,000 words without meaning.
"""

import asyncio
import time
from typing import Any

from bot.demo.run import TOKEN, Stage, stage
from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.access.roles import Role
from bot.orders.risk.trading_halt import HaltLevel
from kis.sim import Simulator
from tests.bench.report import Row, percentile
from tests.bench.tap_to_wire import LIMITS, PEOPLE, PER_SECOND, RICH, SLOT, quiet
from tests.support.waiting import happens

VIEWER = ChatUser(2999, "구경꾼", "조회자")
BURST = 60
"""Questions at once."""
NONSENSE = 3_000
HALT_AFTER = 1.0
"""Seconds into the flood."""
STANDS = 0.5
"""Seconds between ticket and tap."""
ROUNDS_APART = 3.5
"""Seconds after which nothing that was read for the last ticket is fresh any more."""


async def flood(*, rounds: int = 20) -> tuple[list[Row], dict[str, Any]]:
    """Seconds to the ticket and from the tap to the order, calm and flooded in turns; seconds until a halt acts."""
    broker = Simulator(profile="real", cash=RICH, per_second=PER_SECOND)
    telegram = LocalTelegram(token=TOKEN, people=(*PEOPLE, VIEWER))
    taken: dict[str, dict[str, list[float]]] = {name: {"ticket": [], "order": []} for name in ("calm", "flooded")}
    async with stage(broker=broker, telegram=telegram, kis_min_interval=1.05 * SLOT, **LIMITS) as on:
        for person in PEOPLE:
            on.app.storage.people.put(person.id, person.name, Role.TRADER)
        on.app.storage.people.put(VIEWER.id, VIEWER.name, Role.VIEWER)
        codes = [code for code, issue in broker.exchange.issues.items() if not issue.halted]
        for n in range(2 * rounds):
            name = ("calm", "flooded")[n % 2]
            await asyncio.sleep(ROUNDS_APART)
            flooding = asyncio.create_task(_questions(on, codes)) if n % 2 else None
            await asyncio.sleep(0.1)
            ticket, order = await _trade(on, PEOPLE[n % len(PEOPLE)].id, codes[n % len(codes)])
            taken[name]["ticket"].append(ticket)
            taken[name]["order"].append(order)
            if flooding is not None:
                flooding.cancel()
        halted = await _halt(on)
        await quiet(on)
    figures: dict[str, Any] = {"rounds": rounds, "slot_ms": 1000 * SLOT, "halt_s": halted}
    for name, found in taken.items():
        figures[name] = {
            f"{what}_p{percent}_ms": 1000 * percentile(seconds, percent)
            for what, seconds in found.items()
            for percent in (50, 99)
        }
    return _rows(figures), figures


def _rows(figures: dict[str, Any]) -> list[Row]:
    rows = []
    for what, ko, en in (
        ("ticket", "주문서가 뜨기까지", "to the ticket"),
        ("order", "누른 뒤 주문까지", "from the tap to the order"),
    ):
        calm, flooded = (figures[name][f"{what}_p99_ms"] for name in ("calm", "flooded"))
        rows.append(
            Row(
                f"다른 사람이 조회를 쏟아부을 때 {ko}, p99 (평소와의 차)",
                f"{en} while somebody floods, p99 beside the calm one",
                f"{(flooded - calm) / figures['slot_ms']:+.1f} 간격 · slots",
                f"{flooded:.0f} ms, calm {calm:.0f} ms, n={figures['rounds']}",
            )
        )
    rows.append(
        Row(
            f"메시지 {NONSENSE}개가 쏟아지는 중 /중지가 듣기까지",
            f"until /halt acts in a flood of {NONSENSE} messages",
            f"{figures['halt_s']:.2f} s",
            f"sent {HALT_AFTER:.0f} s into the flood",
        )
    )
    return rows


async def _questions(on: Stage, codes: list[str]) -> None:
    for n in range(10**6):
        await on.telegram.send(VIEWER.id, f"/price {codes[n % len(codes)]}")
        if n >= BURST:
            await asyncio.sleep(1)


async def _trade(on: Stage, person: int, code: str) -> tuple[float, float]:
    before, orders, watch = on.telegram.revision, on.broker.exchange.orders, on.app.parts.report_handler
    began = time.monotonic()
    await on.telegram.send(person, f"/buy {code} 1 시장가")
    ticket = await on.telegram.wait(person, lambda message: bool(message.buttons), after=before)
    shown = time.monotonic()
    await asyncio.sleep(STANDS)
    seen, tapped = len(orders), time.monotonic()
    await on.telegram.tap(person, ticket.message_id, "확인")
    if not await happens(lambda: len(orders) > seen, within=15):
        raise RuntimeError(f"an order did not come through: {on.telegram.chat(person)[-1].text}")
    sent = time.monotonic()
    await happens(lambda: not watch.busy(), within=10)
    return shown - began, sent - tapped


async def _halt(on: Stage) -> float:
    async def nonsense() -> None:
        for n in range(NONSENSE):
            await on.telegram.send(VIEWER.id, f"아무 말 {n}")
            await asyncio.sleep(0)

    flooding = asyncio.create_task(nonsense())
    await asyncio.sleep(HALT_AFTER)
    began = time.monotonic()
    await on.telegram.send(PEOPLE[0].id, "/halt")
    if not await happens(lambda: on.app.parts.trading_halt.now().level is HaltLevel.NEW, within=60):
        raise RuntimeError("the halt did not act")
    took = time.monotonic() - began
    await flooding
    return took
