"""How long after the exchange's match a fill is told: with the websocket, and by reading the list every 3 s alone.

From the simulated match to the arrival of the message at the local Telegram, for the person who ordered. The whole bot
and both servers share one event loop, so that the figure holds their work too. Fills come one at a time, at moments
drawn by lot, of orders that have long been waiting; calls keep KIS's limit.
"""

import asyncio
import random
import re
from collections import Counter
from datetime import datetime
from typing import Any

from bot.demo.run import TOKEN, Stage, stage
from bot.demo.telegram import LocalTelegram
from bot.orders.access.roles import Role
from bot.orders.reconciliation.report_reader import BUSY_INTERVAL
from bot.services.fill_stream import StreamState
from kis.config import kst_now
from kis.krx import step
from kis.sim import Simulator
from tests.bench.report import Row, percentile
from tests.bench.tap_to_wire import LIMITS, PEOPLE, PER_SECOND, RICH, SLOT, quiet
from tests.support.fill_stream import WITHOUT_STREAM, streaming
from tests.support.waiting import happens

HOLDERS = 10
"""Telegram takes about one message a second for one chat: the orders are spread over so many."""
UNDER = 10
"""How many ticks below the market the orders wait."""
AIMS = {"stream": {"p50_ms": 50.0, "p99_ms": 200.0}, "poll": {"p99_ms": 1000 * (BUSY_INTERVAL + SLOT)}}
"""At most; without notices a reading may be a whole interval away, and waits for its slot of KIS's pace."""
_TOTAL = re.compile(r"누적 <b>(\d+)/")
WAYS = {
    "stream": ("체결 통보로 깨움", "woken by fill notices"),
    "poll": ("3초마다 조회만", "the list read every 3 s alone"),
}
PAUSES = (0.3, 0.9)
"""Shortest and longest pause between two fills, in seconds."""


async def fill_latency(*, fills: int = 100, seed: int = 1) -> tuple[list[Row], dict[str, Any]]:
    """The delay either way, in milliseconds, and in readings of the list."""
    figures: dict[str, Any] = {"fills": fills, "slot_ms": 1000 * SLOT, "aims": AIMS}
    rows = []
    for name, (ko, en) in WAYS.items():
        delays, counts = await told_after(fills, random.Random(seed), heard=name == "stream")
        found = figures[name] = {
            "n": len(delays),
            **counts,
            **{f"p{percent}_ms": percentile(delays, percent) for percent in (50, 95, 99)},
            "longest_ms": max(delays),
        }
        met = all(found[key] <= most for key, most in AIMS[name].items())
        aims = ", ".join(f"{key[:3]} ≤ {most:.0f} ms" for key, most in AIMS[name].items())
        found["met"] = met
        rows.append(
            Row(
                f"체결된 뒤 알림이 나가기까지, {ko}",
                f"from the match to the message leaving, {en}",
                f"{found['p50_ms'] / 1000 / BUSY_INTERVAL:.3f} / {found['p99_ms'] / 1000 / BUSY_INTERVAL:.3f} 조회 간격 · intervals",
                f"p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms, n={found['n']}; {aims}: {'✔' if met else '✘ missed'}",
            )
        )
    return rows, figures


async def told_after(fills: int, chance: random.Random, *, heard: bool) -> tuple[list[float], dict[str, int]]:
    """Milliseconds from each match to its message, and what was counted on the way."""
    broker = Simulator(profile="real", cash=RICH, per_second=PER_SECOND)
    telegram = LocalTelegram(token=TOKEN, people=PEOPLE[:HOLDERS])
    async with stage(broker=broker, telegram=telegram, **{"kis_min_interval": SLOT, **LIMITS, **WITHOUT_STREAM}) as on:
        waiting = await _orders(on, -(-fills // HOLDERS))
        if not heard:
            return await _told(on, fills, waiting, chance), {}
        async with streaming(on) as at:
            delays = await _told(on, fills, waiting, chance)
            counts = at.stream.counts
            assert at.stream.state is StreamState.CONNECTED
            return delays, {
                "notices": counts.notices,
                "missed_by_stream": counts.missed_by_stream,
                "missed_by_poll": counts.missed_by_poll,
            }


async def _orders(on: Stage, quantity: int) -> dict[int, tuple[str, int]]:
    """Everybody has an order waiting in a stock of their own; code and price by chat."""
    stocks = [(code, issue) for code, issue in on.broker.exchange.issues.items() if not issue.halted]
    waiting: dict[int, tuple[str, int]] = {}
    for person, (code, issue) in zip(PEOPLE[:HOLDERS], stocks, strict=False):
        price = step(issue.last, -UNDER, etf=issue.listing.etf)
        on.app.storage.people.put(person.id, person.name, Role.TRADER)
        before = on.telegram.revision
        await on.telegram.send(person.id, f"/buy {code} {quantity} {price}")
        ticket = await on.telegram.wait(person.id, lambda message: bool(message.buttons), after=before)
        before = on.telegram.revision
        await on.telegram.tap(person.id, ticket.message_id, "확인")
        await on.telegram.wait(person.id, "주문번호", after=before)
        waiting[person.id] = code, price
    await quiet(on)
    return waiting


async def _told(on: Stage, fills: int, waiting: dict[int, tuple[str, int]], chance: random.Random) -> list[float]:
    """One share changes hands at a time; whose, is drawn by lot."""
    matched: list[tuple[int, int, datetime]] = []
    left = [chat for chat in waiting for _ in range(-(-fills // HOLDERS))]
    chance.shuffle(left)
    shares: Counter[int] = Counter()
    for chat in left[:fills]:
        await asyncio.sleep(chance.uniform(*PAUSES))
        shares[chat] += 1
        began = kst_now()
        if not on.broker.exchange.trade(*waiting[chat], 1):
            raise RuntimeError("nothing was filled")
        matched.append((chat, shares[chat], began))
    if not await happens(lambda: all(_arrived(on, *last) for last in shares.items()), within=30):
        raise RuntimeError("a fill was not told")
    await quiet(on)
    arrivals = [_arrived(on, chat, total) for chat, total, _ in matched]
    return [
        (at - began).total_seconds() * 1000
        for (_, _, began), at in zip(matched, arrivals, strict=True)
        if at is not None
    ]


def _arrived(on: Stage, chat: int, total: int) -> datetime | None:
    """When the first message reached Telegram that tells this chat of so many shares in all, or of more."""
    for call in on.telegram.calls:
        if call.method == "sendMessage" and str(call.params.get("chat_id")) == str(chat):
            found = _TOTAL.search(str(call.params.get("text")))
            if found is not None and int(found[1]) >= total:
                return call.at
    return None
