"""Looking for an order whose answer was lost: which rows may be it, and when it is proven not to be there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.orders.model.attempt import Attempt
from bot.orders.model.events import Event, FoundAtBroker, NotFound
from bot.orders.model.order import Order, OrderAction, OrderState
from bot.orders.reconciliation.reconcile import is_cancel
from kis.models import OrderKind, OrderReport, Side

BEFORE = timedelta(seconds=2)
AFTER = timedelta(seconds=15)
"""How far the broker's one-second stamp may stand from the time of sending on the broker's own clock."""
SETTLE = timedelta(seconds=10)
"""A lone candidate is believed only after this long: a second, identical row may still appear."""
STRAGGLER = timedelta(seconds=30)
"""A row stamped later than AFTER is put to a person once it has stood this long unclaimed by a newer order of ours."""
CLAIM_AFTER = timedelta(seconds=10)
CLAIM_SCANS = 2
"""KIS said no, in a code not known to mean no: believed after this long and this many clean readings without it."""
ABSENT_AFTER = timedelta(seconds=180)
ABSENT_SCANS = 5
"""Not in the list for this long and in this many clean readings: then it is not there. Late bookings of up to a minute
and a half were seen at brokers of the same kind; waiting longer costs a person nothing but patience."""
MANUAL_AFTER = timedelta(minutes=15)
"""Nothing proven for this long, as the list cannot be read or the account's money contradicts it: a person decides."""
WITNESS_SHARE = 90
"""Percent of the order's value (or shares) that must be missing for the account's money to speak for the order."""


@dataclass(frozen=True)
class AccountEvidence:
    """What was read beside the list for one order in doubt, once its absence is about to be stated.

    `means` as in `Attempt`. `open_numbers`: numbers of open orders on its terms, where KIS offers that list.
    """

    means: int | None = None
    open_numbers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Resolution:
    """What the readings so far have shown of an order in doubt."""

    scans: int = 0
    candidates: frozenset[str] = frozenset()
    """Numbers of the rows that could be it, at the last reading."""
    since: datetime | None = None
    """Since when exactly these stand there."""
    told: frozenset[str] = field(default_factory=frozenset)
    """Rows a person was already asked about."""
    shown_at: datetime | None = None
    """The last reading that showed one."""
    asked: bool = False
    """Whether a person was asked to decide because nothing could be proven."""


@dataclass(frozen=True)
class Ambiguous:
    """Rows that fit, of which the machine must not choose: a person says which it is, or none."""

    reports: tuple[OrderReport, ...]


def candidates(
    order: Order,
    attempt: Attempt,
    rows: Sequence[OrderReport],
    linked: frozenset[str],
    channel: str = "",
    parent_no: str = "",
) -> tuple[tuple[OrderReport, ...], tuple[OrderReport, ...]]:
    """New rows on the order's terms that are nobody else's: those of the right second, and those stamped otherwise."""
    same = [
        row
        for row in rows
        if row.order_no not in attempt.baseline
        and row.order_no not in linked
        and row.day == order.day
        and _on_its_terms(order, row, parent_no)
        and channel in {"", row.channel}
    ]
    ahead = timedelta(seconds=round(attempt.offset))
    first = (attempt.first_at or attempt.started_at).replace(microsecond=0) + ahead - BEFORE
    last = attempt.started_at.replace(microsecond=0) + ahead + AFTER
    stamped = [(row, _stamp(row, attempt)) for row in same]
    return (
        tuple(row for row, at in stamped if first <= at <= last),
        tuple(row for row, at in stamped if not first <= at <= last),
    )


