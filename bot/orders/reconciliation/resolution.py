"""Resolves an order whose answer was lost: which rows of the list may be it, and when its absence is proven. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.orders.model.events import Event, FoundAtBroker, NotFound
from bot.orders.model.order import Attempt, Order, OrderAction, OrderState
from bot.orders.reconciliation.reconcile import is_cancel
from kis.models import OrderKind, OrderReport, Side, UnreadableRow

STAMP_BEFORE = timedelta(seconds=2)
STAMP_AFTER = timedelta(seconds=15)
"""How far the broker's one-second time stamp may lie from the time of sending by the broker's clock."""
SETTLE_TIME = timedelta(seconds=10)
"""A lone candidate is linked only after this long: a second, identical row may still appear."""
LATE_STAMP_WAIT = timedelta(seconds=30)
"""A row stamped later than STAMP_AFTER is put to a person once it has stood this long unlinked to a newer order."""
LATE_SNAPSHOTS = 3
"""Snapshots within the window of a proof, see `Proof`."""


class Proof(NamedTuple):
    """The snapshots without the order that prove its absence, one list that lags or loses a row being no proof.

    `snapshots` of them in all; LATE_SNAPSHOTS of them no earlier than `window` before `after`, the first and the last
    of these `spread` apart; the last two once `after` has passed since the sending, or since a candidate was shown.
    """

    after: timedelta
    snapshots: int
    window: timedelta
    spread: timedelta


REJECTION = Proof(timedelta(seconds=10), 3, window=timedelta(seconds=10), spread=timedelta(seconds=5))
"""A rejection by an unknown code is believed after these."""
ABSENCE = Proof(timedelta(seconds=180), 5, window=timedelta(seconds=60), spread=timedelta(seconds=30))
"""An order without any answer is absent after these. Bookings up to a minute and a half late were seen at brokers of
the same kind."""
MANUAL_AFTER = timedelta(minutes=15)
"""Nothing proven for this long, as the list cannot be read or the account's cash contradicts it: a person decides."""
EVIDENCE_PERCENT = 90
"""Percent of the order's value (or shares) that must be missing for the account to be evidence of the order."""


@dataclass(frozen=True)
class AccountEvidence:
    """What was read of the account for one order in doubt, once its absence is about to be recorded.

    `means` as in `Attempt`. `open_numbers`: numbers of open orders on its terms, where KIS offers that list.
    """

    means: int | None = None
    open_numbers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Resolution:
    """What the snapshots so far have shown of an order in doubt."""

    scans: int = 0
    """Snapshots in a row that showed no candidate."""
    late_scans: tuple[datetime, ...] = ()
    """Times of those within the window of the proof: the first and the last two."""
    candidates: frozenset[str] = frozenset()
    """Numbers of the rows that could be it, in the last snapshot."""
    since: datetime | None = None
    """Since when exactly these have been listed."""
    asked_about: frozenset[str] = frozenset()
    """Rows a person was already asked about."""
    shown_at: datetime | None = None
    """Time of the last snapshot that showed one."""
    asked: bool = False
    """Whether a person was asked to decide because nothing could be proven."""


@dataclass(frozen=True)
class Ambiguous:
    """Rows that fit, between which only a person may choose: which of them it is, or none."""

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
    first = (attempt.first_at or attempt.started_at).replace(microsecond=0) + ahead - STAMP_BEFORE
    last = attempt.started_at.replace(microsecond=0) + ahead + STAMP_AFTER
    stamped = [(row, _stamp(row, attempt)) for row in same]
    return (
        tuple(row for row, at in stamped if first <= at <= last),
        tuple(row for row, at in stamped if not first <= at <= last),
    )


def may_be(order: Order, unreadable: Sequence[UnreadableRow], others: Collection[str]) -> bool:
    """Whether the order may stand in a row that cannot be read: one of its stock that has no number of `others`."""
    return any(row.order_no not in others and row.code in {"", order.code} for row in unreadable)


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
    """When the broker received it; an unreadable stamp counts as late, for a person to decide."""
    try:
        clock = datetime.strptime(row.time, "%H%M%S").time()  # noqa: DTZ007  # the zone is the attempt's own
    except ValueError:
        return datetime.max.replace(tzinfo=attempt.started_at.tzinfo)
    return datetime.combine(row.day, clock, attempt.started_at.tzinfo)


