"""The rows of the matrix that befall the disk and the clock, or come from Telegram."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bot.orders.risk.trading_halt import HaltLevel
from bot.store.database import open_database
from kis.krx import KST
from kis.sim.faults.catalogue import ALWAYS
from tests.chaos import disk
from tests.chaos.error_log import logged_errors
from tests.chaos.matrix import Case, _in_time, events, judged
from tests.chaos.matrix_chat import Person, Telegram
from tests.chaos.matrix_process import shown
from tests.chaos.matrix_stand import ORDER_PATH, OWNER, Stand, hook, word
from tests.support.virtual_time import VirtualClock, run_virtual

Fault = Callable[[Stand], contextlib.AbstractContextManager[None]]
DISKS: dict[str, Fault] = {
    "full": lambda stand: disk.full(stand.connection),
    "locked": lambda stand: disk.locked(stand.home / "kisbot.db"),
    "broken": lambda stand: disk.broken() if os.name == "posix" else disk.locked(stand.home / "kisbot.db"),
}
"""An I/O error can be planted on POSIX alone."""
ALLOWED_WORDS = ("sending an order failed", "an outcome cannot be recorded", "a reading could not be taken in")
"""What the program says of a disk that refuses, and nothing worse."""
HEALS_AFTER = 6.0
BEFORE_MIDNIGHT = datetime(2026, 11, 23, 23, 58, 45, tzinfo=KST)


def other_cases() -> Iterator[Case]:
    """Rows T, D and K, but those that need the whole program."""
    for row, name in (("D1", "full"), ("D2", "locked"), ("D3", "broken")):
        yield Case(row, f"disk {name} before the attempt", partial(_in_time, partial(_before, name)))
    for name in DISKS:
        yield Case("D4", f"disk {name} after the POST", partial(_in_time, partial(_after, name)))
    for seconds in (5.0, -5.0):
        yield Case("K1", f"KIS's clock {seconds:+} s", partial(_in_time, partial(_skewed, seconds, 0.0)))
    yield Case("K1", "KIS's Date alone -5 s", partial(_in_time, partial(_skewed, 0.0, -5.0)))
    yield Case("K3", "the answer is lost at midnight", _midnight)
    yield Case("T1", "an update comes twice", partial(_in_time, partial(_told, _twice, ())))
    yield Case("T2", "updates come again after a restart", partial(_in_time, partial(_told, _replayed, ())))
    yield Case("T3", "two taps at once", partial(_in_time, partial(_told, _double_tap, ())))
    yield Case("T5", "told to wait three times", partial(_in_time, partial(_told, _calm, ("429",) * 3)))
    for plan in (("lost",), ("delivered",), ("lost", "delivered"), ("delivered", "429", "lost")):
        yield Case("T6", f"sendMessage: {', '.join(plan)}", partial(_in_time, partial(_told, _calm, plan)))


def known_limits() -> Iterator[Case]:
    """What the desk does not settle by itself, and is counted apart: K1 stays unknown until a person has answered."""
    yield Case(
        "K1", "KIS's Date alone +5 s: the ledger's clock is behind", partial(_in_time, partial(_skewed, 0.0, 5.0))
    )
    yield Case("Q9", "by hand while ours was lost, before our channel is known", partial(_in_time, _unlearned))


async def _unlearned(clock: VirtualClock, home: Path) -> list[str]:
    """A stranger's row must not be taken for ours, which never arrived."""
    stand = Stand(clock, home)
    await stand.begin()
    stand.simulator.faults.plant("lose_request", path=ORDER_PATH)
    sending = asyncio.get_running_loop().create_task(stand.order())
    await asyncio.sleep(1)
    stand.key_in()
    order = await sending
    await stand.settled(600)
    found = judged(stand, stand.now(order.id), 0, allowed=1, booked=False)
    await stand.life.end()
    return found


# --- the disk ---------------------------------------------------------------------------------------------------------


