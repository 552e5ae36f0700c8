"""A simulated day of many alerts, and what should have fired, worked out again from nothing but the trades.

`python -m tests.support.alert_day` measures it: time per tick, memory, and time per crossing that is written down.
"""

import json
import random
import statistics
import sys
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from sqlite_utils import Database

from bot.alerts.engine import LiveAlerts
from bot.alerts.model import Alert, AlertKind, AlertState, Comparison, Repeat, moved
from bot.orders.hours import TradingHours
from bot.services.alert_runner import AlertRunner
from bot.services.price_feed import PriceFeed, PriceSubscription
from bot.store.alerts import AlertStore
from bot.store.outbox import Outbox
from kis import krx
from kis.krx import KST
from kis.sim.exchange.prices import Issue, Listing, listed, open_issues
from tests.support.outbox import OWNER, TRADER, Clock, empty_database
from tests.support.trade_source import HandTrades

OPEN = datetime(2026, 11, 23, 9, 0, tzinfo=KST)
MINUTES = 380
STOCKS = 200


@dataclass(frozen=True)
class Print:
    """One trade of the day; `volume` since the open."""

    code: str
    at: datetime
    price: int
    volume: int


def issues(seed: int, stocks: int = STOCKS) -> dict[str, Issue]:
    """The simulator's market, filled up to so many stocks."""
    table = list(listed())
    extra = [Listing(f"9{number:05}", f"추가{number}", "KOSDAQ", "ST", 3_000 + 37 * number) for number in range(stocks)]
    snapped = [Listing(one.code, one.name, one.market, one.group, krx.tick_neighbours(one.price)[0]) for one in extra]
    found = open_issues([*table, *snapped][:stocks], OPEN.date(), random.Random(seed))
    for one in found.values():
        one.reset_day()
    return found


def trades_of(found: dict[str, Issue], seed: int, every: float = 10.0) -> Iterator[Print]:
    """A day of trades: each stock walks by its own ticks, with a drift and jumps of its own, within its limits."""
    rng = random.Random(f"{seed}:tape")
    lean = {code: rng.uniform(-0.12, 0.12) for code in found}
    steps = int(MINUTES * 60 / every)
    for number in range(steps):
        at = OPEN + timedelta(seconds=number * every)
        for code, one in found.items():
            if rng.random() < 0.3:
                continue
            ticks = rng.choice((-1, 0, 1)) if rng.random() < 0.995 else rng.randrange(-30, 31)
            ticks += 1 if rng.random() < abs(lean[code]) and lean[code] > 0 else 0
            ticks -= 1 if rng.random() < abs(lean[code]) and lean[code] < 0 else 0
            price = min(max(one.step(one.last, ticks), one.lower), one.upper)
            one.record_trade(price, max(1, int(one.usual_volume / steps * rng.expovariate(1.0))))
            yield Print(code, at, one.last, one.volume)


def wishes(found: dict[str, Issue], seed: int, many: int = 1_000) -> list[Alert]:
    """Alerts of all kinds that need nothing but trades, near enough to be crossed, some past already."""
    rng = random.Random(f"{seed}:alerts")
    codes = list(found)
    made = []
    for number in range(many):
        code = codes[number % len(codes)]
        one = found[code]
        again = rng.choice((Repeat.ONCE, Repeat.REPEAT))
        percent = Decimal(rng.randrange(-400, 401) or 50) / 100
        kind = rng.choice((AlertKind.PRICE, AlertKind.PRICE, AlertKind.PRICE, AlertKind.MOVE, AlertKind.VOLUME))
        op = Comparison.AT_LEAST if percent > 0 else Comparison.AT_MOST
        line = moved(one.base, percent)
        if kind is AlertKind.PRICE:
            op = rng.choice(list(Comparison))
        if kind is AlertKind.VOLUME:
            op, line = Comparison.AT_LEAST, max(1, int(one.usual_volume * rng.uniform(0.05, 1.2)))
        alert = Alert(
            0, rng.choice((OWNER, TRADER)), TRADER, code, one.listing.name, kind, op, line, again, OPEN,
            OPEN + timedelta(days=30), day=None if kind is AlertKind.PRICE else OPEN.date(), etf=one.listing.etf,
            percent=percent if kind is AlertKind.MOVE else None,
        )  # fmt: skip
        seen = 0 if kind is AlertKind.VOLUME else one.base
        made.append(replace(alert, state=AlertState.BEYOND if alert.past(seen) else AlertState.ARMED))
    return made


