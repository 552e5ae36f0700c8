"""The listed issues and their prices, generated from a seed."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from kis import krx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, datetime

HISTORY = 300
_BIGGEST_TURNOVER = 8e11  # won a day of the table's first issue; later ones trade less
_DAILY_SWING = 0.016
_SHARES_PER_DAILY_VOLUME = 400


@dataclass(frozen=True, slots=True)
class Listing:
    """One issue as the exchange lists it.

    Attributes:
        code: short code, six characters.
        name: Korean short name.
        market: "KOSPI" or "KOSDAQ"; ETFs are listed on KOSPI.
        group: 증권그룹 of the master file: ST share, EF ETF.
        price: won at which the simulation starts; the base price of its first day.
    """

    code: str
    name: str
    market: str
    group: str
    price: int

    @property
    def etf(self) -> bool:
        """Whether the ETF tick table and the ETF tax apply."""
        return self.group == "EF"

    @property
    def preferred(self) -> bool:
        """Whether it is a preferred share: their codes do not end in 0."""
        return self.group == "ST" and not self.code.endswith("0")

    @property
    def isin(self) -> str:
        """Standard code (표준코드), with its check digit."""
        body = f"KR7{self.code}00"
        digits = "".join(str(int(char, 36)) for char in body)
        doubled = "".join(
            str(int(digit) * (2 if place % 2 == 0 else 1)) for place, digit in enumerate(reversed(digits))
        )
        return body + str(-sum(map(int, doubled)) % 10)

    @property
    def margin(self) -> int:
        """Margin rate (증거금률) in percent, by kind of issue."""
        if self.etf:
            return 60
        return 20 if self.market == "KOSPI" else 40


class Minute(NamedTuple):
    """One minute of one issue; prices in won, `value` won traded since the day began."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


class DayBar(NamedTuple):
    """One day of one issue; prices in won, value in won."""

    day: date
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int


@dataclass
class Issue:
    """The state of one issue today.

    Attributes:
        listing: what it is.
        base: base price (기준가), the close of the day before.
        last: price of the last trade.
        first_day: first day of the simulation; earlier days are generated from `past_seed`.
        open: first price of the day; 0 before the first trade, as are high and low.
        volume: shares traded today.
        value: won traded today.
        usual_volume: shares on an average day.
        since: the days of the simulation before today, oldest first.
        halted: True while trading is suspended (거래정지).
        vi: True during a VI call auction (변동성완화장치): orders are accepted and wait.
        early: shares of today's volume that were traded before the simulation began.
        minutes: minute bars since then, by HHMM.
        clock: the present moment; without it there are no minute bars.
        on_trade: called with every trade.
    """

    listing: Listing
    base: int
    usual_volume: int
    last: int
    first_day: date
    past_seed: int
    open: int = 0
    high: int = 0
    low: int = 0
    volume: int = 0
    value: int = 0
    halted: bool = False
    since: list[DayBar] = field(default_factory=list)
    vi: bool = False
    early: int = 0
    minutes: dict[str, Minute] = field(default_factory=dict)
    clock: Callable[[], datetime] | None = None
    on_trade: Callable[[Issue, int, int], None] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def past(self) -> list[DayBar]:
        """The days before the simulation began, generated on first use."""
        return _past(self.listing, self.usual_volume, self.first_day, self.past_seed)

    @property
    def bars(self) -> list[DayBar]:
        """The days before today, oldest first."""
        return self.past + self.since

    @property
    def band(self) -> krx.Band:
        """Lower and upper price limit of the day."""
        return krx.price_band(self.base, etf=self.listing.etf)

    @property
    def upper(self) -> int:
        """Upper price limit (상한가)."""
        return self.band.upper

    @property
    def lower(self) -> int:
        """Lower price limit (하한가)."""
        return self.band.lower

    @property
    def tick(self) -> int:
        """Price unit at the last price."""
        return krx.tick_size(self.last, etf=self.listing.etf)

    @property
    def shares(self) -> int:
        """Listed shares."""
        return self.usual_volume * _SHARES_PER_DAILY_VOLUME

    def step(self, price: int, ticks: int) -> int:
        """The price some ticks away."""
        return krx.step(price, ticks, etf=self.listing.etf)

    def record_trade(self, price: int, quantity: int) -> None:
        """Records a trade of `quantity` shares; 0 shares move the price only."""
        self.last = price
        self.open = self.open or price
        self.high = max(self.high, price)
        self.low = min(self.low or price, price)
        self.volume += quantity
        self.value += price * quantity
        if self.clock is not None:
            name = self.clock().strftime("%H%M")
            now = self.minutes.get(name) or Minute(price, price, price, price, 0, 0)
            high, low = max(now.high, price), min(now.low, price)
            self.minutes[name] = Minute(now.open, high, low, price, now.volume + quantity, self.value)
        if self.on_trade is not None:
            self.on_trade(self, price, quantity)

    @property
    def paused(self) -> bool:
        """Whether it is halted or in a VI: orders are not matched continuously."""
        return self.halted or self.vi

    def reset_day(self) -> None:
        """Clears the day's figures, as before its first trade."""
        self.open = self.high = self.low = self.volume = self.value = self.early = 0
        self.minutes = {}

    def close_day(self, day: date) -> None:
        """Stores the day as a bar and starts the next one from its close."""
        last = self.last
        opened, high, low = self.open or last, self.high or last, self.low or last
        self.since.append(DayBar(day, opened, high, low, last, self.volume, self.value))
        self.base = self.last
        self.vi = False
        self.reset_day()

    def today(self, day: date) -> DayBar | None:
        """The present day's bar, or None before its first trade."""
        if not self.volume:
            return None
        return DayBar(day, self.open, self.high, self.low, self.last, self.volume, self.value)