def _on_disk(clock: VirtualClock, home: Path) -> Stand:
    db = open_database(home / "kisbot.db")
    db.execute("PRAGMA busy_timeout=10").fetchall()
    return Stand(clock, home, connection=db.conn)


async def _before(name: str, clock: VirtualClock, home: Path) -> list[str]:
    """Without its row on disk nothing leaves; once the disk is well the person is told that it did not."""
    stand = _on_disk(clock, home)
    await stand.begin()
    with contextlib.ExitStack() as fault:
        with hook("before_attempt:1", lambda _: fault.enter_context(DISKS[name](stand))):
            order = await stand.order()
        posts = len(stand.transport.posts)
    await asyncio.sleep(90)
    order = stand.now(order.id)
    found = [] if posts == 0 else [f"{posts} POSTs without a row on disk"]
    found += [] if word(order) == "expired" else [f"it became {word(order)}"]
    found += judged(stand, order, 0, allowed=0, booked=False)
    found += [f"logged: {one}" for one in logged_errors() if not one.startswith(ALLOWED_WORDS)]
    await stand.life.end()
    stand.connection.close()
    return found


async def _after(name: str, clock: VirtualClock, home: Path) -> list[str]:
    """The outcome is written as soon as the disk is well; meanwhile nothing is sent, afterwards trading is halted."""
    stand = _on_disk(clock, home)
    await stand.begin()
    found: list[str] = []
    with contextlib.ExitStack() as fault:
        with hook("before_outcome:1", lambda _: fault.enter_context(DISKS[name](stand))):
            sending = asyncio.get_running_loop().create_task(stand.order())
            await asyncio.sleep(HEALS_AFTER)
        if sending.done():
            found.append("the outcome was given up")
        refused = await stand.ticket(stand.ask(stand.others[0]))
        if not isinstance(refused, list) or "DISK" not in {one.code for one in refused}:
            found.append(f"another ticket while the disk refused: {refused}")
    order = await sending
    if stand.life.trading_halt.now().level is not HaltLevel.NEW or stand.life.trading_halt.now().why != "DISK":
        found.append(f"brakes {stand.life.trading_halt.now()}")
    await asyncio.sleep(20)
    stand.exchange.trade(stand.code, stand.price, 10)
    await asyncio.sleep(40)
    order = stand.now(order.id)
    found += [] if word(order) == "placed" else [f"it became {word(order)}"]
    found += judged(stand, order, 0, allowed=1, booked=True)
    found += [f"logged: {one}" for one in logged_errors() if not one.startswith(ALLOWED_WORDS)]
    await stand.life.end()
    stand.connection.close()
    return found


# --- the clock --------------------------------------------------------------------------------------------------------


async def _skewed(ahead: float, date: float, clock: VirtualClock, home: Path) -> list[str]:
    """Five seconds are a word on the ticket, twelve are a refusal; a lost order is found by the broker's clock."""
    stand = Stand(clock, home, ahead=ahead)
    if date:
        stand.simulator.faults.plant("skew", times=ALWAYS, seconds=date)
    await stand.begin()
    await asyncio.sleep(60)
    stand.simulator.faults.plant("lose_reply", path=ORDER_PATH)
    order = await stand.order()
    found = (
        []
        if "CLOCK_WARN" in {one.code for one in stand.now(order.id).notes}
        else ["the ticket does not mention the clock"]
    )
    await asyncio.sleep(60)
    found += [] if word(stand.now(order.id)) == "found" else [f"a minute later it is {word(stand.now(order.id))}"]
    await stand.settled()
    found += judged(stand, stand.now(order.id), 0, allowed=1, booked=True)
    stand.simulator.faults.clear()
    stand.simulator.faults.plant("skew", times=ALWAYS, seconds=12.0 - ahead)
    await asyncio.sleep(400)
    refused = await stand.ticket(stand.ask(stand.others[0]))
    if not isinstance(refused, list) or {one.code for one in refused} != {"CLOCK"}:
        found.append(f"twelve seconds off: {refused}")
    await stand.life.end()
    return found


