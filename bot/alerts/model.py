"""One alert and its state machine. Pure.

The states::

    ARMED ──crosses its line──► fires ──► DONE      once
      ▲ ▲                         └─────► RESTING   repeating
      │ └── back by the hysteresis ──────────┘
      └──── back on the near side ──── BEYOND       made while the value was past the line already

An alert of a kind that counts by the day (`DAILY_KINDS`) is armed anew on every trading day, with that day's line.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from kis import krx

HYSTERESIS = 5
"""Thousandths of the line by which the price must come back before a repeating alert is armed again ..."""
HYSTERESIS_TICKS = 2
"""... and so many ticks at least."""
NEAR_LIMIT = Decimal("0.01")
"""How close to the day's price limit counts as near, as a fraction of the limit."""
VOLUME_DAYS = 20
"""Trading days whose average a volume alert is measured against."""


class AlertKind(StrEnum):
    """What is watched."""

    PRICE = "price"
    """A price in won, also one that was said in percent from the price at the time."""
    MOVE = "move"
    """Percent since the previous close; the line is another one every day."""
    VOLUME = "volume"
    """Shares traded today against the daily average when the alert was made."""
    HOLDINGS = "holdings"
    """All that is held: never fires itself, but is the parent of those that follow and of moves."""
    UPPER = "upper"
    LOWER = "lower"
    HALT = "halt"
    VI = "vi"


DAILY_KINDS = frozenset({AlertKind.MOVE, AlertKind.VOLUME, AlertKind.UPPER, AlertKind.LOWER})
BASED_KINDS = DAILY_KINDS - {AlertKind.VOLUME}
"""Those whose line of the day is known only once the day's base price is."""


