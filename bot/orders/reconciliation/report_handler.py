"""Reconciles every snapshot of the broker's order list with the journal; each change becomes events and notices, once.

Quantities in the list are cumulative, so a snapshot that comes twice, late or after a restart changes nothing. Orders
whose answer was lost are resolved here; orders made elsewhere (HTS, MTS) are noticed here too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    overdue,
    resolve,
    wants_evidence,
)
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from kis.models import OrderReport

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
    day's last fills, however late it arrives.
    """

    day: date
    rows: tuple[OrderReport, ...]
    evidence: Mapping[int, AccountEvidence] = field(default_factory=dict)
    over: bool = False


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
        """`day_over(day, now)`: no order of that day can fill any more. Overseers are told of every fill."""
        self._journal = journal
        self._trading_halt = trading_halt
        self._notifications = notifications
        self._clock = clock
        self._day_over = day_over
        self._token = token
        self._resolutions: dict[int, Resolution] = {}
        self._seen: dict[date, bool] | None = None
        self._external_orders: tuple[OrderReport, ...] = ()

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
        return [
            order
            for order in self._journal.in_state({OrderState.UNKNOWN})
            if (attempt := self._journal.attempt(order.id)) is not None
            and wants_evidence(order, attempt, self._resolutions.get(order.id, Resolution()), now)
        ]

    def unresolved(self) -> int:
        """How many orders in doubt are neither found nor put to a person."""
        asked = {number for number, resolution in self._resolutions.items() if resolution.told or resolution.asked}
        return sum(order.id not in asked for order in self._journal.in_state(IN_DOUBT))

    def note(self, snapshot: OrderListSnapshot) -> None:
        """Handle one complete snapshot. Everything new is stored and its notices are queued before this returns."""
        self._apply_news(self._journal.in_state(WORKING), snapshot)
        self._resolve_doubts(snapshot)
        if snapshot.over:
            self._close_day(snapshot)
        self._note_external_orders(snapshot)

    def _apply_news(self, orders: Iterable[Order], snapshot: OrderListSnapshot) -> None:
        ended = snapshot.over or snapshot.day < self._clock().date()
        for order, events in news(orders, snapshot.rows):
            # after the close brokers book the remainder as cancelled; where nobody asked for that, the day did it
            unasked = ended and order.day == snapshot.day and order.cancel is CancelState.NONE
            self._apply_events(order, events, unasked=unasked)

    def _apply_events(self, order: Order, events: Iterable[Event], *, unasked: bool) -> None:
        for event in events:
            told = (
                replace(event, cancelled=order.cancelled) if unasked and isinstance(event, ExecutionReported) else event
            )
            after = self._apply_event(order, told)
            if after is None:
                return
            order = after

    def _apply_event(self, order: Order, event: Event) -> Order | None:
        """The order after one event; None where it could not be applied, and the next snapshot brings the rest."""
        try:
            after = apply(order, event, self._clock())
        except ImpossibleEvent as error:
            self._alarm(order, "contradiction", str(error))
            return None
        notices = [*cards(after), *self._notices(order, after)]
        if isinstance(event, ReadBack) and event.to is ReadBackResult.DIFFERENT:
            if not self._save(after, event, notices):
                return None
            self._alarm(after, "mismatch", event.differs)
            self._trading_halt.halt(HaltLevel.NEW, "MISMATCH")
            return after
        return after if self._save(after, event, notices) else None

    def _alarm(self, order: Order, kind: str, why: str) -> None:
        """The broker's list contradicts the journal: people are told, once."""
        log.error("the broker's list contradicts the journal", order=order.id, kind=kind, why=why)
        self._notifications.tell(
            [
                Notice(kind, chat, {"order": order.id, "why": why}, f"{kind}:{order.id}:{why}:{chat}")
                for chat in self._chats(order)
            ]
        )

    def _notices(self, before: Order, after: Order) -> list[Notice]:
        """One notice per growth of the filled quantity, and one when the order ends otherwise."""
        notices: list[Notice] = []
        for chat in self._chats(after):
            whose: dict[str, object] = {"order": after.id}
            if chat != after.chat_id:
                whose["others"] = True
            if after.filled > before.filled:
                notices.append(
                    Notice(
                        "fill",
                        chat,
                        {
                            **whose,
                            "filled": after.filled,
                            "amount": after.filled_amount,
                            "step": after.filled - before.filled,
                            "step_amount": after.filled_amount - before.filled_amount,
                            "number": after.growths,
                        },
                        f"fill:{after.day}:{after.branch}:{after.order_no}:{after.filled}:{chat}",
                    )
                )
            elif after.filled_amount != before.filled_amount:
                data: dict[str, object] = {**whose, "was": before.filled_amount, "amount": after.filled_amount}
                key = f"corrected:{after.id}:{after.filled}:{after.filled_amount}:{chat}"
                notices.append(Notice("corrected", chat, data, key))
            if after.state in ENDINGS and before.state is not after.state:
                notices.append(Notice("ended", chat, whose, f"end:{after.id}:{after.state}:{chat}"))
        return notices

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
            parent = self._journal.get(order.parent) if order.parent is not None else None
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
            )
            self._resolutions[order.id] = resolution
            if isinstance(found, Ambiguous):
                self._ask_which(order, found.reports)
            elif found is not None:
                self._apply_resolution(order, found, snapshot)
                linked = self._journal.linked(snapshot.day)

    def remind(self) -> None:
        """Ask a person about every order that has been unresolved for too long."""
        now = self._clock()
        for order in self._journal.in_state({OrderState.UNKNOWN}):
            attempt = self._journal.attempt(order.id)
            resolution = self._resolutions.get(order.id, Resolution())
            if attempt is not None and overdue(order, attempt, resolution, now):
                self._resolutions[order.id] = replace(resolution, asked=True)
                self._ask_whether(order, attempt)

    def _ask_whether(self, order: Order, attempt: Attempt) -> None:
        """Nothing could be proven: a person checks in HTS and says that it is not there, or waits for it to appear."""
        expires = self._clock() + BUTTON_TTL
        buttons = {
            chat: ButtonToken(self._token(), RejectLink(), chat, expires, order.terms()) for chat in self._chats(order)
        }
        self._journal.add_buttons(order.id, list(buttons.values()))
        key = f"manual:{order.id}:{attempt.n}"
        self._notifications.tell(
            [
                Notice("manual", chat, {"order": order.id, "none": one.token}, f"{key}:{chat}")
                for chat, one in buttons.items()
            ]
        )

    def _ask_which(self, order: Order, rows: Sequence[OrderReport]) -> None:
        """Let the person who ordered, or an overseer, say which row it is; each gets buttons of their own."""
        expires = self._clock() + BUTTON_TTL
        notices, buttons = [], []
        for chat in self._chats(order):
            acts: list[ButtonAction] = [*(LinkOrder(row.order_no, row.branch, row.time) for row in rows), RejectLink()]
            made = [ButtonToken(self._token(), act, chat, expires, order.terms()) for act in acts]
            buttons += made
            data: dict[str, object] = {
                "order": order.id,
                "claims": [
                    [row.order_no, row.time, row.channel, one.token] for row, one in zip(rows, made, strict=False)
                ],
                "none": made[-1].token,
            }
            numbers = "-".join(row.order_no for row in rows)
            notices.append(Notice("ambiguous", chat, data, f"which:{order.id}:{numbers}:{chat}"))
        self._journal.add_buttons(order.id, buttons)
        self._notifications.tell(notices)

    def _apply_resolution(self, order: Order, event: Event, snapshot: OrderListSnapshot) -> None:
        after = apply(order, event, self._clock())
        kind = {FoundAtBroker: "found", NotFound: "absent"}[type(event)]
        if isinstance(event, FoundAtBroker) and order.state is OrderState.ABSENT:
            kind = "late"
        told = [Notice(kind, chat, {"order": order.id}, f"{kind}:{order.id}:{chat}") for chat in self._chats(order)]
        if self._save(after, event, [*cards(after), *told]):
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
            elif row_of(order, snapshot.rows) is None:
                self._alarm(order, "contradiction", "the order is missing from the list of its day")
                continue
            after = apply(order, DayEnded(), self._clock())
            self._save(after, DayEnded(), [*cards(after), *self._notices(order, after)])

    # --- orders made elsewhere ----------------------------------------------------------------------------------------

    def _note_external_orders(self, snapshot: OrderListSnapshot) -> None:
        """Fills of external orders, told to the overseers; what was filled at the first snapshot is not told.

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
