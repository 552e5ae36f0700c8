"""What the broker's websocket told of our orders, held against what its list shows. Pure: nothing waits here.

The list alone says how much has filled. A notice bears neither the number of a fill nor a running total, so one that
is lost or doubled can only be seen by holding the two against each other: growth of which nothing was heard, and
fills that were told and do not show.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta

from kis.frames import FillNotice, NoticeKind
from kis.models import OrderReport, Side

WINDOW = timedelta(seconds=10)
"""A notice and the growth it tells of lie no further apart than this, while both work."""
READINGS = 2
"""Clean readings that must not show a fill before it counts as missing from the list."""
AGAIN = (timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=9))
"""How long after a notice the list is read once more, if it does not show the fill yet."""
KEPT_DAYS = 7

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
    """Growths that a reading found and no notice told of, while notices should have come."""
    missed_by_poll: int = 0
    """Fills that were told and that clean readings did not show in time."""

    @property
    def figures(self) -> dict[str, int]:
        """All but the day."""
        return {name: figure for name, figure in asdict(self).items() if name != "day"}


@dataclass(frozen=True)
class UnconfirmedFill:
    """Fills that were told and that the list does not show, or did not until now. Shares; won for one share."""

    order_no: str
    code: str
    name: str
    side: Side
    quantity: int
    price: int
    told: int
    """Shares of the order that notices told of today, this fill included."""
    shown: int
    """Shares of it that the list shows as filled."""
    at: datetime


@dataclass
class _Waiting:
    notice: FillNotice
    at: datetime
    told: int
    readings: int = 0
    rung: int = 0
    overdue: bool = False


@dataclass
class _Order:
    fills: set[tuple[str, int, int]] = field(default_factory=set)
    told: int = 0
    told_at: datetime | None = None
    waiting: list[_Waiting] = field(default_factory=list)
    unseen: UnconfirmedFill | None = None
    filled: int = 0
    quantity: int = 0
    grown_at: datetime | None = None

    def shows(self, one: _Waiting) -> bool:
        """Whether the list can be said to have a fill that was told.

        It has, where it shows just what was told, or all there was to fill. Where it shows more, notices were missed
        before, and only growth since says that this one is among what it shows.
        """
        if self.filled <= one.told:
            return self.filled == one.told
        return self.filled >= self.quantity or (self.grown_at is not None and self.grown_at >= one.at - WINDOW)


@dataclass(frozen=True)
class _Growth:
    key: _Key
    filled: int
    since: datetime
    at: datetime


class FillStreamAudit:
    """A day's notices and readings."""

    def __init__(self, now: datetime, known: Mapping[date, Mapping[str, int]] | None = None) -> None:
        """`known`: the figures of days before, and of today as far as another run came."""
        self.days: dict[date, StreamCounts] = {
            day: StreamCounts(day, **figures) for day, figures in (known or {}).items()
        }
        self.counts = self.days.setdefault(now.date(), StreamCounts(now.date()))
        """Today's figures."""
        """Those of the last days, today's among them."""
        self._begin()

    def _begin(self) -> None:
        self._orders: dict[_Key, _Order] = {}
        self._last: dict[str, datetime] = {}
        self._growths: list[_Growth] = []
        self._read_at: datetime | None = None

    def _turn(self, day: date) -> None:
        """Numbers and quantities begin anew every day."""
        if day > self.counts.day:
            self._begin()
            self.counts = self.days[day] = StreamCounts(day)
            for old in sorted(self.days)[:-KEPT_DAYS]:
                del self.days[old]

    def last(self, order_no: str) -> datetime | None:
        """When something was last told of an order today, a fill or anything else."""
        return self._last.get(order_no)

    def gap(self, now: datetime) -> None:
        """Something may have been missed."""
        self._turn(now.date())
        self.counts.gaps += 1

    def notice(self, notice: FillNotice, now: datetime) -> None:
        """Something was told."""
        self._turn(now.date())
        self.counts.notices += 1
        self._last[notice.order_no] = now
        if notice.kind is not NoticeKind.FILLED:
            return
        order = self._orders.setdefault((notice.order_no, notice.code), _Order())
        order.told_at = now
        # Two equal fills within a second look like one told twice: rather one too few than a fill that never was.
        fill = (notice.time, notice.quantity, notice.price)
        if fill in order.fills:
            return
        order.fills.add(fill)
        order.told += notice.quantity
        order.quantity = max(order.quantity, notice.order_quantity)
        self.counts.fills += 1
        waiting = _Waiting(notice, now, order.told)
        if not order.shows(waiting):
            order.waiting.append(waiting)

    def read(self, day: date, rows: Iterable[OrderReport], now: datetime) -> None:
        """A clean reading of a day's list; only today's is of interest."""
        self._turn(now.date())
        if day != self.counts.day:
            return
        filled: Counter[_Key] = Counter()
        quantity: Counter[_Key] = Counter()
        for row in rows:
            filled[row.order_no, row.code] += row.filled
            quantity[row.order_no, row.code] += row.quantity
        since, self._read_at = self._read_at, now
        for key, total in filled.items():
            order = self._orders.setdefault(key, _Order())
            order.quantity = quantity[key]
            if total > order.filled:
                order.filled, order.grown_at = total, now
                if since is not None:  # what stood there at the first reading may be hours old
                    self._growths.append(_Growth(key, total, since, now))
        for order in self._orders.values():
            for one in order.waiting:
                one.readings += 1

    def wants_reading(self, now: datetime) -> bool:
        """Whether a fill that was told and does not show is a reason to read once more, now."""
        due = False
        for order in self._orders.values():
            for one in order.waiting:
                while one.rung < len(AGAIN) and now - one.at >= AGAIN[one.rung]:
                    one.rung += 1
                    due = due or not order.shows(one)
        return due

    def judge(
        self,
        now: datetime,
        listening_since: datetime | None,
    ) -> tuple[list[UnconfirmedFill], list[UnconfirmedFill]]:
        """Count what was missed.

        Args:
            now: the present moment.
            listening_since: since when notices have come without a break; None while they do not.

        Returns:
            What is newly missing from the list, and what was missing and shows by now; one entry an order.
        """
        self._turn(now.date())
        self._growths = [one for one in self._growths if not self._judged(one, now, listening_since)]
        missing, found = [], []
        for order in self._orders.values():
            if not order.waiting and order.unseen is None:
                continue
            order.waiting = [one for one in order.waiting if not order.shows(one)]
            for one in order.waiting:
                if one.overdue or now - one.at <= WINDOW or one.readings < READINGS:
                    continue
                one.overdue = True
                self.counts.missed_by_poll += 1
                if order.unseen is None:
                    order.unseen = _unseen(order, one)
                    missing.append(order.unseen)
            if order.unseen is not None and not order.waiting:
                found.append(replace(order.unseen, told=order.told, shown=order.filled))
                order.unseen = None
        return missing, found

    def _judged(self, growth: _Growth, now: datetime, listening_since: datetime | None) -> bool:
        """Whether it is late enough to say; a growth while notices could not come is nobody's fault."""
        if now - growth.at <= WINDOW:
            return False
        order = self._orders[growth.key]
        told = order.told >= growth.filled or (order.told_at is not None and order.told_at >= growth.since - WINDOW)
        if not told and listening_since is not None and listening_since <= growth.since:
            self.counts.missed_by_stream += 1
        return True


def _unseen(order: _Order, one: _Waiting) -> UnconfirmedFill:
    notice = one.notice
    return UnconfirmedFill(
        notice.order_no,
        notice.code,
        notice.name,
        notice.side,
        notice.quantity,
        notice.price,
        one.told,
        order.filled,
        one.at,
    )
