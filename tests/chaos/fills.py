"""A hundred thousand fills of ours heard and read over everything that goes wrong: none missed, none told twice, every gap told."""

import gc
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.fills_account import PROMISES
from tests.chaos.fills_world import BEGINS, FillsWorld
from tests.chaos.virtual_run import quick
from tests.chaos.world import home_of
from tests.support.virtual_time import VirtualClock, run_virtual

FILLS = 800
"""Fills in a world."""
WORLDS, QUICK_WORLDS = 165, 6

Tamper = Callable[[FillsWorld], object]


@dataclass
class Night:
    """What one world, or many, came to."""

    counts: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Night") -> None:
        self.counts += other.counts
        self.fired += other.fired
        self.notes += other.notes
        self.seconds += other.seconds


def one_night(seed: str, fills: int = FILLS, tamper: Tamper | None = None) -> Night:
    """Play one seed and judge it; `tamper` spoils what was told first, to see that it is noticed."""
    began = time.process_time()
    with home_of(seed) as home:
        night = run_virtual(lambda clock: _play(seed, fills, tamper, Path(home), clock), BEGINS)
    gc.collect()
    night.seconds = time.process_time() - began
    return night


async def _play(seed: str, fills: int, tamper: Tamper | None, home: Path, clock: VirtualClock) -> Night:
    world = FillsWorld(seed, clock, home, fills)
    await world.play()
    if tamper is not None:
        tamper(world)
    counts, notes = world.account.verdict()
    faults = world.all_faults()
    counts["faults"] += len(faults)
    counts["worlds"] = 1
    counts["readings"] = len(world.account.readings)
    counts["lives"] = world.account.life
    counts["questions"] = len(
        {data["order"] for kind in ("ambiguous", "manual") for _, data in world.account.entries(kind)}
    )
    _alarms(world, counts, notes)
    _counters(world, counts, notes)
    return Night(counts, world.all_fired(), [f"{seed}: {one}" for one in (*notes, *faults)])


def _alarms(world: FillsWorld, counts: Counter[str], notes: list[str]) -> None:
    """A list that shrinks is an alarm, and here a planted one; there is no other. Lost orders may need a person's word."""
    for kind, text in world.connection.execute(
        "SELECT kind, data FROM outbox WHERE kind IN ('contradiction', 'mismatch', 'trouble')"
    ).fetchall():
        data: dict[str, Any] = json.loads(text)
        if "shrank" in str(data.get("why")) and world.fired["list lags"] + world.wire.fired["list stale"]:
            counts["alarms of a list that shrank"] += 1
        else:
            counts["alarms"] += 1
            notes.append(f"{kind}: {data}")


def _counters(world: FillsWorld, counts: Counter[str], notes: list[str]) -> None:
    """Counters are kept over restarts, day by day: all that came in, but for the last second before a death."""
    days = dict(world.connection.execute("SELECT day, figures FROM heard_days").fetchall())
    kept = [json.loads(figures) for figures in days.values()]
    notices = sum(one["notices"] for one in kept)
    counts["notices that came in"] = world.sockets.delivered
    counts["notices kept"] = notices
    counts["missed by stream"] = sum(one["missed_by_stream"] for one in kept)
    counts["missed by poll"] = sum(one["missed_by_poll"] for one in kept)
    more, fewer = notices > world.sockets.delivered, notices < world.sockets.delivered
    if more or len(days) > 2 or (fewer and not world.deaths):
        counts["counters"] += 1
        notes.append(f"{notices} notices were counted, {world.sockets.delivered} came in")


def broken(night: Night) -> list[str]:
    """The promises that were not kept."""
    return [f"{night.counts[name]} {words}" for name, words in PROMISES.items() if night.counts[name]]


def run(seeds: Sequence[str], processes: int = 1) -> Night:
    """Every seed's night, in so many processes."""
    total = Night()
    if processes == 1:
        quick()
        _gather(total, map(one_night, seeds), len(seeds))
        return total
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=quick) as pool:
        _gather(total, pool.map(one_night, seeds), len(seeds))
    return total


def _gather(total: Night, nights: Iterable[Night], count: int) -> None:
    for n, night in enumerate(nights, 1):
        total.add(night)
        if sys.stderr.isatty() or n % 20 == 0:
            sys.stderr.write(f"\r[{n}/{count}] ")


_SUMMARY = (
    "fills: {fills:,} of ours and {elsewhere_fills:,} of orders made elsewhere, in {worlds} nights",
    "  {readings:,} clean readings, {lives:,} lives of the bot, {letters:,} pushes; a person was asked about {questions} orders",
    "  missed {missed}, told twice {doubled}, told too early {early}, out of step {numbers}; elsewhere {elsewhere} wrong",
    "  {gaps due:,} gaps: notices due {notices due:,}, told {notices told:,}",
    "  of them missing {notices missing}, extra {notices extra}, wrong {notices wrong}",
    "  fill notices that came in {notices that came in:,}, counted {notices kept:,}",
    "  missed by stream {missed by stream:,}, by poll {missed by poll:,}; lists that shrank {alarms of a list that shrank:,}",
)


def told(night: Night) -> str:
    """What a run came to, for the screen."""
    lines = [line.format_map(night.counts) for line in _SUMMARY]
    width = max(map(len, night.fired), default=0)
    lines += [f"  {name.ljust(width)}  {night.fired[name]:>8,}" for name in sorted(night.fired)]
    return "\n".join(lines)
