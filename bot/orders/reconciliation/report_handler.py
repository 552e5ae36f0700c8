"""Reconciles every snapshot of the broker's order list with the journal; each change becomes events and notices, once.

Quantities in the list are cumulative, so a snapshot that comes twice, late or after a restart changes nothing. Orders
whose answer was lost are resolved here; orders made elsewhere (HTS, MTS) are noticed here too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import structlog

from bot.orders.access.notifications import Notifications
from bot.orders.model.button import ButtonAction, ButtonToken, LinkOrder, RejectLink, new_token
from bot.orders.model.events import (
    CancelState,
    DayEnded,
    Event,
    ExecutionReported,
    FoundAtBroker,
    NotFound,
    ReadBack,
    ReadBackResult,
)
from bot.orders.model.notice import Notice, cards
from bot.orders.model.order import IN_DOUBT, WATCHED, WORKING, Attempt, ImpossibleEvent, Order, OrderState, apply
from bot.orders.ports import Journal, Stale
from bot.orders.reconciliation.reconcile import is_cancel, news, own_channel, row_of
from bot.orders.reconciliation.resolution import (
    AccountEvidence,
    Ambiguous,
    Resolution,
    may_be,
    overdue,
    resolve,
    wants_evidence,
)
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from kis.models import OrderReport, UnreadableRow

log = structlog.get_logger(__name__)


ENDINGS = frozenset(
    {OrderState.CANCELLED, OrderState.REPLACED, OrderState.REJECTED, OrderState.LAPSED, OrderState.NEVER_BOOKED}
)
"""Ends with a notice of their own; a full fill has had its fill notice."""
LOOKBACK = timedelta(days=7)
"""How long the day of an unsettled order is read again; after that a person has to settle it."""
BUTTON_TTL = timedelta(hours=24)
"""Life of the buttons that ask a person about an order in doubt."""


@dataclass(frozen=True)
class OrderListSnapshot:
    """The whole list of one trading day, read to its end; `evidence` by the id of the order in doubt it is about.

    `over`: no order of that day could fill any more when the list was requested. A list requested earlier may lack the
    day's last fills, however late it arrives. `unreadable`: rows of which only the number and the stock are known.
    """

    day: date
    rows: tuple[OrderReport, ...]
    evidence: Mapping[int, AccountEvidence] = field(default_factory=dict)
    over: bool = False
    unreadable: tuple[UnreadableRow, ...] = ()


class ReportHandler:
    """Turns snapshots of the broker's list into events and notices."""

    def __init__(
        self,
        journal: Journal,
        trading_halt: TradingHalt,
        notifications: Notifications,
        *,
        clock: Callable[[], datetime],
        day_over: Callable[[date, datetime], bool],
        token: Callable[[], str] = new_token,
    ) -> None:
        """`day_over(day, now)`: no order of that day can fill any more. Overseers are notified of every fill."""
        self._journal = journal
        self._trading_halt = trading_halt
        self._notifications = notifications
        self._clock = clock
        self._day_over = day_over
        self._token = token
        self._resolutions: dict[int, Resolution] = {}
        self._seen: dict[date, bool] | None = None
        self._external_orders: tuple[OrderReport, ...] = ()
        self._told_unreadable: set[str] = set()

    def days(self) -> list[date]:
        """The trading days whose lists can still bring news.

        Today, any on which something is unsettled, and any that was not read since it was over: an order made
        elsewhere may have filled after it was last read.
        """
        today = self._clock().date()
        open_days = {order.day for order in self._journal.in_state(WATCHED) if order.day is not None}
        open_days |= {day for day, over in self._days_seen().items() if not over}
        return sorted({day for day in open_days if today - day <= LOOKBACK} | {today})

    def is_over(self, day: date) -> bool:
        """Whether no order of a day can fill any more."""
        return self._day_over(day, self._clock())

    def _days_seen(self) -> dict[date, bool]:
        if self._seen is None:
            self._seen = self._journal.days_seen()
        return self._seen

    def busy(self) -> bool:
        """Whether something of today is open or in doubt, so that the list should be read often."""
        today = self._clock().date()
        return any(order.day == today for order in self._journal.in_state(WORKING | IN_DOUBT))

    def external_orders(self) -> tuple[OrderReport, ...]:
        """Rows of today's list that are not orders of ours, as last read."""
        return self._external_orders

    def wants_evidence(self) -> list[Order]:
        """Orders about to be recorded as absent, for which the account is to be read too."""
        now = self._clock()
        return [order for order, attempt, seen in self._unknown() if wants_evidence(order, attempt, seen, now)]

    def _unknown(self) -> Iterator[tuple[Order, Attempt, Resolution]]:
        for order in self._journal.in_state({OrderState.UNKNOWN}):
            attempt = self._journal.attempt(order.id)
            if attempt is not None:
                yield order, attempt, self._resolutions.get(order.id, Resolution())

    def unresolved(self) -> int:
        """How many orders in doubt are neither found nor put to a person."""
        asked = {
            number for number, resolution in self._resolutions.items() if resolution.asked_about or resolution.asked
        }
        return sum(order.id not in asked for order in self._journal.in_state(IN_DOUBT))

    def handle(self, snapshot: OrderListSnapshot) -> None:
        """Handle one complete snapshot. Everything new is stored and its notices are queued before this returns."""
        if snapshot.unreadable:
            self._tell_unreadable(snapshot)
        self._apply_news(self._journal.in_state(WORKING), snapshot)
        self._resolve_doubts(snapshot)
        if snapshot.over:
            self._close_day(snapshot)
        self._handle_external_orders(snapshot)

    def _apply_news(self, orders: Iterable[Order], snapshot: OrderListSnapshot) -> None:
        ended = snapshot.over or snapshot.day < self._clock().date()
        ours = self._journal.linked(snapshot.day) if snapshot.unreadable else frozenset()
        for order, events in news(orders, snapshot.rows):
            # after the close brokers book the remainder as cancelled; where nobody asked for that, the day did it, or
            # a revision by hand whose own row cannot be read
            apart = ended or may_be(order, snapshot.unreadable, ours)
            unasked = apart and order.day == snapshot.day and order.cancel is CancelState.NONE
            self._apply_events(order, events, unasked=unasked)

    def _apply_events(self, order: Order, events: Iterable[Event], *, unasked: bool) -> None:
        for event in events:
            if unasked and isinstance(event, ExecutionReported):
                after = self._apply_event(order, replace(event, cancelled=order.cancelled))
            else:
                after = self._apply_event(order, event)
            if after is None:
                return
            order = after

    def _apply_event(self, order: Order, event: Event) -> Order | None:
        """The order after one event; None where it could not be applied, and the next snapshot brings the rest."""
        try:
            after = apply(order, event, self._clock())
        except ImpossibleEvent as error:
            self._notifications.tell(self._alarms(order, "contradiction", str(error)))
            return None
        notices = [*cards(after), *self._notices(order, after)]
        mismatch = isinstance(event, ReadBack) and event.to is ReadBackResult.DIFFERENT
        if isinstance(event, ReadBack) and mismatch:
            notices += self._alarms(after, "mismatch", event.differs)
        if not self._save(after, event, notices):
            return None
        if mismatch:
            self._trading_halt.halt(HaltLevel.NEW, "MISMATCH")
        return after

    def _alarms(self, order: Order, kind: str, why: str) -> list[Notice]:
        """The broker's list contradicts the journal: what people are told of that, once."""
        log.error("the broker's list contradicts the journal", order=order.id, kind=kind, why=why)
        return self._to_all(order, kind, f"{kind}:{order.id}:{why}", why=why)

    def _tell_unreadable(self, snapshot: OrderListSnapshot) -> None:
        """People are told once of each order of ours whose row cannot be read, and once a day of other such rows."""
        tried = {order.order_no: order for order in self._journal.tried_on(snapshot.day) if order.order_no}
        for row in snapshot.unreadable:
            order = tried.get(row.order_no)
            key = f"unreadable:{snapshot.day}:{order.id if order is not None else ''}"
            if key in self._told_unreadable:
                continue
            log.error("a row of the broker's list cannot be read", order_no=row.order_no, code=row.code, why=row.reason)
            data: dict[str, object] = {"order_no": row.order_no, "code": row.code}
            data |= {"order": order.id, "name": order.name} if order is not None else {}
            chats = self._chats(order) if order is not None else self._notifications.overseers()
            self._notifications.tell([Notice("unreadable", chat, data, f"{key}:{chat}") for chat in chats])
            self._told_unreadable.add(key)

    def _notices(self, before: Order, after: Order) -> list[Notice]:
        """One notice per growth of the filled quantity, and one when the order ends otherwise, for each chat."""
        news: list[tuple[str, str, dict[str, object]]] = []
        if after.filled > before.filled:
            figures: dict[str, object] = {
                "filled": after.filled,
                "amount": after.filled_amount,
                "step": after.filled - before.filled,
                "step_amount": after.filled_amount - before.filled_amount,
                "number": after.growths,
            }
            news.append(("fill", f"fill:{after.day}:{after.branch}:{after.order_no}:{after.filled}", figures))
        elif after.filled_amount != before.filled_amount:
            key = f"corrected:{after.id}:{after.filled}:{after.filled_amount}"
            news.append(("corrected", key, {"was": before.filled_amount, "amount": after.filled_amount}))
        if after.state in ENDINGS and before.state is not after.state:
            news.append(("ended", f"end:{after.id}:{after.state}", {}))
        return [
            Notice(kind, chat, {"order": after.id, **_whose(after, chat), **data}, f"{key}:{chat}")
            for chat in self._chats(after)
            for kind, key, data in news
        ]

    def _to_all(self, order: Order, kind: str, key: str, **data: object) -> list[Notice]:
        return [Notice(kind, chat, {"order": order.id, **data}, f"{key}:{chat}") for chat in self._chats(order)]

    def _chats(self, order: Order) -> list[int]:
        return list(dict.fromkeys([order.chat_id, *self._notifications.overseers()]))

    # --- orders in doubt ----------------------------------------------------------------------------------------------

    def _resolve_doubts(self, snapshot: OrderListSnapshot) -> None:
        sought = self._journal.in_state({OrderState.UNKNOWN, OrderState.ABSENT})
        self._resolutions = {order.id: self._resolutions.get(order.id, Resolution()) for order in sought}
        doubtful = [order for order in sought if order.day == snapshot.day]
        linked = self._journal.linked(snapshot.day)
        direct = self._journal.linked(snapshot.day, directly=True)
        channel = own_channel(snapshot.rows, direct)
        used_to = "" if channel else own_channel(snapshot.rows, direct, enough=1) or self._journal.channel()
        if channel and doubtful:
            self._journal.keep_channel(channel)
        for order in doubtful:
            attempt = self._journal.attempt(order.id)
            if attempt is None:
                continue
            parent = self._journal.get(order.parent)
            resolution, found = resolve(
                order,
                attempt,
                self._resolutions[order.id],
                snapshot.rows,
                linked,
                self._clock(),
                channel=channel,
                used_to=used_to,
                parent_no=parent.order_no if parent is not None else "",
                evidence=snapshot.evidence.get(order.id),
                unreadable=snapshot.unreadable,
            )
            if isinstance(found, Ambiguous):
                numbers = "-".join(row.order_no for row in found.reports)
                self._ask(order, "ambiguous", f"which:{order.id}:{numbers}", found.reports)
            self._resolutions[order.id] = resolution  # once people were asked: the database may have refused that
            if found is not None and not isinstance(found, Ambiguous):
                self._apply_resolution(order, found, snapshot)
                linked = self._journal.linked(snapshot.day)

    def remind(self) -> None:
        """Ask a person about every order that has been unresolved for too long."""
        now = self._clock()
        for order, attempt, resolution in self._unknown():
            if overdue(order, attempt, resolution, now):
                self._ask(order, "manual", f"manual:{order.id}:{attempt.n}")
                self._resolutions[order.id] = replace(resolution, asked=True)

    def _ask(self, order: Order, kind: str, key: str, rows: Sequence[OrderReport] = ()) -> None:
        """Let the person who ordered, or an overseer, say which row the order is, or that it is none of them.

        Without rows nothing could be proven: a person checks in HTS. Everybody gets buttons of their own.
        """
        expires = self._clock() + BUTTON_TTL
        actions: list[ButtonAction] = [*(LinkOrder(row.order_no, row.branch, row.time) for row in rows), RejectLink()]
        notices, buttons = [], []
        for chat in self._chats(order):
            made = [ButtonToken(self._token(), action, chat, expires, order.terms()) for action in actions]
            buttons += made
            claims = [[row.order_no, row.time, row.channel, one.token] for row, one in zip(rows, made, strict=False)]
            tokens = {**({"claims": claims} if rows else {}), "none": made[-1].token}
            notices.append(Notice(kind, chat, {"order": order.id, "secrets": tokens}, f"{key}:{chat}"))
        self._journal.add_buttons(order.id, buttons)
        self._notifications.tell(notices)

    def _apply_resolution(self, order: Order, event: Event, snapshot: OrderListSnapshot) -> None:
        after = apply(order, event, self._clock())
        kind = {FoundAtBroker: "found", NotFound: "absent"}[type(event)]
        if isinstance(event, FoundAtBroker) and order.state is OrderState.ABSENT:
            kind = "late"
        if self._save(after, event, [*cards(after), *self._to_all(order, kind, f"{kind}:{order.id}")]):
            self._resolutions.pop(order.id, None)
            self._apply_news([after], snapshot)

    def _close_day(self, snapshot: OrderListSnapshot) -> None:
        """End the day's open orders: only those this list shows, and none that a row of it may still be."""
        for order in self._journal.in_state(WORKING | {OrderState.ABSENT}):
            if order.day != snapshot.day:
                continue
            if order.state is OrderState.ABSENT:
                if self._resolutions.get(order.id, Resolution()).candidates:
                    continue
                if may_be(order, snapshot.unreadable, self._journal.linked(snapshot.day)):
                    continue
            elif row_of(order, snapshot.rows) is None:
                if not {"", order.order_no}.isdisjoint(row.order_no for row in snapshot.unreadable):
                    continue
                why = "the order is missing from the list of its day"
                self._notifications.tell(self._alarms(order, "contradiction", why))
                continue
            after = apply(order, DayEnded(), self._clock())
            self._save(after, DayEnded(), [*cards(after), *self._notices(order, after)])

    # --- orders made elsewhere ----------------------------------------------------------------------------------------

    def _handle_external_orders(self, snapshot: OrderListSnapshot) -> None:
        """Notify overseers of fills of external orders, except what was filled at the first snapshot.

        While an order of ours is in doubt, a new row for its symbol may be it and is left for later; so is any row
        that a lost order may be.
        """
        seen = self._days_seen()
        # where the day before was read, every fill of the new day came since
        quiet = not {snapshot.day, snapshot.day - timedelta(days=1)} & seen.keys()
        ours = self._journal.linked(snapshot.day)
        doubtful = {order.code for order in self._journal.in_state(IN_DOUBT)}
        possibly_ours = {number for resolution in self._resolutions.values() for number in resolution.candidates}
        external_orders = [row for row in snapshot.rows if row.order_no not in ours and not is_cancel(row)]
        if snapshot.day == self._clock().date():
            self._external_orders = tuple(external_orders)
        for row in external_orders:
            if row.code in doubtful or row.order_no in possibly_ours:
                continue
            before = self._journal.external_mark(row)
            if row.filled <= before:
                continue
            data: dict[str, object] = {
                "side": row.side.value,
                "code": row.code,
                "name": row.name,
                "quantity": row.quantity,
                "filled": row.filled,
                "amount": row.filled_amount,
                "order_no": row.order_no,
            }
            notices = [
                Notice("external_fill", chat, data, f"ext:{row.day}:{row.branch}:{row.order_no}:{row.filled}:{chat}")
                for chat in ([] if quiet else self._notifications.overseers())
            ]
            self._journal.mark_external(row, notices)
        if seen.get(snapshot.day) is not snapshot.over:
            self._journal.day_seen(snapshot.day, over=snapshot.over)
            seen[snapshot.day] = snapshot.over

    def _save(self, after: Order, event: Event, notices: Sequence[Notice]) -> bool:
        try:
            self._journal.save(after, event, notices=notices)
        except Stale:
            return False  # the next snapshot brings the same events
        return True


def _whose(order: Order, chat: int) -> dict[str, object]:
    return {} if chat == order.chat_id else {"others": True}
