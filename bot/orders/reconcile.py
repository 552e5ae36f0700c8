"""What the broker reports, held against what we remember: events out, nothing changed. Pure.

The same list read twice yields nothing the second time, because quantities are cumulative and only growth is news.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.orders.events import Event, Found, NotFound, Reported
from bot.orders.model import WORKING, Order, State
from kis.models import OrderKind, OrderReport

BEFORE = timedelta(seconds=2)
AFTER = timedelta(seconds=15)
"""How far the broker's one-second stamp may stand from our own time of sending."""
SETTLE = timedelta(seconds=10)
"""A lone candidate is believed only after this long: a second, identical row may still appear."""
STRAGGLER = timedelta(seconds=30)
"""A row stamped later than AFTER is put to a person once it has stood this long unclaimed by a newer order of ours."""
OWN_ORDERS = 3
"""Orders of ours that must agree on a channel before it is taken for ours."""
ABSENT_AFTER = timedelta(seconds=180)
ABSENT_SCANS = 5
"""Not in the list for this long and in this many clean readings: then it is not there. Late bookings of up to a minute
and a half were seen at brokers of the same kind; waiting longer costs a person nothing but patience."""


@dataclass(frozen=True)
class Attempt:
    """One try at the wire, as it was written down before the first byte left."""

    order_id: int
    n: int
    started_at: datetime
    baseline: frozenset[str]
    """Order numbers that stood in the broker's list for this code before: a match must be a new number."""


@dataclass(frozen=True)
class Search:
    """What the readings so far have shown of an order in doubt."""

    scans: int = 0
    candidates: frozenset[str] = frozenset()
    """Numbers of the rows that could be it, at the last reading."""
    since: datetime | None = None
    """Since when exactly these stand there."""
    told: frozenset[str] = field(default_factory=frozenset)
    """Rows a person was already asked about."""


@dataclass(frozen=True)
class Ambiguous:
    """Rows that fit, of which the machine must not choose: a person says which it is, or none."""

    reports: tuple[OrderReport, ...]


def same_order(order: Order, row: OrderReport) -> bool:
    """Whether a row of the list is the order of this number (numbers start again every day)."""
    return (row.day, row.order_no) == (order.day, order.order_no) and (row.code, row.side) == (
        order.code,
        order.side,
    )


def news(orders: Iterable[Order], rows: Sequence[OrderReport]) -> list[tuple[Order, Reported]]:
    """Growth of every working order that the list knows, in the list's order of time."""
    found = []
    for order in orders:
        if order.state not in WORKING:
            continue
        row = next((one for one in rows if not one.is_revision and same_order(order, one)), None)
        if row is None:
            continue
        event = Reported(row.filled, row.filled_amount, _cancelled(order, row), row.rejected)
        if (event.filled, event.filled_amount, event.cancelled) != (
            order.filled,
            order.filled_amount,
            order.cancelled,
        ) or event.rejected:
            found.append((order, event))
    return found


def _cancelled(order: Order, row: OrderReport) -> int:
    """Shares that a cancel took away. Some rows say so only by a flag and an empty remainder."""
    if row.cancelled:
        return row.cancelled
    return order.quantity - row.filled if row.is_cancelled and row.remaining == 0 else 0


def own_channel(rows: Sequence[OrderReport], direct: frozenset[str]) -> str:
    """Where the broker says our orders are entered, learned from those whose number it gave us; "" until it is sure.

    With it an order typed into HTS or MTS at the same moment cannot be taken for ours.
    """
    seen = [row.channel for row in rows if row.order_no in direct]
    return seen[0] if len(seen) >= OWN_ORDERS and len(set(seen)) == 1 else ""


def candidates(
    order: Order, attempt: Attempt, rows: Sequence[OrderReport], linked: frozenset[str], channel: str = ""
) -> tuple[tuple[OrderReport, ...], tuple[OrderReport, ...]]:
    """New rows on the order's terms that are nobody else's: those of the right second, and those stamped later."""
    same = [
        row
        for row in rows
        if row.order_no not in attempt.baseline
        and row.order_no not in linked
        and not row.is_revision
        and row.day == order.day
        and (row.code, row.side, row.quantity, row.kind) == (order.code, order.side, order.quantity, order.kind)
        and (row.price == order.price if order.kind is OrderKind.LIMIT else True)
        and channel in {"", row.channel}
    ]
    start = attempt.started_at.replace(microsecond=0)
    stamped = [(row, _stamp(row, attempt)) for row in same]
    return (
        tuple(row for row, at in stamped if start - BEFORE <= at <= start + AFTER),
        tuple(row for row, at in stamped if start + AFTER < at),
    )


def _stamp(row: OrderReport, attempt: Attempt) -> datetime:
    """When the broker says it came; a stamp that cannot be read counts as late, for a person to look at."""
    try:
        clock = datetime.strptime(row.time, "%H%M%S").time()  # noqa: DTZ007  # the zone is the attempt's own
    except ValueError:
        return datetime.max.replace(tzinfo=attempt.started_at.tzinfo)
    return datetime.combine(row.day, clock, attempt.started_at.tzinfo)


def look(
    order: Order,
    attempt: Attempt,
    search: Search,
    rows: Sequence[OrderReport],
    linked: frozenset[str],
    now: datetime,
    channel: str = "",
) -> tuple[Search, Event | Ambiguous | None]:
    """One clean reading of the whole list for an order in doubt: what is known now, and what follows from it."""
    fits, late = candidates(order, attempt, rows, linked, channel)
    shown = fits or late
    numbers = frozenset(row.order_no for row in shown)
    since = search.since if numbers and numbers == search.candidates else (now if numbers else None)
    search = replace(search, scans=search.scans + 1, candidates=numbers, since=since)
    stood = now - since if since is not None else timedelta()
    if len(fits) > 1 or (late and not fits and stood >= STRAGGLER):
        if numbers == search.told:
            return search, None
        return replace(search, told=numbers), Ambiguous(shown)
    if fits and stood >= SETTLE:
        return search, Found(fits[0])
    waited = now - attempt.started_at
    if not shown and order.state is State.UNKNOWN and waited >= ABSENT_AFTER and search.scans >= ABSENT_SCANS:
        return search, NotFound()
    return search, None
