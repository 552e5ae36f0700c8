"""Compares the websocket's fill notices with the broker's order list. Pure: nothing waits here.

The list alone says how much has filled. A notice bears neither the number of a fill nor a running total, so a lost or
repeated one shows only in the comparison: fills in the list without a notice, and notified fills that the list does
not show.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta

from kis.frames import FillNotice, NoticeKind
from kis.models import OrderReport

WINDOW = timedelta(seconds=10)
"""A notice and the growth it tells of lie no further apart than this, while both work."""
MIN_SNAPSHOTS = 2
"""Clean readings of the list that must not show a fill before it counts as missing."""
RECHECK_AFTER = (timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=9))
"""How long after a notice the list is read once more, if it does not show the fill yet."""
MAX_DAYS = 7

_Key = tuple[str, str]
"""Order number and code: numbers begin anew in every branch, whose name the list may give differently."""


@dataclass
class StreamCounts:
    """One day's figures."""

    day: date
    notices: int = 0
    """Of any kind, repeats included."""
    fills: int = 0
    """Different fills among them, as far as they can be told apart."""
    gaps: int = 0
    """Times after which something may have been missed."""
    missed_by_stream: int = 0
    """Growths in the list without a notice, while notices should have come."""
    missed_by_poll: int = 0
    """Notified fills that clean readings did not show in time."""

    @property
    def figures(self) -> dict[str, int]:
        """All but the day."""
        return {name: figure for name, figure in asdict(self).items() if name != "day"}


@dataclass(frozen=True)
class UnconfirmedFill:
    """A notified fill that the list does not show, or did not until now."""

    notice: FillNotice
    at: datetime
    notified: int
    """Shares of the order in today's notices, this fill included."""
    listed: int
    """Shares of it that the list shows as filled."""


@dataclass
class _Unlisted:
    """A notified fill that the list did not show yet."""

    notice: FillNotice
    at: datetime
    notified: int
    snapshots: int = 0
    rechecks: int = 0
    overdue: bool = False


@dataclass
class _Order:
    fills: set[tuple[str, int, int]] = field(default_factory=set)
    notified: int = 0
    notified_at: datetime | None = None
    unlisted: list[_Unlisted] = field(default_factory=list)
    unconfirmed: UnconfirmedFill | None = None
    filled: int = 0
    quantity: int = 0
    grown_at: datetime | None = None

    def shows(self, one: _Unlisted) -> bool:
        """Whether the list can be said to have a notified fill.

        It has, where it shows just what was notified, or all there was to fill. Where it shows more, notices were
        missed before, and only growth since says that this one is among what it shows.
        """
        if self.filled <= one.notified:
            return self.filled == one.notified
        return self.filled >= self.quantity or (self.grown_at is not None and self.grown_at >= one.at - WINDOW)


@dataclass(frozen=True)
class _Growth:
    """More shares filled in one reading of the list than in the one before."""

    key: _Key
    filled: int
    since: datetime
    at: datetime