def listed() -> tuple[Listing, ...]:
    """Every issue of the bundled table, in its order: shares by market, then ETFs."""
    text = resources.files(__package__).joinpath("listed.csv").read_text(encoding="utf-8")
    return tuple(
        Listing(row["code"], row["name"], row["market"], row["group"], int(row["price"]))
        for row in csv.DictReader(text.splitlines())
    )


def open_issues(listings: Iterable[Listing], day: date, rng: random.Random) -> dict[str, Issue]:
    """The issues by code on their first day, each with part of the day's volume already traded."""
    issues = {}
    for place, listing in enumerate(listings, start=1):
        turnover = _BIGGEST_TURNOVER / place**0.6 * rng.lognormvariate(0, 0.4)
        usual = max(1_000, int(turnover / listing.price))
        issue = Issue(listing, listing.price, usual, listing.price, day, rng.getrandbits(64))
        issue.record_trade(listing.price, int(usual * rng.uniform(0.1, 0.4)))
        issue.early = issue.volume
        issues[listing.code] = issue
    return issues


@lru_cache(maxsize=256)  # shared by simulators of one seed: an index needs that of every issue
def _past(listing: Listing, usual: int, day: date, seed: int) -> list[DayBar]:
    """Days before `day`, generated backwards from the listing's price as the last close; do not change the list."""
    rng = random.Random(seed)  # noqa: S311  prices, not secrets
    bars: list[DayBar] = []
    close = listing.price
    for _ in range(HISTORY):
        day = krx.previous_trading_day(day)
        move = max(-0.25, min(0.25, rng.gauss(0.0004, _DAILY_SWING)))
        before = _snap(close / (1 + move), etf=listing.etf)
        opened = _snap(before * (1 + rng.gauss(0, 0.004)), etf=listing.etf)
        high = _snap(max(opened, close) * (1 + abs(rng.gauss(0, 0.006))), etf=listing.etf)
        low = _snap(min(opened, close) * (1 - abs(rng.gauss(0, 0.006))), etf=listing.etf)
        volume = int(usual * rng.lognormvariate(0, 0.35))
        high, low = max(high, opened, close), min(low, opened, close)
        bars.append(DayBar(day, opened, high, low, close, volume, volume * (high + low + close) // 3))
        close = before
    bars.reverse()
    return bars


def _snap(price: float, *, etf: bool) -> int:
    return krx.tick_neighbours(max(1, round(price)), etf=etf)[0]
