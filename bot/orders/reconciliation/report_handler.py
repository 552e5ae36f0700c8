"""The watch: holds every reading of the broker's list against the journal and tells what is new, once.

Quantities in the list are cumulative, so a reading that comes twice, late or after a restart changes nothing. Orders
whose answer was lost are looked for here; orders made elsewhere (HTS, MTS) are seen here too.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import structlog

from bot.orders.model.attempt import Attempt
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
from bot.orders.model.order import IN_DOUBT, WATCHED, WORKING, ImpossibleEvent, Order, OrderState, apply
from bot.orders.ports import Journal, Stale
from bot.orders.reconciliation.reconcile import is_cancel, news, own_channel, row_of
from bot.orders.reconciliation.report_reader import OrderListSnapshot
from bot.orders.reconciliation.resolution import Ambiguous, Resolution, look, overdue, wants_witness
from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from kis.models import OrderReport

log = structlog.get_logger(__name__)


ENDINGS = frozenset(
    {OrderState.CANCELLED, OrderState.REPLACED, OrderState.REJECTED, OrderState.LAPSED, OrderState.NEVER_BOOKED},
)
"""Ends that ring the phone; a full fill has rung already."""
LOOK_BACK = timedelta(days=7)
"""How long an unsettled order's day is read again; a question left open longer is the person's to settle."""
ASKED_FOR = timedelta(hours=24)
"""How long the buttons of a question to a person live."""


class ReportHandler:
    """Turns readings of the broker's list into events and notices."""

    def __init__(
        self,
        journal: Journal,
        brakes: TradingHalt,
        *,
        clock: Callable[[], datetime],
        day_over: Callable[[date, datetime], bool],
        overseers: Callable[[], Sequence[int]],
        token: Callable[[], str] = new_token,
    ) -> None:
        """`day_over(day, now)`: no order of that day can fill any more. `overseers`: chats told of every fill."""
        self._journal = journal
        self._brakes = brakes
        self._clock = clock
        self._day_over = day_over
        self._overseers = overseers
        self._token = token
        self._searches: dict[int, Resolution] = {}
        self._seen: dict[date, bool] | None = None
        self._elsewhere: tuple[OrderReport, ...] = ()

    def days(self) -> list[date]:
        """The trading days whose lists can still bring news.

        Today, any on which something is unsettled, and any that was not read since it was over: an order made
        elsewhere may have filled after the last look at it.
        """
        today = self._clock().date()
        open_days = {order.day for order in self._journal.in_state(WATCHED) if order.day is not None}
        open_days |= {day for day, over in self._days_seen().items() if not over}
        return sorted({day for day in open_days if today - day <= LOOK_BACK} | {today})

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

    def elsewhere(self) -> tuple[OrderReport, ...]:
        """Rows of today's list that are not ours, as last read."""
        return self._elsewhere

    def wants_witness(self) -> list[Order]:
        """Orders about to be called absent, for which more than the list is to be asked."""
        now = self._clock()
        return [
            order
            for order in self._journal.in_state({OrderState.UNKNOWN})
            if (attempt := self._journal.attempt(order.id)) is not None
            and wants_witness(order, attempt, self._searches.get(order.id, Resolution()), now)
        ]

    def unresolved(self) -> int:
        """Orders in doubt about which the list has not spoken and no person was asked."""
        asked = {number for number, search in self._searches.items() if search.told or search.asked}
        return sum(order.id not in asked for order in self._journal.in_state(IN_DOUBT))

    def note(self, reading: OrderListSnapshot) -> None:
        """Take in one clean reading. Everything new is written and queued to be told before this returns."""
        self._note_news(self._journal.in_state(WORKING), reading)
        self._search(reading)
        if reading.over:
            self._close_day(reading)
        self._note_external(reading)

    def _note_news(self, orders: Iterable[Order], reading: OrderListSnapshot) -> None:
        ended = reading.over or reading.day < self._clock().date()
        for order, events in news(orders, reading.rows):
            # after the close brokers book the remainder as cancelled; where nobody asked for that, the day did it
            unasked = ended and order.day == reading.day and order.cancel is CancelState.NONE
            self._note_one(order, events, unasked=unasked)

    def _note_one(self, order: Order, events: Iterable[Event], *, unasked: bool) -> None:
        for event in events:
            told = (
                replace(event, cancelled=order.cancelled) if unasked and isinstance(event, ExecutionReported) else event
            )
            after = self._note_event(order, told)
            if after is None:
                return
            order = after

    def _note_event(self, order: Order, event: Event) -> Order | None:
        """The order after one event; None where it did not take, and the next reading brings the rest."""
        try:
            after = apply(order, event, self._clock())
        except ImpossibleEvent as error:
            self._alarm(order, "contradiction", str(error))
            return None
        notices = [*cards(after), *self._told(order, after)]
        if isinstance(event, ReadBack) and event.to is ReadBackResult.DIFFERENT:
            if not self._save(after, event, notices):
                return None
            self._alarm(after, "mismatch", event.differs)
            self._brakes.pull(HaltLevel.NEW, "MISMATCH")
            return after
        return after if self._save(after, event, notices) else None

    def _alarm(self, order: Order, kind: str, why: str) -> None:
        """The broker's list and our record cannot both be right: people are told, once."""
        log.error("the list contradicts the journal", order=order.id, kind=kind, why=why)
        self._tell(
            Notice(kind, chat, {"order": order.id, "why": why}, f"{kind}:{order.id}:{why}:{chat}")
            for chat in self._chats(order)
        )

    def _told(self, before: Order, after: Order) -> list[Notice]:
        """One push per growth, numbered by the cumulative quantity, and one when the order ends otherwise."""
        told: list[Notice] = []
        for chat in self._chats(after):
            whose: dict[str, object] = {"order": after.id}
            if chat != after.chat_id:
                whose["others"] = True
            if after.filled > before.filled:
                told.append(
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
                    ),
                )
            elif after.filled_amount != before.filled_amount:
                data: dict[str, object] = {**whose, "was": before.filled_amount, "amount": after.filled_amount}
                key = f"corrected:{after.id}:{after.filled}:{after.filled_amount}:{chat}"
                told.append(Notice("corrected", chat, data, key))
            if after.state in ENDINGS and before.state is not after.state:
                told.append(Notice("ended", chat, whose, f"end:{after.id}:{after.state}:{chat}"))
        return told

    def _chats(self, order: Order) -> list[int]:
        return list(dict.fromkeys([order.chat_id, *self._overseers()]))

    # --- orders in doubt ----------------------------------------------------------------------------------------------

    def _search(self, reading: OrderListSnapshot) -> None:
        sought = self._journal.in_state({OrderState.UNKNOWN, OrderState.ABSENT})
        self._searches = {order.id: self._searches.get(order.id, Resolution()) for order in sought}
        doubtful = [order for order in sought if order.day == reading.day]
        linked = self._journal.linked(reading.day)
        direct = self._journal.linked(reading.day, directly=True)
        channel = own_channel(reading.rows, direct)
        used_to = "" if channel else own_channel(reading.rows, direct, enough=1) or self._journal.channel()
        if channel and doubtful:
            self._journal.keep_channel(channel)
        for order in doubtful:
            attempt = self._journal.attempt(order.id)
            if attempt is None:
                continue
            parent = self._journal.get(order.parent) if order.parent is not None else None
            search, found = look(
                order,
                attempt,
                self._searches[order.id],
                reading.rows,
                linked,
                self._clock(),
                channel=channel,
                used_to=used_to,
                parent_no=parent.order_no if parent is not None else "",
                witness=reading.witnesses.get(order.id),
            )
            self._searches[order.id] = search
            if isinstance(found, Ambiguous):
                self._ask_which(order, found.reports)
            elif found is not None:
                self._resolve(order, found, reading)
                linked = self._journal.linked(reading.day)

    def remind(self) -> None:
        """Ask a person about every order that could not be resolved for too long, readings or not."""
        now = self._clock()
        for order in self._journal.in_state({OrderState.UNKNOWN}):
            attempt = self._journal.attempt(order.id)
            search = self._searches.get(order.id, Resolution())
            if attempt is not None and overdue(order, attempt, search, now):
                self._searches[order.id] = replace(search, asked=True)
                self._ask_whether(order, attempt)

    def _ask_whether(self, order: Order, attempt: Attempt) -> None:
        """Nothing could be proven: a person looks in HTS and says that it is not there, or waits for it to show."""
        expires = self._clock() + ASKED_FOR
        keys = {
            chat: ButtonToken(self._token(), RejectLink(), chat, expires, order.terms()) for chat in self._chats(order)
        }
        self._journal.add_buttons(order.id, list(keys.values()))
        self._tell(
            Notice("manual", chat, {"order": order.id, "none": key.token}, f"manual:{order.id}:{attempt.n}:{chat}")
            for chat, key in keys.items()
        )

    def _ask_which(self, order: Order, rows: Sequence[OrderReport]) -> None:
        """Let the person who ordered, or an overseer, say which row it is; each gets keys of their own."""
        expires = self._clock() + ASKED_FOR
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
        self._tell(notices)

    def _resolve(self, order: Order, event: Event, reading: OrderListSnapshot) -> None:
        after = apply(order, event, self._clock())
        kind = {FoundAtBroker: "found", NotFound: "absent"}[type(event)]
        if isinstance(event, FoundAtBroker) and order.state is OrderState.ABSENT:
            kind = "late"
        told = [Notice(kind, chat, {"order": order.id}, f"{kind}:{order.id}:{chat}") for chat in self._chats(order)]
        if self._save(after, event, [*cards(after), *told]):
            self._searches.pop(order.id, None)
            self._note_news([after], reading)

    def _close_day(self, reading: OrderListSnapshot) -> None:
        """End what the day has ended: only what this list shows, and nothing that a row of it may yet be."""
        for order in self._journal.in_state(WORKING | {OrderState.ABSENT}):
            if order.day != reading.day:
                continue
            if order.state is OrderState.ABSENT:
                if self._searches.get(order.id, Resolution()).candidates:
                    continue
            elif row_of(order, reading.rows) is None:
                self._alarm(order, "contradiction", "the order is missing from the list of its day")
                continue
            after = apply(order, DayEnded(), self._clock())
            self._save(after, DayEnded(), [*cards(after), *self._told(order, after)])

    # --- orders made elsewhere ----------------------------------------------------------------------------------------

    def _note_external(self, reading: OrderListSnapshot) -> None:
        """Growth of orders that are not ours, told to the overseers; what stood there at the first look is no news.

        While one of ours is on its way or in doubt, a new row for its symbol may be it, and is left for later; so is
        any row that a lost order may be.
        """
        seen = self._days_seen()
        # where the day before was looked at, whatever the new day brings came about since
        quiet = not {reading.day, reading.day - timedelta(days=1)} & seen.keys()
        ours = self._journal.linked(reading.day)
        doubtful = {order.code for order in self._journal.in_state(IN_DOUBT)}
        maybe_ours = {number for search in self._searches.values() for number in search.candidates}
        elsewhere = [row for row in reading.rows if row.order_no not in ours and not is_cancel(row)]
        if reading.day == self._clock().date():
            self._elsewhere = tuple(elsewhere)
        for row in elsewhere:
            if row.code in doubtful or row.order_no in maybe_ours:
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
                Notice(
                    "external_fill",
                    chat,
                    data,
                    f"ext:{row.day}:{row.branch}:{row.order_no}:{row.filled}:{chat}",
                )
                for chat in ([] if quiet else self._overseers())
            ]
            self._journal.mark_external(row, notices)
        if seen.get(reading.day) is not reading.over:
            self._journal.day_seen(reading.day, over=reading.over)
            seen[reading.day] = reading.over

    def _tell(self, notices: Iterable[Notice]) -> None:
        self._journal.tell(list(notices))

    def _save(self, after: Order, event: Event, notices: Sequence[Notice]) -> bool:
        try:
            self._journal.save(after, event, notices=notices)
        except Stale:
            return False  # the next reading brings the same news to the order as it then is
        return True
