"""What a week is measured by every hour, and what must hold at its end, from the disk, the log and the broker's ledger."""

import asyncio
import gc
import json
import logging
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from bot.app.application import BotApplication
from bot.orders.model.order import IN_DOUBT, WORKING
from bot.store.audit.export import all_rows, reading, stored_anchors
from bot.store.audit.keys import DayKeys
from bot.store.audit.verify import verify
from kis.sim.exchange.exchange import Exchange
from kis.sim.exchange.orders import API_CHANNEL, Action
from tests.chaos.week_people import Town
from tests.support.memory_wire import MemoryWire

MB = 1024 * 1024
STEADY_AFTER = timedelta(days=3)
"""Memory is judged over the last four days: what is kept for a day or two has filled up by then."""
MOST_MB_A_DAY = 4.0
MOST_LINES_A_DAY = 2_000
"""A person can still read these."""
MOST_OF_ONE_LINE = 300
"""Times the same line may come in a day."""
COUNTED_AT = 16
"""The hour at which objects are counted: after the market, before the night."""
MOST_OBJECTS_A_DAY = 500
"""More objects of one class than this, every day, are a leak; the rows KIS was asked for are remembered up to a bound."""
MOST_MORE_TASKS, MOST_MORE_FILES = 3, 4
DELIVERED = frozenset({"sent", "digested", "collapsed"})
WAITING = frozenset({"pending", "sending", "given_up"})
Line = tuple[str, str]
"""Logger and event."""


class Logged(logging.Handler):
    """Counts what is logged, by day, level and event."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._clock = clock
        self.lines: dict[date, Counter[Line]] = defaultdict(Counter)
        self.levels: dict[date, Counter[str]] = defaultdict(Counter)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take in one line."""
        day, event = self._clock().date(), record.msg
        words = str(event.get("event")) if isinstance(event, dict) else record.getMessage()
        self.lines[day][record.name, words[:80]] += 1
        self.levels[day][record.levelname.lower()] += 1
        if record.levelno >= logging.ERROR:
            self.errors.append(f"{self._clock():%a %H:%M:%S} {record.name}: {words}")


@dataclass(frozen=True)
class Sample:
    """One hour's end. Sizes in bytes; calls and orders since the beginning; once a day, the objects of each class of ours."""

    at: datetime
    rss: int
    files: int
    threads: int
    tasks: int
    database: int
    wal: int
    log: int
    rows: dict[str, int]
    calls: int
    orders: int
    objects: dict[str, int] = field(default_factory=dict)