def expected(alert: Alert, prints: list[Print]) -> list[datetime]:
    """When it should have fired, by the rule in so many words and none of the bot's code.

    It fires on reaching the line. It is armed at first unless the price is past the line. Made past it, it is armed by
    the first price that is not. Having fired it is over, or is armed by a price half a percent and two ticks back.
    """
    line, fired = Decimal(alert.line), []
    up = alert.op.value.startswith(">")
    strict = len(alert.op.value) == 1

    def past(value: int) -> bool:
        if value == line:
            return not strict
        return value > line if up else value < line

    def back(value: int) -> bool:
        far = abs(value - line) * 1000 >= 5 * line
        ticks, at = 0, int(line)
        while (value < at if up else value > at) and ticks < 2:
            at = krx.step(at, -1 if up else 1, etf=alert.etf)
            ticks += 1 if (value <= at if up else value >= at) else 0
        return far and ticks == 2 and (value < line if up else value > line)

    volume = alert.kind.value == "volume"
    armed, made_past = alert.state.value == "armed", alert.state.value == "beyond"
    for one in prints:
        value = one.volume if volume else one.price
        if armed and past(value):
            fired.append(one.at)
            if alert.again.value == "once":
                break
            armed = made_past = False
        elif (not armed and made_past and not past(value)) or (
            not armed and not made_past and not volume and back(value)
        ):
            armed = True
    return fired


@dataclass
class Stand:
    """Alerts at work over a database in memory, with no broker behind them."""

    db: Database
    clock: Clock
    book: AlertStore
    stream: HandTrades
    prices: PriceSubscription
    watch: AlertRunner

    @property
    def pushes(self) -> dict[int, list[tuple[int, str]]]:
        """By alert: the number of each crossing that was put into the outbox, and when it was."""
        found = defaultdict(list)
        for (data,) in self.db.execute("SELECT data FROM outbox WHERE kind = 'alert' ORDER BY id").fetchall():
            facts = json.loads(data)
            found[facts["alert"]].append((facts["number"], facts["at"]))
        return found


def stand(db: Database | None = None, clock: Clock | None = None) -> Stand:
    """Everything anew, on a database that may hold something already."""
    db = empty_database() if db is None else db
    clock = clock or Clock()
    book = AlertStore(db, Outbox(db, clock), clock)
    stream = HandTrades()
    prices = PriceFeed(None, stream, clock=clock)  # type: ignore[arg-type]  # nothing is read here
    hours = TradingHours(always=True)
    watch = AlertRunner(book, prices, None, hours, clock=clock, calls_per_minute=20)  # type: ignore[arg-type]
    return Stand(db, clock, book, stream, watch._prices, watch)


def play(seed: int, many: int = 1_000, stocks: int = STOCKS, every: float = 10.0):
    """The day: what each alert was, what it was expected to tell, and the stand that told it, with the seconds taken."""
    found = issues(seed, stocks)
    on = stand()
    on.clock.now = OPEN
    made = [on.watch.add(one, None, many) for one in wishes(found, seed, many)]
    prints = list(trades_of(found, seed, every))
    took = []
    for one in prints:
        begun = time.perf_counter()
        on.watch.on_tick(one.code, one.price, one.volume, one.at)
        took.append(time.perf_counter() - begun)
    by_code = defaultdict(list)
    for one in prints:
        by_code[one.code].append(one)
    return on, made, {one.id: expected(one, by_code[one.code]) for one in made}, took


def _measure() -> None:
    on, made, wanted, took = play(1)
    crossings = sum(len(times) for times in wanted.values())
    told = sum(len(times) for times in on.pushes.values())
    took.sort()
    sys.stdout.write(
        f"{len(made)} alerts, {STOCKS} stocks, {len(took)} ticks; crossings expected {crossings}, told {told}\n"
    )
    sys.stdout.write(
        f"a tick: median {took[len(took) // 2] * 1e6:.1f} us, mean {statistics.mean(took) * 1e6:.1f} us, p99 {took[-len(took) // 100] * 1e6:.0f} us, all {sum(took):.2f} s\n"
    )
    found = issues(1)
    again = wishes(found, 1)
    numbers = count(1)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    board = LiveAlerts(replace(one, id=next(numbers)) for one in again)
    sys.stdout.write(
        f"memory of {len(board)} alerts and their index: {(tracemalloc.get_traced_memory()[0] - before) / 1024:.0f} KiB\n"
    )
    tracemalloc.stop()


if __name__ == "__main__":
    _measure()