def _midnight(home: Path) -> list[str]:
    return run_virtual(lambda clock: _over_midnight(clock, home), BEFORE_MIDNIGHT)


async def _over_midnight(clock: VirtualClock, home: Path) -> list[str]:
    """Sent on one day and found on the next: it is yesterday's, whatever today's list says."""
    stand = Stand(clock, home)
    await stand.begin()
    await asyncio.sleep(69)
    stand.simulator.faults.plant("lose_reply", path=ORDER_PATH)
    order = await stand.order()
    await asyncio.sleep(10)
    stand.key_in()  # today's numbers begin anew: another row may bear any number
    await asyncio.sleep(60)
    await stand.settled()
    order = stand.now(order.id)
    found = [] if word(order) == "found" else [f"it became {word(order)}"]
    if order.day != BEFORE_MIDNIGHT.date():
        found.append(f"it is of {order.day}")
    if order.order_no != stand.ours()[0].number:
        found.append("it is another row")
    found += judged(stand, order, 0, allowed=1, booked=True)
    await stand.life.end()
    return found


# --- Telegram ---------------------------------------------------------------------------------------------------------

Play = Callable[[Stand, Person, Telegram], Coroutine[Any, Any, None]]


async def _told(play: Play, plan: tuple[str, ...], clock: VirtualClock, home: Path) -> list[str]:
    """One effect, whatever Telegram hands out twice; each fill shown, twice at most and then labelled."""
    stand, telegram = Stand(clock, home), Telegram(plan=list(plan))
    await stand.begin()
    person = Person(stand, telegram, market=False)
    person.begin()
    telegram.send("buy")
    await play(stand, person, telegram)
    await asyncio.sleep(20)
    for row in stand.exchange.open_orders():
        stand.exchange.trade(row.code, row.price, 4)
        await asyncio.sleep(20)
        stand.exchange.trade(row.code, row.price, row.open)
    await asyncio.sleep(60)
    (count,) = stand.connection.execute("SELECT count(*) FROM orders").fetchone()
    found = [] if count == 1 else [f"{count} orders came of one message"]
    order_id = person.order_id()
    assert order_id is not None
    order = stand.now(order_id)
    found += [] if word(order) == "placed" else [f"it became {word(order)}"]
    found += judged(stand, order, 0, allowed=1, booked=True)
    found += shown(stand, telegram, order_id)
    seen = {one.data["filled"] for one in telegram.shown_of(order_id, "fill")}
    digest = [one for one in telegram.shown if one.kind == "digest"]
    if seen != {4, 10} and not digest:
        found.append(f"fills shown: {sorted(seen)}, and no digest")
    found += [] if events(stand.connection, order_id).count("order.confirmed") == 1 else ["confirmed more than once"]
    await stand.life.end()
    return found


async def _calm(_stand: Stand, person: Person, _telegram: Telegram) -> None:
    for _ in range(5):
        await asyncio.sleep(1)
        person.look()


async def _twice(stand: Stand, person: Person, telegram: Telegram) -> None:
    telegram.again(telegram.number, "buy")
    await _calm(stand, person, telegram)
    telegram.again(telegram.number, "buy")


async def _double_tap(stand: Stand, person: Person, telegram: Telegram) -> None:
    await asyncio.sleep(2)
    token = next(one.data["confirm"] for one in telegram.shown if "confirm" in one.data)
    person.pressed.add(token)
    for _ in range(3):
        telegram.send(token)


async def _replayed(stand: Stand, person: Person, telegram: Telegram) -> None:
    await _calm(stand, person, telegram)
    token = next(iter(person.pressed))
    number = telegram.number
    stand.strike()
    await stand.again()
    person.begin()
    for n in range(3):
        telegram.again(number - 1, "buy")
        telegram.again(number + n, token)
    await asyncio.sleep(5)
    stand.life.desk.resume(HaltLevel.OFF, OWNER)
