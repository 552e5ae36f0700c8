"""How long after a tap the order leaves: from the tap in the local Telegram to the order's arrival at the broker.

The whole bot and both servers share one event loop, so that the figure holds their work too.
"""

import asyncio
import time
from typing import Any, NamedTuple

from bot.demo.run import TOKEN, Stage, stage
from bot.demo.telegram import LocalTelegram, Person
from bot.orders.people import Role
from kis.config import kst_now
from kis.sim import Simulator
from kis.sim.gateway import Recorded
from tests.bench.report import Row, median, percentile, times
from tests.bench.waiting import until

PEOPLE = tuple(Person(2001 + n, f"손님{n}", "매매자") for n in range(60))
"""Telegram takes about one message a second for one chat: the orders are spread over many."""
RICH = 10**12
KIS_PACE = 0.06
"""Seconds between calls: just under the 18 a second that KIS allows a real account."""
WARM_UP = 10


class Tap(NamedTuple):
    """Seconds from a tap to the order, and of one question to the broker just before."""

    delay: float
    question: float


async def tap_to_wire(*, taps: int = 100) -> tuple[list[Row], dict[str, Any]]:
    """The delay without any pacing, and with KIS's own."""
    figures: dict[str, Any] = {"taps": taps, "kis_pace_s": KIS_PACE}
    for name, interval in (("unpaced", 0.0), ("paced", KIS_PACE)):
        taken = await _taken(interval, taps)
        delays = [1000 * tap.delay for tap in taken]
        figures[name] = {f"p{percent}_ms": percentile(delays, percent) for percent in (50, 99)}
        figures[name]["questions"] = median([tap.delay / tap.question for tap in taken])
    unpaced, paced = figures["unpaced"], figures["paced"]
    turns = paced["p50_ms"] / (1000 * KIS_PACE)
    return [
        Row(
            "버튼을 누른 뒤 주문이 나가기까지 (호출 간격 없음), 시세 조회 한 번 대비",
            "from the tap to the order leaving, no spacing of calls, beside one `price()`",
            times(unpaced["questions"]),
            f"p50 {unpaced['p50_ms']:.0f} ms, p99 {unpaced['p99_ms']:.0f} ms, n={taps}",
        ),
        Row(
            f"같은 것, KIS 한도대로 호출 간격 {KIS_PACE} s (읽기 3번 뒤에 주문)",
            f"the same with calls {KIS_PACE} s apart, KIS's limit (three reads, then the order)",
            f"{turns:.1f} 간격 · intervals",
            f"p50 {paced['p50_ms']:.0f} ms, p99 {paced['p99_ms']:.0f} ms, n={taps}",
        ),
    ], figures


async def _taken(interval: float, taps: int) -> list[Tap]:
    broker = Simulator(profile="real", cash=RICH, rate_limit=bool(interval))
    telegram = LocalTelegram(token=TOKEN, people=PEOPLE)
    limits = {"kisbot_max_order_value": RICH, "kisbot_ticket_seconds": 600}
    async with stage(broker=broker, telegram=telegram, kis_min_interval=interval, **limits) as on:
        for person in PEOPLE:
            on.app.people.put(person.id, person.name, Role.TRADER)
        stocks = [code for code, issue in broker.exchange.issues.items() if not issue.halted]
        taken = []
        for n in range(WARM_UP + taps):
            # a stock is bought, and sold again once every other one had its turn
            side = "sell" if n // len(stocks) % 2 else "buy"
            taken.append(await _tap(on, PEOPLE[n % len(PEOPLE)].id, side, stocks[n % len(stocks)], interval))
        await _quiet(on)
    return taken[WARM_UP:]


async def _tap(on: Stage, person: int, side: str, code: str, interval: float) -> Tap:
    before = on.telegram.revision
    await on.telegram.send(person, f"/{side} {code} 1 시장가")
    ticket = await on.telegram.wait(person, lambda message: bool(message.buttons), after=before)
    began = time.perf_counter()
    await on.app.client.price(code)
    question = time.perf_counter() - began
    await asyncio.sleep(interval)  # nobody presses before the calls that made the ticket are over
    seen = len(on.broker.exchange.orders)
    tapped = kst_now()
    await on.telegram.tap(person, ticket.message_id, "확인")
    orders, watch = on.broker.exchange.orders, on.app.watch
    if not await until(lambda: len(orders) > seen and not watch.busy(), within=10):
        raise RuntimeError(f"the order for {code} did not come through")
    order = next(one for one in reversed(on.broker.requests) if _is_order(one))
    return Tap((order.at - tapped).total_seconds(), question)


def _is_order(one: Recorded) -> bool:
    return one.method == "POST" and one.path.endswith("order-cash")


async def _quiet(on: Stage) -> None:
    """Nobody reads these chats: what still waits to be told would only hold up the end."""
    on.app.db.execute("UPDATE outbox SET state = 'failed' WHERE state = 'pending'")
    await asyncio.sleep(0)
