"""Five thousand fills in a minute, with Telegram at its worst: every third call refused, answers lost, two outages.

Outbox on disk, delivery, sender and the Bot API's client are the real ones, in virtual time; the local Telegram is
reached in memory. What the chats show in the end is the only evidence: every fill of every order, to everybody it is
for, in its order, two copies at most and the second one labelled, and nothing that is urgent behind it in the queue.
"""

import asyncio
import os
import random
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from telegram import Bot
from telegram.request import HTTPXRequest

from bot.demo.telegram import ChatUser, LocalTelegram
from bot.orders.risk.trading_halt import HaltLevel
from tests.chaos.error_log import logged_errors
from tests.support.memory_telegram import BASE, MemoryTelegram
from tests.support.telegram_wire import LABEL, TOKEN, DeliveryHarness
from tests.support.virtual_time import VirtualClock, run_virtual

FILLS, QUICK_FILLS = 5_000, 1_000
SEEDS = 3
ORDERS = 20
SECONDS = 60.0
"""All fills come about within so many."""
TRADERS, OVERSEER, GROUP = (7001, 7002), 7003, -7004
OUTAGES = ((20.0, 60.0), (130.0, 60.0))
"""When Telegram goes away, and for how many seconds."""
REFUSED, LOST = 3, 11
"""Of all calls the third is refused as too many, of the others the eleventh is carried out and its answer lost."""
URGENT_AT = (15.0, 45.0, 100.0)
KILLED_AT, DEAD_FOR = 40.0, 5.0
LATENCY = 0.05
MOST = 3 * 3600.0
"""Seconds after which whatever still waits counts as left over."""
DIGEST = "미확인 알림 모음"
MARK = "긴급"
"""Stands in everything urgent, with a number of its own."""


@dataclass(frozen=True)
class Alarm:
    """Something urgent: the mark in its text, and how many messages stood in the chat when it was written."""

    mark: str
    chat: int
    stood: int


@dataclass
class Seen:
    """What was to be told, and what the chats show.

    Attributes:
        fills: fills of each order.
        to: chats that each order's fills are for.
        said: what stands in each chat, oldest first.
        left: entries of the outbox that still wait.
        seconds: from the last fill until the last entry was delivered.
    """

    fills: int
    to: dict[int, tuple[int, ...]]
    said: dict[int, list[str]] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    left: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)


# --- the judge ------------------------------------------------------------------------------------------------------------


def broken(seen: Seen) -> list[str]:
    """Every promise that was not kept, in words."""
    found = [f"{seen.left} letters were left over"] if seen.left else []
    for chat, texts in seen.said.items():
        wanted = {order for order, chats in seen.to.items() if chat in chats}
        found += [f"chat {chat}: {one}" for one in _of_fills(texts, wanted, seen.fills)]
    return found + [one for alarm in seen.alarms if (one := _overtaken(alarm, seen))]


def _of_fills(texts: Sequence[str], wanted: set[int], fills: int) -> list[str]:
    shown: dict[int, Counter[int]] = defaultdict(Counter)
    bare: dict[int, Counter[int]] = defaultdict(Counter)
    newest: Counter[int] = Counter()
    found = []
    for text in texts:
        if DIGEST in text or (told := told_of(text)) is None:
            continue
        order, first, last = told
        if last < newest[order]:
            found.append(f"order {order}: {last} was told after {newest[order]}")
        newest[order] = max(newest[order], last)
        shown[order].update(range(first, last + 1))
        if LABEL not in text:
            bare[order].update(range(first, last + 1))
    digested = _digested(texts)
    for order in sorted(wanted):
        missing = set(range(1, fills + 1)) - set(shown[order]) - digested[order]
        if missing:
            found.append(f"order {order}: {len(missing)} fills were never told")
        if (worst := max(shown[order].values(), default=0)) > 2:
            found.append(f"order {order}: a fill was told {worst} times")
        if max(bare[order].values(), default=0) > 1:
            found.append(f"order {order}: a second copy does not say so")
    strangers = sorted(set(shown) - wanted)
    return [*found, *([f"orders {strangers} are none of its business"] if strangers else [])]


def _digested(texts: Sequence[str]) -> dict[int, set[int]]:
    """By order: the fills that digests list."""
    found: dict[int, set[int]] = defaultdict(set)
    for text in texts:
        if DIGEST in text:
            for one in re.finditer(r"체결 .*? (\d+)/\d+주.* #(\d+)$", text, re.MULTILINE):
                found[int(one[2])].add(int(one[1]))
    return found