class Comparison(StrEnum):
    """On which side of its line an alert fires."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @property
    def up(self) -> bool:
        """Whether it fires on the way up."""
        return self in {Comparison.ABOVE, Comparison.AT_LEAST}


class Repeat(StrEnum):
    """What follows when it has fired."""

    ONCE = "once"
    REPEAT = "repeat"
    DAILY = "daily"
    """Once a day."""


class AlertState(StrEnum):
    """Where an alert stands."""

    ARMED = "armed"
    BEYOND = "beyond"
    RESTING = "resting"
    DONE = "done"
    EXPIRED = "expired"
    DELETED = "deleted"


LIVE = frozenset({AlertState.ARMED, AlertState.BEYOND, AlertState.RESTING})


class Measure(StrEnum):
    """Which figure of a tick an alert looks at."""

    PRICE = "price"
    VOLUME = "volume"
    HALTED = "halted"
    VI = "vi"


class Tick(NamedTuple):
    """One stock at a moment (KST); None is what was not seen."""

    code: str
    at: datetime
    price: int | None = None
    volume: int | None = None
    """Shares traded since the open."""
    halted: bool | None = None
    vi: bool | None = None
    base: int | None = None
    """Today's base price, in won; with it come the price limits."""
    upper: int = 0
    lower: int = 0
    unseen: bool = False
    """The price may have moved unseen since the last one."""
    since: datetime | None = None
    """Time of that last price."""
    last: int | None = None
    """That last price, won."""

    def figure(self, measure: Measure) -> int | None:
        """The figure that alerts of this measure look at; None: not seen."""
        match measure:
            case Measure.PRICE:
                return self.price
            case Measure.VOLUME:
                return self.volume
        flag = self.halted if measure is Measure.HALTED else self.vi
        return None if flag is None else int(flag)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `line` is won, shares, or 1 for what is either so or not."""

    id: int
    user_id: int
    chat_id: int
    code: str
    name: str
    kind: AlertKind
    op: Comparison
    line: int
    again: Repeat
    made_at: datetime
    expires_at: datetime
    state: AlertState = AlertState.ARMED
    crossings: int = 0
    percent: Decimal | None = None
    factor: Decimal | None = None
    start: int = 0
    """What percent and factor are counted from: won or shares."""
    day: date | None = None
    """The day whose line this is; None: the next trading day brings it. Only of kinds that count by the day."""
    etf: bool = False
    parent: int | None = None
    """The alert on holdings that this one belongs to."""
    asked: int | None = None
    """Id of the Telegram update that requested it, so that it is made once."""

    @property
    def live(self) -> bool:
        """Whether it may still fire."""
        return self.state in LIVE

    @property
    def measure(self) -> Measure:
        """Which figure it looks at."""
        return _MEASURES.get(self.kind, Measure.PRICE)

    @property
    def bound(self) -> int:
        """The first value at which it fires; values are whole."""
        return self.line + {Comparison.ABOVE: 1, Comparison.BELOW: -1}.get(self.op, 0)

    def past(self, value: int) -> bool:
        """Whether a value is on the far side of the line."""
        return value >= self.bound if self.op.up else value <= self.bound

    @property
    def trigger(self) -> tuple[bool, int] | None:
        """The value that changes its state next, as (from there upward, value); None: only a new day does."""
        up = self.op.up
        if self.state is AlertState.ARMED:
            return up, self.bound
        if self.state is AlertState.BEYOND:
            return not up, self.bound - 1 if up else self.bound + 1
        back = self._back()
        return None if back is None or not self.live else (not up, back)

    def is_back(self, value: int) -> bool:
        """Whether a value arms it again."""
        trigger = self.trigger
        return trigger is not None and (value >= trigger[1] if trigger[0] else value <= trigger[1])

    def _back(self) -> int | None:
        """How far the value must come back after it fired."""
        if self.again is Repeat.DAILY or self.kind is AlertKind.VOLUME:
            return None
        if self.measure is not Measure.PRICE:
            return self.bound - 1 if self.op.up else self.bound + 1
        ticks = krx.step(self.line, -HYSTERESIS_TICKS if self.op.up else HYSTERESIS_TICKS, etf=self.etf)
        if self.op.up:
            return min(self.line * (1000 - HYSTERESIS) // 1000, ticks)
        return max(-(-self.line * (1000 + HYSTERESIS) // 1000), ticks)


_MEASURES = {AlertKind.VOLUME: Measure.VOLUME, AlertKind.HALT: Measure.HALTED, AlertKind.VI: Measure.VI}


class Fired(NamedTuple):
    """An alert fired; its `crossings` is the number of this crossing."""

    alert: Alert
    tick: Tick

    @property
    def key(self) -> str:
        """Outbox key, by which this crossing is reported once."""
        return f"alert:{self.alert.id}:{self.alert.crossings}"

    def data(self) -> dict[str, Any]:
        """The facts of the message, as JSON holds them."""
        alert, tick = self.alert, self.tick
        since = tick.since.isoformat(timespec="seconds") if tick.since else None
        return {
            **facts(alert), "number": alert.crossings, "price": tick.price, "volume": tick.volume,
            "at": tick.at.isoformat(timespec="seconds"), "unseen": tick.unseen, "since": since, "last": tick.last,
        }  # fmt: skip


def facts(alert: Alert) -> dict[str, Any]:
    """What an alert is about, as JSON holds it."""
    return {
        "alert": alert.parent or alert.id,
        "code": alert.code,
        "name": alert.name,
        "kind": alert.kind.value,
        "op": alert.op.value,
        "line": alert.line,
        "again": alert.again.value,
        "percent": None if alert.percent is None else str(alert.percent),
        "factor": None if alert.factor is None else str(alert.factor),
        "start": alert.start,
        "held": alert.parent is not None,
    }


def step(alert: Alert, tick: Tick) -> tuple[Alert, Fired | None]:
    """What a tick makes of an alert; the same alert, if nothing. Applied twice it changes nothing the second time."""
    if not alert.live or alert.kind is AlertKind.HOLDINGS:
        return alert, None
    if tick.at >= alert.expires_at:
        return replace(alert, state=AlertState.EXPIRED), None
    now = renewed(alert, tick)
    value = None if now is None else tick.figure(now.measure)
    if now is None or value is None:
        return now or alert, None
    if now.state is AlertState.ARMED and now.past(value):
        state = AlertState.DONE if now.again is Repeat.ONCE else AlertState.RESTING
        now = replace(now, state=state, crossings=now.crossings + 1)
        return now, Fired(now, tick)
    if now.state is not AlertState.ARMED and now.is_back(value):
        now = replace(now, state=AlertState.ARMED)
    return now, None


def renewed(alert: Alert, tick: Tick) -> Alert | None:
    """The alert as it stands on the tick's day; None where that day's line is not known yet."""
    day = tick.at.date()
    if alert.kind not in DAILY_KINDS or alert.day == day:
        return alert
    if alert.kind is AlertKind.VOLUME:
        return None if tick.volume is None else replace(alert, day=day, state=AlertState.ARMED)
    limit = {AlertKind.UPPER: tick.upper, AlertKind.LOWER: tick.lower}.get(alert.kind, tick.base)
    if tick.base is None or not limit:
        return None
    line = alert.line
    if alert.kind is not AlertKind.MOVE:
        line = near(limit, up=alert.kind is AlertKind.UPPER)
    elif alert.percent is not None:
        line = moved(tick.base, alert.percent)
    return replace(alert, day=day, state=AlertState.ARMED, line=line, start=tick.base)


def moved(base: int, percent: Decimal) -> int:
    """The first whole won at which a price has moved by so many percent from a base."""
    return _whole(base * (100 + percent) / 100, up=percent > 0)


def near(limit: int, *, up: bool) -> int:
    """Where the last percent before a price limit begins."""
    return _whole(limit * (1 - NEAR_LIMIT if up else 1 + NEAR_LIMIT), up=up)


def _whole(exact: Decimal, *, up: bool) -> int:
    return max(1, int(exact.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)))