class Meter:
    """Takes the samples."""

    def __init__(
        self,
        app: BotApplication,
        database: Path,
        wire: MemoryWire,
        clock: Callable[[], datetime],
        log: Path,
        say: Callable[[str], object],
    ) -> None:
        self.samples: list[Sample] = []
        self._app = app
        self._database = database
        self._wire = wire
        self._clock = clock
        self._log = log
        self._say = say
        self._process = psutil.Process()

    def take(self, orders: int) -> None:
        """Measure now. What the collector would free sooner or later is freed first."""
        gc.collect()
        wal = self._database.with_name(f"{self._database.name}-wal")
        tables = [
            name for (name,) in self._app.storage.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        one = Sample(
            self._clock(),
            self._process.memory_info().rss,
            self._process.num_fds(),
            self._process.num_threads(),
            len(asyncio.all_tasks()),
            self._database.stat().st_size,
            wal.stat().st_size if wal.exists() else 0,
            self._log.stat().st_size,
            {name: self._app.storage.db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables},
            self._wire.calls,
            orders,
            _ours() if self._clock().hour == COUNTED_AT else {},
        )
        self.samples.append(one)
        self._say(
            f"{one.at:%a %H:%M} rss {one.rss / MB:.1f} MB, files {one.files}, tasks {one.tasks}, "
            f"database {one.database / MB:.1f} MB, orders {one.orders}, calls {one.calls}, log {one.log // 1024} kB"
        )


def _ours() -> dict[str, int]:
    """How many objects there are of each class of the bot and the broker's client; of the world around them, none."""
    found = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    return {
        name: count
        for name, count in found.items()
        if name.startswith(("bot.", "kis.")) and not name.startswith(("bot.demo.", "kis.sim."))
    }


@dataclass
class Records:
    """What stood in the ledger and in the outbox at the end.

    Attributes:
        filled: shares filled of each order, by day, number and channel.
        reported: the most that a chat was told of an order's filled shares, by day, number and chat.
        wanted: chats that each order's fills are for.
        twice: fills that a chat was told of under several keys.
        entries: of the outbox, by day, kind and state.
        unsettled: orders of days that are over and that have not come to an end.
        updates: updates from Telegram that were not answered.
        audit: what is wrong with the audit chain, if anything.
    """

    filled: dict[tuple[str, str, str], int]
    reported: dict[tuple[str, str, int], int]
    wanted: dict[tuple[str, str], set[int]]
    twice: list[str]
    entries: Counter[tuple[str, str, str]]
    overseers: list[int]
    unsettled: list[str]
    updates: int
    audit: str = ""

    @classmethod
    def of(cls, app: BotApplication, exchange: Exchange, updates: int) -> "Records":
        """Read it off."""
        overseers = list(app.storage.people.overseers())
        found = cls({}, {}, {}, [], Counter(), overseers, [], updates)
        for one in exchange.orders:
            if one.action is not Action.CANCEL and one.filled:
                found.filled[one.day.isoformat(), one.number, one.channel] = one.filled
        ours = {}
        for number, day, order_no, chat in app.storage.db.execute("SELECT id, day, order_no, chat_id FROM orders"):
            ours[number] = (day, order_no)
            if order_no:
                found.wanted[day, order_no] = {chat, *overseers, *app._settings.kisbot_group_chats}
        rows = app.storage.db.execute("SELECT kind, state, chat_id, order_id, data, made_at FROM outbox").fetchall()
        for kind, state, chat, order, data, made_at in rows:
            found.entries[made_at[:10], kind, state] += 1
            if kind in {"fill", "external_fill", "group_fill"} and state in DELIVERED:
                facts = json.loads(data)
                key = (*(ours[order] if order is not None else (made_at[:10], facts["order_no"])), chat)
                if facts["filled"] == found.reported.get(key):
                    found.twice.append(f"order {key[1]} of {key[0]}: chat {chat} was told of {facts['filled']} twice")
                found.reported[key] = max(found.reported.get(key, 0), facts["filled"])
        found.unsettled = [
            f"#{one.id} {one.state.value} {one.side.value} {one.code}"
            for one in app.storage.journal.in_state(WORKING | IN_DOUBT)
            if one.day is None or app.parts.hours.day_over(one.day, app._clock())
        ]
        found.updates += len(app.storage.inbox.open())
        return found

    def verify_audit(self, home: Path) -> None:
        """Walk the audit chain from its first key, with the heads that were posted."""
        keys = DayKeys(home)
        day_key = keys.read()
        with reading(home / "kisbot.db") as connection:
            verdict = verify(all_rows(connection), *keys.firsts(), anchors=stored_anchors(connection), day_key=day_key)
        self.audit = "" if verdict.ok else str(verdict.problem)


@dataclass
class Week:
    """A week that was played."""

    samples: list[Sample]
    logged: Logged
    records: Records
    people: Town
    died: list[str] = field(default_factory=list)


# --- the judge ------------------------------------------------------------------------------------------------------------


def broken(week: Week) -> list[str]:
    """Every promise that was not kept, in words."""
    records = week.records
    found = [*week.died, *(f"never answered: {one}" for one in week.people.silent)]
    found += [f"not settled: {one}" for one in records.unsettled]
    found += [f"an error was logged: {one}" for one in week.logged.errors]
    found += _not_reported(records) + records.twice
    left = sum(count for (_, _, state), count in records.entries.items() if state in WAITING)
    found += [f"{left} letters still wait"] if left else []
    found += [f"{records.updates} updates were not answered"] if records.updates else []
    found += [f"the audit chain: {records.audit}"] if records.audit else []
    return [*found, *_midnights(week), *_grown(week.samples), *_unreadable(week.logged)]


def _not_reported(records: Records) -> list[str]:
    """Orders of ours are told to whoever ordered and the overseers; others' to the overseers."""
    found = []
    for (day, number, channel), filled in records.filled.items():
        chats = records.wanted.get((day, number), set()) if channel == API_CHANNEL else set(records.overseers)
        if not chats:
            found.append(f"order {number} of {day} is filled and in no record")
        for chat in sorted(chats):
            reported = records.reported.get((day, number, chat), 0)
            if reported != filled:
                found.append(f"order {number} of {day}: {filled} are filled, chat {chat} was told of {reported}")
    return found


def _midnights(week: Week) -> list[str]:
    """The head of the audit log is posted at each."""
    first, last = week.samples[0].at.date(), week.samples[-1].at.date()
    posted = {day for (day, kind, state), _ in week.records.entries.items() if kind == "anchor" and state in DELIVERED}
    days = [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]
    return [f"no head was posted on {day}" for day in days if day.isoformat() not in posted]


def _grown(samples: Sequence[Sample]) -> list[str]:
    found = []
    slope = mb_a_day(samples)
    if slope is not None and slope > MOST_MB_A_DAY:
        found.append(f"memory grows by {slope:.1f} MB a day")
    found += [f"{count:.0f} more {name} a day" for name, count in grown(samples).items() if count > MOST_OBJECTS_A_DAY]
    first, last = samples[0], samples[-1]
    for name, most in (("files", MOST_MORE_FILES), ("tasks", MOST_MORE_TASKS), ("threads", 1)):
        if getattr(last, name) > getattr(first, name) + most:
            found.append(f"{name}: {getattr(first, name)} at the beginning, {getattr(last, name)} at the end")
    return found


def _unreadable(logged: Logged) -> list[str]:
    found = [
        f"{lines.total():,} log lines on {day}"
        for day, lines in logged.lines.items()
        if lines.total() > MOST_LINES_A_DAY
    ]
    for day, lines in logged.lines.items():
        found += [f"{line} was logged {n:,} times on {day}" for line, n in lines.items() if n > MOST_OF_ONE_LINE]
    return found


def mb_a_day(samples: Sequence[Sample]) -> float | None:
    """The slope of resident memory once the first days are over, by least squares; None if they are not."""
    steady = [one for one in samples if one.at - samples[0].at >= STEADY_AFTER]
    if len(steady) < 3:
        return None
    days = [(one.at - steady[0].at).total_seconds() / 86_400 for one in steady]
    return statistics.linear_regression(days, [one.rss / MB for one in steady]).slope


def grown(samples: Sequence[Sample]) -> dict[str, float]:
    """By class: how many more objects of ours there are a day, once the first days are over."""
    counted = [one for one in samples if one.objects and one.at - samples[0].at >= STEADY_AFTER]
    if len(counted) < 2:
        return {}
    first, last = counted[0], counted[-1]
    days = (last.at - first.at).total_seconds() / 86_400
    more = {name: (count - first.objects.get(name, 0)) / days for name, count in last.objects.items()}
    return {name: count for name, count in sorted(more.items(), key=lambda one: -one[1]) if count > 0}


# --- the report -----------------------------------------------------------------------------------------------------------


def figures(week: Week) -> dict[str, Any]:
    """Everything, for a file."""
    return {
        "samples": [{**asdict(one), "at": one.at.isoformat()} for one in week.samples],
        "mb_a_day": mb_a_day(week.samples),
        "objects_a_day": grown(week.samples),
        "log": {str(day): dict(levels) for day, levels in week.logged.levels.items()},
        "lines": {
            str(day): {" ".join(line): n for line, n in lines.most_common()} for day, lines in week.logged.lines.items()
        },
        "letters": {" ".join(key): n for key, n in sorted(week.records.entries.items())},
        "people": dict(week.people.counts),
        "refused": dict(week.people.refused.most_common()),
    }


def lines(week: Week) -> list[str]:
    """What to say."""
    samples, records = week.samples, week.records
    last = samples[-1]
    days = max(1.0, (last.at - samples[0].at).total_seconds() / 86_400)
    slope = mb_a_day(samples)
    orders = last.rows["orders"]
    memory = (
        "no slope yet"
        if slope is None
        else f"{slope:+.2f} MB a day, {slope * days / orders * 1000:+.2f} MB per 1,000 orders"
    )
    counts = ", ".join(f"{n:,} {what}" for what, n in week.people.counts.most_common())
    busiest = max((counter.total() for counter in week.logged.lines.values()), default=0)
    return [
        f"week: {days:.1f} days, {orders:,} orders of the bot, {len(records.filled):,} filled orders at the broker, {counts}",
        f"  memory {samples[0].rss / MB:.0f} to {last.rss / MB:.0f} MB (broker, Telegram and people included), {memory} over the last four days",
        f"  files at most {max(one.files for one in samples)}, threads {last.threads}, tasks {samples[0].tasks} and {last.tasks}",
        "  objects of the bot's own: "
        + (
            ", ".join(f"{name} {count:+.0f} a day" for name, count in list(grown(samples).items())[:3])
            or "no class grows"
        ),
        f"  database {last.database / MB:.1f} MB, {last.database / MB / days:.2f} a day; log {last.log / 1024:.0f} kB, at most {busiest} lines a day",
    ]
