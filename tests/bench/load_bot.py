"""The bot as a process of its own, with tickets that already stand in everybody's chat.

`python -m tests.bench.load_bot` reads what is wanted as one line of JSON, prints the tickets and their keys as one
line, works until its input is closed, and prints what it noted as the last line. Settings come from the environment.
"""

import asyncio
import contextlib
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from bot.app.application import BotApplication
from bot.config.logging import set_up_logs
from bot.config.settings import load_settings
from bot.orders.access.roles import Actor, Role
from bot.orders.model.order import Order, OrderRequest
from bot.orders.risk.context import PretradeData
from kis.models import OrderKind, Side

FIRST_MESSAGE = 1_000_000
"""The message that shows a ticket bears this number plus the order's."""
LOOKS = 0.05
"""Seconds between looks at how late the event loop is."""


async def main() -> None:
    wanted = json.loads(sys.stdin.readline())
    app = BotApplication(load_settings(env_file=None))
    for number in wanted["people"]:
        app.storage.people.put(number, f"손님{number}", Role.TRADER)
    async with app.running():
        _say(await _tickets(app, wanted))
        async with _noting(app) as noted:
            await asyncio.to_thread(sys.stdin.read)
        _say(noted)


async def _tickets(app: BotApplication, wanted: dict[str, Any]) -> list[tuple[int, int, str, str, int]]:
    """Chat, order, key, code and quantity of each; no two orders have the same code and quantity."""
    people, stocks = wanted["people"], wanted["stocks"]
    app.storage.db.execute("PRAGMA synchronous=OFF")  # nothing of this is measured
    made = []
    for n in range(wanted["tickets"]):
        chat, (code, name, price) = people[n % len(people)], stocks[n % len(stocks)]
        quantity = n // len(stocks) + 1
        ask = OrderRequest(Side.BUY, code, name, etf=False, quantity=quantity, kind=OrderKind.LIMIT, price=price)
        order = await app.parts.desk.propose(ask, Actor(chat, chat, f"손님{chat}", Role.TRADER), -n - 1)
        if not isinstance(order, Order):
            raise TypeError(f"no ticket: {order}")
        # before anything else runs: the card counts as delivered, as Telegram takes only so many a second
        (token,) = app.storage.db.execute(
            "UPDATE outbox SET state = 'sent', message_id = ? WHERE order_id = ? "
            "RETURNING json_extract(data, '$.secrets.confirm')",
            [FIRST_MESSAGE + order.id, order.id],
        ).fetchone()
        made.append((chat, order.id, token, code, quantity))
    app.storage.db.execute("PRAGMA synchronous=FULL")
    return made


@contextlib.asynccontextmanager
async def _noting(app: BotApplication) -> AsyncIterator[dict[str, Any]]:
    """Notes whether each send found its reads there, how late the event loop is, and how long it has had no work."""
    noted: dict[str, Any] = {"fresh": [], "late_ms": [], "idle": []}
    idle = _idle()
    for_send = app.parts.desk.pretrade.for_send

    async def listened(ask: OrderRequest, *after: Any) -> PretradeData:
        look = await for_send(ask, *after)
        noted["fresh"].append((ask.code, ask.quantity, look.fresh))
        return look

    async def lateness() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(LOOKS)
            noted["late_ms"].append(round(1000 * (time.perf_counter() - began - LOOKS), 1))
            noted["idle"].append((time.time(), idle[0]))

    app.parts.desk.pretrade.for_send = listened  # type: ignore[method-assign]  # listened to, and passed on unchanged
    looking = asyncio.get_running_loop().create_task(lateness())
    try:
        yield noted
    finally:
        looking.cancel()


def _idle() -> list[float]:
    """Seconds that the event loop has waited for something to happen: what it is not busy with, disk or CPU."""
    seconds = [0.0]
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]  # nobody else knows
    select = selector.select

    def timed(timeout: float | None = None) -> Any:
        began = time.perf_counter()
        try:
            return select(timeout)
        finally:
            seconds[0] += time.perf_counter() - began

    selector.select = timed
    return seconds


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    set_up_logs(level=logging.ERROR)
    asyncio.run(main())
