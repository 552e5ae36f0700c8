"""All live alerts, by stock and sorted by the value that changes each next: a tick touches only those it crosses. Pure.

`changes` alters nothing; what it finds is taken over by `apply` once it is on disk.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from bot.alerts.model import BASED_KINDS, DAILY_KINDS, Alert, AlertKind, Fired, Measure, Tick, step


class AlertChange(NamedTuple):
    """An alert before and after a tick, and whether it fired."""

    before: Alert
    after: Alert
    fired: Fired | None = None


@dataclass(slots=True)
class _Thresholds:
    """Alerts of one stock on one figure, as (value, alert id): those for it to rise to, and those for it to fall to."""

    rise: list[tuple[int, int]] = field(default_factory=list)
    fall: list[tuple[int, int]] = field(default_factory=list)

    def side(self, *, up: bool) -> list[tuple[int, int]]:
        return self.rise if up else self.fall

    def quiet(self, value: int) -> bool:
        """Whether nothing waits for this value."""
        return (not self.rise or self.rise[0][0] > value) and (not self.fall or self.fall[-1][0] < value)

    def touched(self, value: int) -> Iterator[int]:
        for level, alert in self.rise:
            if level > value:
                break
            yield alert
        for level, alert in reversed(self.fall):
            if level < value:
                break
            yield alert

    def distance(self, value: int | None) -> float:
        """To the nearest value that changes something, as a fraction; 0 where the value is not known."""
        if value is None:
            return 0.0
        gaps = [abs(side[place][0] - value) for side, place in ((self.rise, 0), (self.fall, -1)) if side]
        return min(gaps, default=value or 1) / (value or 1)


@dataclass(slots=True)
class _StockAlerts:
    """Alerts on one stock."""

    ids: set[int] = field(default_factory=set)
    lines: dict[Measure, _Thresholds] = field(default_factory=dict)
    days: dict[date | None, set[int]] = field(default_factory=dict)
    """Alerts that count by the day, by the day of their line."""

    def outdated(self, day: date) -> Iterator[int]:
        if len(self.days) > (day in self.days):
            for known, alerts in self.days.items():
                if known != day:
                    yield from alerts


class LiveAlerts:
    """The live alerts in memory."""

    def __init__(self, alerts: Iterable[Alert] = ()) -> None:
        self._alerts: dict[int, Alert] = {}
        self._stocks: dict[str, _StockAlerts] = {}
        for alert in alerts:
            self.add(alert)

    def __len__(self) -> int:
        return len(self._alerts)

    def __contains__(self, alert_id: int) -> bool:
        return alert_id in self._alerts

    @property
    def codes(self) -> Iterable[str]:
        """Stocks on which there is an alert."""
        return self._stocks.keys()

    def watches(self, code: str) -> bool:
        """Whether there is an alert on this stock."""
        return code in self._stocks

    def add(self, alert: Alert) -> None:
        """Add an alert, or replace it in a new state; one that is over, or is of no stock itself, is left out."""
        self.remove(alert.id)
        if not alert.live or alert.kind is AlertKind.HOLDINGS:
            return
        self._alerts[alert.id] = alert
        stock = self._stocks.setdefault(alert.code, _StockAlerts())
        stock.ids.add(alert.id)
        if alert.kind in DAILY_KINDS:
            stock.days.setdefault(alert.day, set()).add(alert.id)
        if (trigger := alert.trigger) is not None:
            line = stock.lines.setdefault(alert.measure, _Thresholds())
            insort(line.side(up=trigger[0]), (trigger[1], alert.id))

    def remove(self, alert_id: int) -> None:
        """Take an alert out."""
        alert = self._alerts.pop(alert_id, None)
        if alert is None:
            return
        stock = self._stocks[alert.code]
        stock.ids.discard(alert_id)
        if not stock.ids:
            del self._stocks[alert.code]
            return
        if alert.kind in DAILY_KINDS:
            stock.days[alert.day].discard(alert_id)
            if not stock.days[alert.day]:
                del stock.days[alert.day]
        if (trigger := alert.trigger) is not None:
            side = stock.lines[alert.measure].side(up=trigger[0])
            del side[bisect_left(side, (trigger[1], alert_id))]

    def quiet(self, code: str, price: int, volume: int | None, day: date) -> bool:
        """Whether a trade at this price changes nothing; asked of every tick, so it takes no time."""
        stock = self._stocks.get(code)
        if stock is None:
            return True
        if len(stock.days) > (day in stock.days):
            return False
        line = stock.lines.get(Measure.PRICE)
        if line is not None and not line.quiet(price):
            return False
        line = stock.lines.get(Measure.VOLUME)
        return line is None or volume is None or line.quiet(volume)

    def changes(self, tick: Tick) -> list[AlertChange]:
        """What a tick would change, in the order in which the alerts were made."""
        stock = self._stocks.get(tick.code)
        if stock is None:
            return []
        touched = set(stock.outdated(tick.at.date()))
        for measure, line in stock.lines.items():
            if (value := tick.figure(measure)) is not None:
                touched.update(line.touched(value))
        befores = [self._alerts[alert_id] for alert_id in sorted(touched)]
        found = [AlertChange(before, *step(before, tick)) for before in befores]
        return [change for change in found if change.after is not change.before]

    def apply(self, changes: Sequence[AlertChange]) -> None:
        """Take over what is on disk now."""
        for one in changes:
            if one.before.id in self._alerts:
                self.add(one.after)

    def lacks_base(self, code: str, day: date) -> bool:
        """Whether the day's base price of a stock is needed and not known yet."""
        stock = self._stocks.get(code)
        return stock is not None and any(self._alerts[one].kind in BASED_KINDS for one in stock.outdated(day))

    def by_quote(self, code: str) -> bool:
        """Whether an alert on this stock depends on what only a quote tells: a halt or VI."""
        stock = self._stocks.get(code)
        return stock is not None and not stock.lines.keys().isdisjoint({Measure.HALTED, Measure.VI})

    def distance(self, code: str, price: int | None, volume: int | None) -> float:
        """How far a stock is from the next change of any of its alerts, as a fraction; 0 where that is not known."""
        stock = self._stocks.get(code)
        known = {Measure.PRICE: price, Measure.VOLUME: volume}
        lines = stock.lines.items() if stock is not None else ()
        gaps = (line.distance(known[measure]) for measure, line in lines if measure in known)
        return min(gaps, default=1.0)