def resolve(
    order: Order,
    attempt: Attempt,
    resolution: Resolution,
    rows: Sequence[OrderReport],
    linked: frozenset[str],
    now: datetime,
    *,
    channel: str = "",
    used_to: str = "",
    parent_no: str = "",
    evidence: AccountEvidence | None = None,
    unreadable: Sequence[UnreadableRow] = (),
) -> tuple[Resolution, Event | Ambiguous | None]:
    """Apply one snapshot of the whole list to an order in doubt: what is known now, and the event that follows.

    `channel` is where today's orders of ours are entered, and excludes every other row; `used_to` is where the first
    of them or those of earlier days were, and only makes a person decide about a row of another channel. A snapshot
    with an `unreadable` row that may be it proves nothing: neither its absence, nor that another row is the only one.
    """
    if may_be(order, unreadable, attempt.baseline | linked):
        return replace(resolution, scans=0, late_scans=(), shown_at=now), None
    fits, late = candidates(order, attempt, rows, linked, channel, parent_no)
    shown = fits or late
    numbers = frozenset(row.order_no for row in shown)
    since = resolution.since if numbers and numbers == resolution.candidates else (now if numbers else None)
    resolution = replace(resolution, candidates=numbers, since=since)
    if numbers:  # it proves no absence: the count begins anew
        resolution = replace(resolution, scans=0, late_scans=(), shown_at=now)
    else:
        resolution = _counted(order, attempt, resolution, now)
    stood = now - since if since is not None else timedelta()
    likely = tuple(row for row in fits if row.channel == used_to) if used_to and not channel else fits
    odd = bool(fits) and not likely
    fits = likely or fits
    if len(fits) > 1 or ((odd or (late and not fits)) and stood >= LATE_STAMP_WAIT):
        if numbers == resolution.asked_about:
            return resolution, None
        return replace(resolution, asked_about=numbers), Ambiguous(shown)
    if fits and not odd and stood >= SETTLE_TIME:
        return resolution, FoundAtBroker(fits[0])
    long_unseen = order.state is OrderState.UNKNOWN and _long_enough(order, attempt, resolution)
    # without evidence of the account no absence is proven
    if not shown and long_unseen and evidence is not None and not contradicts(order, attempt, evidence, rows):
        return resolution, NotFound()
    return resolution, None


def wants_evidence(order: Order, attempt: Attempt, resolution: Resolution, now: datetime) -> bool:
    """Whether the next snapshot alone would prove the order absent: then the account is read as well."""
    return (
        order.state is OrderState.UNKNOWN
        and not resolution.candidates
        and _long_enough(order, attempt, _counted(order, attempt, resolution, now))
    )


def _counted(order: Order, attempt: Attempt, resolution: Resolution, now: datetime) -> Resolution:
    """With one more snapshot that shows no candidate."""
    proof, late = _proof(order), resolution.late_scans
    if now - (resolution.shown_at or attempt.started_at) >= proof.after - proof.window:
        late = (*late[:1], *late[1:][-1:], now)
    return replace(resolution, scans=resolution.scans + 1, late_scans=late)


def _long_enough(order: Order, attempt: Attempt, resolution: Resolution) -> bool:
    proof, late = _proof(order), resolution.late_scans
    if resolution.scans < proof.snapshots or len(late) < LATE_SNAPSHOTS or late[-1] - late[0] < proof.spread:
        return False
    return late[-2] - (resolution.shown_at or attempt.started_at) >= proof.after


def _proof(order: Order) -> Proof:
    return REJECTION if order.claimed else ABSENCE


def contradicts(order: Order, attempt: Attempt, evidence: AccountEvidence, rows: Sequence[OrderReport]) -> bool:
    """Whether the account contradicts the order's absence from the list: something of its size is reserved.

    An accepted order reserves its cash or its shares at once. So do other orders: those the list shows since then
    account for their part. A revision reserves only a difference and is not judged by cash.
    """
    if evidence.open_numbers - attempt.baseline - {row.order_no for row in rows}:
        return True
    if order.act is OrderAction.REVISE or attempt.means is None or evidence.means is None:
        return False
    since = (attempt.first_at or attempt.started_at) + timedelta(seconds=round(attempt.offset)) - STAMP_BEFORE
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
        taken = sum(_reserved(order, row) for row in newer)
        size = order.quantity * order.reserve_unit
    return (attempt.means - evidence.means - taken) * 100 >= size * EVIDENCE_PERCENT


def _reserved(order: Order, row: OrderReport) -> int:
    """Won that another buy has reserved; what a market order of another stock reserves cannot be known."""
    unit = row.price or (order.reserve_unit if row.code == order.code else 0)
    return row.filled_amount + row.remaining * unit


def overdue(order: Order, attempt: Attempt, resolution: Resolution, now: datetime) -> bool:
    """Whether it has taken so long that a person is asked to decide, once."""
    return order.state is OrderState.UNKNOWN and not resolution.asked and now - attempt.started_at >= MANUAL_AFTER
