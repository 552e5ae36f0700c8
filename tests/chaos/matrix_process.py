"""The rows of the matrix that end a life, befall the disk or the clock, or come from Telegram."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.chaos.matrix import Case, _in_time, events, judged
from tests.chaos.matrix_cases import Behaviour, KillPoint, kills
from tests.chaos.matrix_chat import Person, Telegram
from tests.chaos.matrix_stand import ME, ORDER_PATH, Stand, trap
from tests.support.virtual_time import VirtualClock

MOST_COPIES = 2


def kill_cases() -> Iterator[Case]:
    """The 128."""
    for point, behaviour in kills():
        what = f"killed at {point.point}; the broker {behaviour.what}"
        yield Case(f"{point.id}{behaviour.id}", what, partial(_in_time, partial(_killed, point, behaviour)))


async def _killed(point: KillPoint, behaviour: Behaviour, clock: VirtualClock, home: Path) -> list[str]:
    stand, telegram = Stand(clock, home), Telegram()
    await stand.begin()
    person = Person(stand, telegram, market=behaviour.market)
    person.begin()
    for plant in behaviour.plants:
        stand.simulator.faults.plant(plant.name, times=plant.times, path=ORDER_PATH, **plant.how)
    telegram.send("buy")
    unheard = point.point == "answer_read" and behaviour.id in {"B3", "B4"}  # there is no answer to read
    with trap("before_outcome:1" if unheard else f"{point.point}:{point.n}", stand.strike):
        await _until_killed(stand, person)
    posts = len(stand.transport.posts)
    first = person.order_id()
    tapped = first is not None and "order.confirmed" in events(stand.connection, first)
    await stand.again()
    person.begin()
    await asyncio.sleep(3)
    stand.release()
    found = [] if stand.deaths else ["nobody was killed"]
    await _lived_on(stand, person)
    order_id = person.order_id()
    if order_id is None:
        return [*found, "the wish is forgotten"]
    order = stand.now(order_id)
    found += judged(stand, order, 0, allowed=2 if behaviour.id == "B6" else 1)
    if tapped and len(stand.transport.posts) > posts:
        found.append("a later life sent what an earlier one was asked to send")
    if tapped != point.tapped:
        found.append(f"tapped before the kill: {tapped}")
    if bool(stand.ours()) and not point.sent and tapped:
        found.append("it reached the broker although it had not left")
    found += shown(stand, telegram, order.id)
    await stand.life.end()
    return found


async def _until_killed(stand: Stand, person: Person) -> None:
    for _ in range(600):
        if stand.deaths:
            return
        await asyncio.sleep(0.1)
        person.look()


async def _lived_on(stand: Stand, person: Person) -> None:
    """The next life: what was not tapped is tapped now, what is in doubt is settled, what rests is filled."""
    for _ in range(40):
        person.look()
        await asyncio.sleep(1)
        if not person.unanswered():
            break
    await stand.settled()
    await asyncio.sleep(20)
    for row in stand.exchange.open_orders():
        stand.exchange.trade(row.code, row.price, row.open)
    await asyncio.sleep(40)


def shown(stand: Stand, telegram: Telegram, order_id: int) -> Iterator[str]:
    """What the person saw: each fill, twice at most and the second time labelled; and how it ended."""
    fills = telegram.shown_of(order_id, "fill")
    for filled, count in Counter(one.data["filled"] for one in fills).items():
        plain = sum(one.data["filled"] == filled and not one.resent for one in fills)
        if count > MOST_COPIES or plain > 1:
            yield f"{filled} shares told {count} times, {plain} of them without a label"
    queued = "SELECT count(*) FROM outbox WHERE kind = 'fill' AND chat_id = ? AND order_id = ?"
    (wanted,) = stand.connection.execute(queued, [ME.chat_id, order_id]).fetchone()
    if wanted and not fills:
        yield "the fill was never shown"
    (left,) = stand.connection.execute(
        "SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending') AND kind != 'digest'"
    ).fetchone()
    if left:
        yield f"{left} messages never left"
    cards = telegram.shown_of(order_id, "card")
    if not cards:
        yield "the person was shown nothing"