class FillStreamAudit:
    """A day's notices and readings of the list."""

    def __init__(self, now: datetime, known: Mapping[date, Mapping[str, int]] | None = None) -> None:
        """`known`: the figures of earlier days, and of today as far as an earlier run came."""
        self.days = {day: StreamCounts(day, **figures) for day, figures in (known or {}).items()}
        """The figures of the last days, today's among them."""
        self.counts = self.days.setdefault(now.date(), StreamCounts(now.date()))
        """Today's figures."""
        self._begin()

    def _begin(self) -> None:
        self._orders: dict[_Key, _Order] = {}
        self._last: dict[str, datetime] = {}
        self._growths: list[_Growth] = []
        self._snapshot_at: datetime | None = None

    def _begin_day(self, day: date) -> None:
        """Numbers and quantities begin anew every day."""
        if day > self.counts.day:
            self._begin()
            self.counts = self.days[day] = StreamCounts(day)
            for old in sorted(self.days)[:-MAX_DAYS]:
                del self.days[old]

    def last(self, order_no: str) -> datetime | None:
        """When the last notice about an order came today, of a fill or anything else."""
        return self._last.get(order_no)

    def gap(self, now: datetime) -> None:
        """Something may have been missed."""
        self._begin_day(now.date())
        self.counts.gaps += 1

    def notice(self, notice: FillNotice, now: datetime) -> None:
        """A notice came."""
        self._begin_day(now.date())
        self.counts.notices += 1
        self._last[notice.order_no] = now
        if notice.kind is not NoticeKind.FILLED:
            return
        order = self._orders.setdefault((notice.order_no, notice.code), _Order())
        order.notified_at = now
        # Two equal fills within a second look like a repeated notice: rather one too few than a fill that never was.
        fill = (notice.time, notice.quantity, notice.price)
        if fill in order.fills:
            return
        order.fills.add(fill)
        order.notified += notice.quantity
        order.quantity = max(order.quantity, notice.order_quantity)
        self.counts.fills += 1
        unlisted = _Unlisted(notice, now, order.notified)
        if not order.shows(unlisted):
            order.unlisted.append(unlisted)

    def snapshot(self, day: date, rows: Iterable[OrderReport], now: datetime) -> None:
        """A clean reading of a day's list; only today's is of interest."""
        self._begin_day(now.date())
        if day != self.counts.day:
            return
        filled: Counter[_Key] = Counter()
        quantity: Counter[_Key] = Counter()
        for row in rows:
            filled[row.order_no, row.code] += row.filled
            quantity[row.order_no, row.code] += row.quantity
        since, self._snapshot_at = self._snapshot_at, now
        for key, total in filled.items():
            order = self._orders.setdefault(key, _Order())
            order.quantity = quantity[key]
            if total > order.filled:
                order.filled, order.grown_at = total, now
                if since is not None:  # what stood there at the first reading may be hours old
                    self._growths.append(_Growth(key, total, since, now))
        for order in self._orders.values():
            for one in order.unlisted:
                one.snapshots += 1

    def wants_snapshot(self, now: datetime) -> bool:
        """Whether a notified fill that the list does not show is a reason to read the list now."""
        due = False
        for order in self._orders.values():
            for one in order.unlisted:
                while one.rechecks < len(RECHECK_AFTER) and now - one.at >= RECHECK_AFTER[one.rechecks]:
                    one.rechecks += 1
                    due = due or not order.shows(one)
        return due

    def judge(
        self, now: datetime, connected_since: datetime | None
    ) -> tuple[list[UnconfirmedFill], list[UnconfirmedFill]]:
        """Count what was missed; `connected_since`: when notices began to come without a break, None while they do not.

        Returns what is newly missing from the list, and what was missing and shows by now; one entry an order.
        """
        self._begin_day(now.date())
        self._growths = [one for one in self._growths if not self._judged(one, now, connected_since)]
        missing, found = [], []
        for order in self._orders.values():
            if not order.unlisted and order.unconfirmed is None:
                continue
            order.unlisted = [one for one in order.unlisted if not order.shows(one)]
            for one in order.unlisted:
                if one.overdue or now - one.at <= WINDOW or one.snapshots < MIN_SNAPSHOTS:
                    continue
                one.overdue = True
                self.counts.missed_by_poll += 1
                if order.unconfirmed is None:
                    order.unconfirmed = UnconfirmedFill(one.notice, one.at, one.notified, order.filled)
                    missing.append(order.unconfirmed)
            if order.unconfirmed is not None and not order.unlisted:
                found.append(replace(order.unconfirmed, notified=order.notified, listed=order.filled))
                order.unconfirmed = None
        return missing, found

    def _judged(self, growth: _Growth, now: datetime, connected_since: datetime | None) -> bool:
        """Whether it is late enough to say; a growth while notices could not come counts as missed by nobody."""
        if now - growth.at <= WINDOW:
            return False
        order = self._orders[growth.key]
        notified = order.notified >= growth.filled or (
            order.notified_at is not None and order.notified_at >= growth.since - WINDOW
        )
        if not notified and connected_since is not None and connected_since <= growth.since:
            self.counts.missed_by_stream += 1
        return True