def _on_its_terms(order: Order, row: OrderReport, parent_no: str) -> bool:
    """The same order, or for a revision: what was left of its parent, on the new terms."""
    revision = order.act is OrderAction.REVISE
    if revision and not parent_no:
        return False
    if row.original_no != (parent_no if revision else "") or is_cancel(row):
        return False
    if (row.code, row.side, row.kind) != (order.code, order.side, order.kind):
        return False
    if order.kind is OrderKind.LIMIT and row.price != order.price:
        return False
    return 0 < row.quantity <= order.quantity if revision else row.quantity == order.quantity


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
    search: Resolution,
    rows: Sequence[OrderReport],
    linked: frozenset[str],
    now: datetime,
    *,
    channel: str = "",
    used_to: str = "",
    parent_no: str = "",
    witness: AccountEvidence | None = None,
) -> tuple[Resolution, Event | Ambiguous | None]:
    """One clean reading of the whole list for an order in doubt: what is known now, and what follows from it.

    `channel` is where today's orders of ours are entered, and rules out every other row; `used_to` is where the first
    of them or those of earlier days were, and only puts a row of another one to a person.
    """
    fits, late = candidates(order, attempt, rows, linked, channel, parent_no)
    shown = fits or late
    numbers = frozenset(row.order_no for row in shown)
    since = search.since if numbers and numbers == search.candidates else (now if numbers else None)
    # a reading that shows something says nothing for its absence: the count begins anew
    search = replace(search, scans=0 if numbers else search.scans + 1, candidates=numbers, since=since)
    search = replace(search, shown_at=now) if numbers else search
    stood = now - since if since is not None else timedelta()
    if used_to and not channel:
        likely = tuple(row for row in fits if row.channel == used_to)
        odd = bool(fits) and not likely
        fits = likely or fits
    else:
        odd = False
    if len(fits) > 1 or ((odd or (late and not fits)) and stood >= STRAGGLER):
        if numbers == search.told:
            return search, None
        return replace(search, told=numbers), Ambiguous(shown)
    if fits and not odd and stood >= SETTLE:
        return search, FoundAtBroker(fits[0])
    if not shown and order.state is OrderState.UNKNOWN and _proven(order, attempt, search, now, witness, rows):
        return search, NotFound()
    return search, None


def wants_witness(order: Order, attempt: Attempt, search: Resolution, now: datetime) -> bool:
    """Whether the list alone would call the order absent at its next reading: then the money is asked as well."""
    return (
        order.state is OrderState.UNKNOWN
        and not search.candidates
        and _long_enough(order, attempt, search, now, more=1)
    )


def _proven(
    order: Order,
    attempt: Attempt,
    search: Resolution,
    now: datetime,
    witness: AccountEvidence | None,
    rows: Sequence[OrderReport],
) -> bool:
    if not _long_enough(order, attempt, search, now):
        return False
    return witness is not None and not contradicts(order, attempt, witness, rows)


def _long_enough(order: Order, attempt: Attempt, search: Resolution, now: datetime, *, more: int = 0) -> bool:
    after, scans = (CLAIM_AFTER, CLAIM_SCANS) if order.claimed else (ABSENT_AFTER, ABSENT_SCANS)
    return now - (search.shown_at or attempt.started_at) >= after and search.scans + more >= scans


def contradicts(order: Order, attempt: Attempt, witness: AccountEvidence, rows: Sequence[OrderReport]) -> bool:
    """Whether the account speaks for an order that its list does not show: something of its size is set aside.

    An accepted order takes its money or its shares at once. Other orders do so too: what the list shows to have come
    since explains its part. A revision moves only a difference and is not judged by the money.
    """
    if witness.open_numbers - attempt.baseline - {row.order_no for row in rows}:
        return True
    if order.act is OrderAction.REVISE or attempt.means is None or witness.means is None:
        return False
    since = (attempt.first_at or attempt.started_at) + timedelta(seconds=round(attempt.offset)) - BEFORE
    newer = [
        row
        for row in rows
        if row.side is order.side
        and not row.is_revision
        and row.order_no not in attempt.baseline
        and _stamp(row, attempt) >= since
    ]
    if order.side is Side.SELL:
        taken = sum(row.filled + row.remaining for row in newer if row.code == order.code)
        size = order.quantity
    else:
        taken = sum(_set_aside(order, row) for row in newer)
        size = order.quantity * order.reserve_unit
    return (attempt.means - witness.means - taken) * 100 >= size * WITNESS_SHARE


def _set_aside(order: Order, row: OrderReport) -> int:
    """Won that another purchase has taken; what a market order of another stock holds back cannot be known."""
    unit = row.price or (order.reserve_unit if row.code == order.code else 0)
    return row.filled_amount + row.remaining * unit


def overdue(order: Order, attempt: Attempt, search: Resolution, now: datetime) -> bool:
    """Whether it has taken so long that a person is asked to decide, once."""
    return order.state is OrderState.UNKNOWN and not search.asked and now - attempt.started_at >= MANUAL_AFTER
