"""The deterministic fault matrix, played on the real desk in virtual time: each case says what broke, which is nothing.

`run()` plays all of it; `tests/chaos/test_matrix.py` plays it row by row.
"""

import asyncio
import json
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bot.orders.model.order import AT_BROKER, ON_ITS_WAY, Order, OrderState
from kis.sim.faults.catalogue import ALWAYS
from tests.chaos.error_log import logged_errors
from tests.chaos.matrix_cases import CONNECT, MORE_READS, POSTS, READS, Plant, PostFault, ReadFault, pairs
from tests.chaos.matrix_stand import LIST_PATH, ME, ORDER_PATH, UNSETTLED, Stand, word
from tests.support.virtual_time import MONDAY_MORNING, VirtualClock, run_virtual

TOKEN_REST = 62.0
"""Seconds after which KIS issues another token."""
LEARNED = 3
"""Orders whose number the broker gave us, after which our channel is known."""
BOOKED_ENDS = frozenset({"placed", "found", "late", "by a person"})
UNBOOKED_ENDS = frozenset({"absent", "never_booked", "rejected", "not_sent", "blocked", "expired"})


@dataclass(frozen=True)
class Case:
    """One case of the matrix: `play` returns the sentences of what broke."""

    id: str
    what: str
    play: Callable[[Path], list[str]]


def cases(only: str = "") -> Iterator[Case]:
    """Every case whose id holds the text."""
    from tests.chaos.matrix_more import other_cases  # noqa: PLC0415  # it builds upon this
    from tests.chaos.matrix_process import kill_cases  # noqa: PLC0415  # likewise

    for case in (*single_cases(), *other_cases(), *pair_cases(), *kill_cases()):
        if only in case.id:
            yield case


def run(only: str = "") -> tuple[Counter[str], list[str]]:
    """Play every case; how many there were by kind with the seconds they took, and what broke."""
    from tests.chaos.matrix_more import known_limits  # noqa: PLC0415  # it builds upon this

    counts: Counter[str] = Counter()
    broken: list[str] = []
    began = time.monotonic()
    for case in cases(only):
        kind = "pairs" if "x" in case.id and case.id[0] != "P" else "kills" if case.id[0] == "P" else "singles"
        counts[kind] += 1
        broken += played(case)
    counts["cases"] = counts.total()
    counts["known limits"] = sum(bool(played(case)) for case in known_limits() if only in case.id)
    counts["milliseconds"] = round((time.monotonic() - began) * 1000)
    counts["broken"] = len(broken)
    return counts, broken


def played(case: Case) -> list[str]:
    """What broke in one case, faults of the program that were only logged among it."""
    logged_errors()
    with tempfile.TemporaryDirectory(prefix="kisbot-matrix-") as home:
        try:
            found = case.play(Path(home))
        except Exception as fault:  # noqa: BLE001  # a case that falls over is a case that broke
            found = [f"{type(fault).__name__}: {fault}"]
    found += [
        f"logged: {one}" for one in logged_errors() if "(Died" not in one and "(Killed" not in one
    ]  # words of the dead
    return [f"{case.id} ({case.what}): {one}" for one in found]


# --- one fault, or one of the POST's with one of the readings' --------------------------------------------------------


def single_cases() -> Iterator[Case]:
    """Rows C to Q, in all their forms; a reading's fault strikes while the answer to a POST was lost."""
    for rows in (CONNECT, POSTS):
        for forms in rows.values():
            for post in forms:
                yield Case(post.id, post.what, partial(_in_time, partial(_fault, post, None)))
    lost = POSTS["R1"][0]
    for read in (*READS.values(), *MORE_READS):
        yield Case(read.id, read.what, partial(_in_time, partial(_fault, lost, read)))


def pair_cases() -> Iterator[Case]:
    """The 252."""
    for post, read in pairs():
        yield Case(f"{post.id}x{read.id}", f"{post.what}; {read.what}", partial(_in_time, partial(_fault, post, read)))


def _in_time(play: Callable[[VirtualClock, Path], Coroutine[Any, Any, list[str]]], home: Path) -> list[str]:
    return run_virtual(lambda clock: play(clock, home), MONDAY_MORNING)