def told_of(text: str) -> tuple[int, int, int] | None:
    """Order, first and last fill that a message tells of; None for a message about something else."""
    order, total = re.search(r"\b(\d{10})\b", text), re.search(r"(\d+)/\d+주", text)
    if order is None or total is None or MARK in text:
        return None
    last = int(total[1])
    bundle = re.search(r"묶음: #(\d+) ~ #(\d+)", text)
    return int(order[1]), int(bundle[1]) if bundle else last, last


def _overtaken(alarm: Alarm, seen: Seen) -> str | None:
    """Only the letter that was leaving already, and what is as urgent, may stand before it."""
    before = 0
    for text in seen.said[alarm.chat][alarm.stood :]:
        if alarm.mark in text:
            return f"chat {alarm.chat}: {alarm.mark} stood behind {before} others" if before > 1 else None
        before += MARK not in text
    return f"chat {alarm.chat}: {alarm.mark} was never told"


# --- the play -------------------------------------------------------------------------------------------------------------


class _Time:
    """Virtual seconds, and sleep by them."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.seconds = clock.seconds
        self.sleep = asyncio.sleep

    def __call__(self) -> Any:
        return self._clock()


class KilledDelivery(DeliveryHarness):
    """A delivery that can be killed."""

    alive: asyncio.Event
    bundles = 0

    async def _deliver(self, message: Any) -> Any:
        self.bundles += message.kind != "digest" and len(message.parts) > 1
        return await super()._deliver(message)

    async def die(self, seconds: float) -> None:
        """Nothing is left but what the disk held at this moment; the next life begins after so many seconds."""
        left = self._copied()
        self.alive.clear()
        await self.stop()
        await asyncio.sleep(seconds)
        self._path = left
        self._open()
        self.alive.set()

    def _copied(self) -> Path:
        home = Path(tempfile.mkdtemp(dir=self._path.parent))
        for part in self._path.parent.glob(f"{self._path.name}*"):
            shutil.copy(part, home)
        return home / self._path.name


def runs(fills: int, seeds: Sequence[int]) -> tuple[list[str], list[str], dict[str, Any]]:
    """Every seed as it is and with a death in the middle: what to say, what is broken, the figures."""
    said, wrong, figures = [], [], {}
    for killed in (False, True):
        played = [run(fills, seed, killed=killed) for seed in seeds]
        worst = max(played, key=lambda one: one.seconds)
        said.append(line(worst, len(seeds), killed=killed))
        how = "killed" if killed else "alive"
        wrong += [
            f"{how}, seed {seed}: {one}" for seed, seen in zip(seeds, played, strict=True) for one in broken(seen)
        ]
        figures[how] = [{"seed": n, "seconds": one.seconds, **one.counts} for n, one in zip(seeds, played, strict=True)]
    return said, [*wrong, *logged_errors()], figures


def run(fills: int, seed: int, *, killed: bool = False) -> Seen:
    """Play it once."""
    os.environ.setdefault("PTB_TIMEDELTA", "1")  # else its RetryAfter warns each time it is raised
    with tempfile.TemporaryDirectory(prefix="kisbot-letters-") as home:
        return run_virtual(lambda clock: _play(clock, Path(home), fills, random.Random(seed), killed=killed))


async def _play(clock: VirtualClock, home: Path, fills: int, chance: random.Random, *, killed: bool) -> Seen:
    each = fills // ORDERS
    to: dict[int, tuple[int, ...]] = {
        order: (TRADERS[order % len(TRADERS)], OVERSEER, GROUP) for order in range(1, ORDERS + 1)
    }
    seen = Seen(each, to)
    people = [ChatUser(one, "", "") for one in (*TRADERS, OVERSEER)]
    telegram = LocalTelegram(token=TOKEN, people=people, clock=clock)
    telegram.inject({"message": {"message_id": 1, "chat": {"id": GROUP, "type": "group", "title": "모임"}}})
    wire = MemoryTelegram(telegram, latency=LATENCY)
    wire.before = _weather(telegram, chance)
    requests = [HTTPXRequest(httpx_kwargs={"transport": wire}) for _ in range(2)]
    async with Bot(TOKEN, base_url=f"{BASE}/bot", request=requests[0], get_updates_request=requests[1]) as bot:
        post = KilledDelivery(home / "kisbot.db", telegram, bot, quantity=each, time=_Time(clock))
        post.alive = asyncio.Event()
        post.alive.set()
        wire.calls.clear()
        around = [
            asyncio.create_task(_outages(telegram)),
            asyncio.create_task(_alarms(post, seen)),
            *([asyncio.create_task(_killed(post))] if killed else []),
        ]
        began = clock.seconds()
        await _fill(post, each, to, chance)
        last = clock.seconds()
        await asyncio.gather(*around)
        while post.left() and clock.seconds() - began < MOST:  # noqa: ASYNC110  # rows have no event
            await asyncio.sleep(0.5)
        seen.left, seen.seconds = post.left(), clock.seconds() - last
        seen.said = {chat: post.said(chat) for chat in (*TRADERS, OVERSEER, GROUP)}
        seen.counts.update(
            fills=fills,
            letters=post.db.execute("SELECT count(*) FROM outbox").fetchone()[0],
            messages=sum(map(len, seen.said.values())),
            bundles=post.bundles,
            calls=wire.calls.total(),
            refused=telegram.faults.fired["flood"],
            lost=telegram.faults.fired["lose_reply"],
            down=telegram.faults.fired["down"],
        )
        await post.stop()
    return seen


def _weather(telegram: LocalTelegram, chance: random.Random) -> Any:
    calls = 0

    def plant(method: str) -> None:
        nonlocal calls
        calls += 1
        if calls % REFUSED == 0:
            telegram.faults.plant("flood", method=method, retry_after=chance.randint(1, 4))
        elif calls % LOST == 0:
            telegram.faults.plant("lose_reply", method=method)

    return plant


async def _outages(telegram: LocalTelegram) -> None:
    now = 0.0
    for begins, lasts in OUTAGES:
        await asyncio.sleep(begins - now)
        telegram.faults.clear()
        telegram.faults.plant("down")
        await asyncio.sleep(lasts)
        telegram.faults.clear()
        now = begins + lasts


async def _killed(post: KilledDelivery) -> None:
    await asyncio.sleep(KILLED_AT)
    await post.die(DEAD_FOR)


async def _alarms(post: KilledDelivery, seen: Seen) -> None:
    """An order of which nobody knows, and trading halts, in the midst of it all."""
    now = 0.0
    for n, at in enumerate(URGENT_AT):
        await asyncio.sleep(at - now)
        now = at
        await post.alive.wait()
        order, doubt, halt = n + 1, f"{MARK}{2 * n}", f"{MARK}{2 * n + 1}"
        news: dict[str, dict[str, Any]] = {
            doubt: {"order": order, "claims": [[doubt, "100000", "", "x"]]},
            halt: {"level": int(HaltLevel.NEW), "was": int(HaltLevel.OFF), "why": "BY_HAND", "name": halt},
        }
        with post.db.atomic():
            for chat in (TRADERS[order % len(TRADERS)], OVERSEER):
                for mark, data in news.items():
                    seen.alarms.append(Alarm(mark, chat, len(post.said(chat))))
                    post.box.put("manual" if "claims" in data else "brake", chat, data, f"{mark}:{chat}")


async def _fill(post: KilledDelivery, each: int, to: Mapping[int, Sequence[int]], chance: random.Random) -> None:
    """One fill after the other, of orders drawn by lot; what came about while nobody was there is told afterwards."""
    began = post.time.seconds()
    left = [order for order in to for _ in range(each)]
    chance.shuffle(left)
    numbers: Counter[int] = Counter()
    for n, order in enumerate(left):
        await asyncio.sleep(max(0.0, began + SECONDS * n / len(left) - post.time.seconds()))
        await post.alive.wait()
        numbers[order] += 1
        with post.db.atomic():
            for chat in to[order]:
                post.fill(numbers[order], order, chat, "group_fill" if chat < 0 else "fill")


def line(seen: Seen, seeds: int, *, killed: bool) -> str:
    """What happened in the slowest of the runs."""
    counts = seen.counts
    how = f"killed after {KILLED_AT:.0f} s, " if killed else ""
    return (
        f"letters: {how}{counts['fills']:,} fills in {SECONDS:.0f} s, told as {counts['letters']:,} letters; the last arrived "
        f"{seen.seconds:.0f} s after the last fill (slowest of {seeds})\n"
        f"  {counts['messages']:,} messages, {counts['bundles']:,} bundles sent, {counts['calls']:,} calls, "
        f"{counts['refused']:,} refused (429), {counts['lost']} answers lost, {counts['down']} into outages"
    )