async def _fault(post: PostFault, read: ReadFault | None, clock: VirtualClock, home: Path) -> list[str]:
    stand = Stand(clock, home, paper=read is not None and read.paper, tls=post.tls)
    await stand.begin()
    for _ in range(20 if read is not None and read.paper else 0):  # so that the list has a second page
        stand.exchange.submit("buy", stand.others[0], "00", 1, stand.exchange.issues[stand.others[0]].lower)
    if read is not None and read.act.startswith("by_hand"):
        for _ in range(LEARNED):
            await stand.order(stand.ask(stand.others[1], market=True))
            await asyncio.sleep(40)
    await asyncio.sleep(TOKEN_REST)
    if read is not None and read.act == "by_hand_before":
        stand.key_in()
        await asyncio.sleep(2)
    begin = len(stand.transport.posts)
    helpers: list[asyncio.Task[None]] = []

    def strike() -> None:
        if read is None or helpers:
            return
        for plant in read.plants:
            stand.simulator.faults.plant(plant.name, times=ALWAYS, path=LIST_PATH, **plant.how)
        act = getattr(stand, read.act)() if read.act else asyncio.sleep(0)
        helpers.append(asyncio.get_running_loop().create_task(act))

    for plant in post.plants:
        _plant(stand, plant)
    stand.transport.after_post = strike
    order = await stand.order()
    after = max(read.lasts if read is not None and read.plants else 0.0, post.waits)
    await asyncio.sleep(after + 1)
    missed = _never_fired(stand, (*post.plants, *(read.plants if read is not None else ())))
    stand.simulator.faults.clear()
    stand.transport.wire.clear()
    stand.transport.no_address = 0
    if read is not None:
        stand.transport.after_post = lambda: None
    await _to_the_end(stand, helpers)
    stopped = read is not None and read.blind and post.posts > 1
    booked = None if stopped else post.booked
    found = judged(stand, stand.now(order.id), begin, allowed=post.posts, booked=booked)
    ends = post.ends if read is None else _ends(post, read, booked)
    found += _as_the_row_says(stand, stand.now(order.id), post, ends)
    found += missed
    await stand.life.end()
    return found


def _never_fired(stand: Stand, plants: Iterable[Plant]) -> list[str]:
    """A fault that befell nothing proves nothing."""
    fired = stand.simulator.faults.fired + stand.transport.wire.fired
    return [f"{one.name} never went off" for one in plants if one.name != "dns" and not fired[one.name]]


def _plant(stand: Stand, plant: Plant) -> None:
    if plant.name == "dns":
        stand.transport.no_address = plant.times
    elif plant.line:
        stand.transport.wire.plant(plant.name, times=plant.times, path=ORDER_PATH, **plant.how)
    else:
        stand.simulator.faults.plant(plant.name, times=plant.times, path=ORDER_PATH, **plant.how)


async def _to_the_end(stand: Stand, helpers: list[asyncio.Task[None]]) -> None:
    """The storm is over: the person answers, what rests fills, and everything is told."""
    for helper in helpers:
        await asyncio.wait([helper], timeout=60)
    await stand.settled()
    await asyncio.sleep(45)
    stand.answer()
    await asyncio.sleep(20)
    for row in stand.exchange.open_orders():
        if row.code == stand.code and row.price:
            stand.exchange.trade(row.code, row.price, row.open)
    await asyncio.sleep(40)
    for helper in helpers:
        helper.cancel()
        if helper.done() and not helper.cancelled() and helper.exception() is not None:
            raise helper.exception()  # type: ignore[misc]  # there is one


def _ends(post: PostFault, read: ReadFault, booked: bool | None) -> frozenset[str]:
    """What may become of it where the readings afterwards lie."""
    if booked is None:
        return BOOKED_ENDS | UNBOOKED_ENDS
    if booked and read.plants and post.ends <= {"found", "placed"}:
        return frozenset({"found", "placed", "by a person"})  # it stays in doubt until they tell the truth
    return BOOKED_ENDS if booked else UNBOOKED_ENDS


def _as_the_row_says(stand: Stand, order: Order, post: PostFault, ends: frozenset[str]) -> Iterator[str]:
    end, steps = word(order), events(stand.connection, order.id)
    if end not in ends:
        yield f"it became {end}, not {' or '.join(sorted(ends))}"
    bad = post.never & set(steps)
    if bad:
        yield f"it went through {', '.join(sorted(bad))}"
    if post.booked and not post.later and "order.not_found" in steps:
        yield "it was called absent although the broker had it"


# --- what holds of every case -----------------------------------------------------------------------------------------


def judged(stand: Stand, order: Order, begin: int, *, allowed: int, booked: bool | None = None) -> list[str]:
    """Held against the broker's own ledger, the journal and the outbox. `booked` None: whatever the ledger says."""
    return list(_judged(stand, order, begin, allowed, booked))


def _judged(stand: Stand, order: Order, begin: int, allowed: int, booked: bool | None) -> Iterator[str]:
    ours, posts = stand.ours(), len(stand.transport.posts) - begin
    others = [
        one for one in stand.life.journal.in_state(set(OrderState)) if one.code == order.code and one.id != order.id
    ]
    more = sum(one.attempt for one in others)
    wanted = 1 + sum(one.state in AT_BROKER for one in others)
    if len(ours) > wanted:
        yield f"{len(ours)} orders at the broker for one intent"
    if booked is not None and bool(ours) != booked:
        yield f"the case was to book {booked}, and the broker has {len(ours)}"
    mine = {row.number for row in ours}
    if order.state in AT_BROKER and order.order_no not in mine:
        yield f"told placed as {order.order_no}, which is not ours"
    linked = {one.order_no for one in others if one.state in AT_BROKER}
    if order.state not in AT_BROKER | UNSETTLED | {OrderState.PROPOSED} and mine - linked:
        yield f"told {order.state}, yet the broker has it"
    if order.state in UNSETTLED:
        yield f"still {order.state} at the end"
    if (not begin and posts - more > allowed) or order.attempt > allowed:
        yield f"left {posts - more} times ({order.attempt} attempts), {allowed} allowed"
    yield from _written(stand, order, posts - more)
    yield from _told(stand, order)
    yield from _tokens(stand)


def _written(stand: Stand, order: Order, posts: int) -> Iterator[str]:
    """No POST without its row, none twice under one row, none past its hash."""
    rows = stand.connection.execute(
        "SELECT n, digest FROM attempts WHERE order_id = ? AND endpoint != 'cancel' ORDER BY n", [order.id]
    ).fetchall()
    if posts > len(rows):
        yield f"{posts} POSTs and {len(rows)} attempts on disk"
    if [n for n, _ in rows] != list(range(1, len(rows) + 1)):
        yield f"attempts are numbered {rows}"
    if order.fingerprint != order.terms() and not order.moved_to:
        yield "it is not the order that was approved"


def _told(stand: Stand, order: Order) -> Iterator[str]:
    """Every fill is told once, and the card was brought up to date with the last step."""
    rows = stand.connection.execute(
        "SELECT data FROM outbox WHERE order_id = ? AND kind = 'fill' AND chat_id = ?", [order.id, ME.chat_id]
    ).fetchall()
    told = sum(json.loads(data)["step"] for (data,) in rows)
    filled = sum(row.filled for row in stand.ours() if row.number == order.order_no)
    if told != filled:
        yield f"{told} shares told, {filled} filled"
    (last,) = stand.connection.execute(
        "SELECT max(at) FROM audit WHERE order_id = ? AND action LIKE 'order.%'", [order.id]
    ).fetchone()
    (card,) = stand.connection.execute(
        "SELECT max(made_at) FROM outbox WHERE order_id = ? AND kind = 'card'", [order.id]
    ).fetchone()
    if card is None or card < last:
        yield f"its card is of {card}, its last step of {last}"
    if order.state in ON_ITS_WAY:
        yield "its card says that it is on its way"


def _tokens(stand: Stand) -> Iterator[str]:
    for one, other in zip(stand.transport.tokens, stand.transport.tokens[1:], strict=False):
        if other - one < TOKEN_REST - 2:
            yield f"two tokens asked for within {other - one:.0f} s"


def events(connection: sqlite3.Connection, order_id: int) -> list[str]:
    """The steps of an order's life, by the names of the audit."""
    rows = connection.execute(
        "SELECT action FROM audit WHERE order_id = ? AND action LIKE 'order.%' ORDER BY seq", [order_id]
    )
    return [action for (action,) in rows.fetchall()]
