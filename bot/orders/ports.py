"""What orders need from outside: the broker, and what is stored.

`kis.client.KisClient` is a `Broker` and `bot.store.journal.SqliteJournal` a `Journal`; the domain imports neither.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Protocol

from bot.orders.access.roles import Actor
from bot.orders.model.button import ButtonToken, KnownButton
from bot.orders.model.events import Event
from bot.orders.model.notice import Notice
from bot.orders.model.order import Attempt, Order, OrderState, Vote
from kis.models import Balance, BuyingPower, OpenOrder, OrderBook, OrderKind, OrderList, OrderReport, Quote, Side
from kis.receipts import Receipt, Written


class Broker(Protocol):
    """The broker's calls that orders need."""

    @property
    def clock_offset(self) -> float: ...
    async def price(self, code: str) -> Quote: ...
    async def order_book(self, code: str) -> OrderBook: ...
    async def balance(self) -> Balance: ...
    async def buying_power(self, code: str, *, price: int | None, kind: OrderKind) -> BuyingPower: ...
    async def order_list(self, day: date | None = None, *, code: str = "") -> OrderList: ...
    async def open_orders(self) -> tuple[OpenOrder, ...]: ...
    def written(self, side: Side, code: str, quantity: int, *, price: int | None, kind: OrderKind) -> Written: ...
    def written_cancel(self, order_no: str, *, branch: str = "", kind: OrderKind = OrderKind.LIMIT) -> Written: ...
    def written_revision(
        self, order_no: str, *, branch: str = "", price: int | None, kind: OrderKind = OrderKind.LIMIT
    ) -> Written: ...
    async def send(self, written: Written) -> Receipt: ...


class Stale(Exception):
    """The order was changed meanwhile: nothing was written."""


class Journal(Protocol):
    """Where orders are stored; every method is one transaction and is durable when it returns."""

    def add(self, order: Order, buttons: Sequence[ButtonToken], notices: Sequence[Notice]) -> Order: ...
    def get(self, order_id: int | None) -> Order | None: ...
    def of_origin(self, origin: int) -> Order | None: ...
    def of_number(self, order_no: str) -> Order | None: ...
    def in_state(self, states: Collection[OrderState]) -> list[Order]: ...
    def due(self, states: Collection[OrderState], now: datetime) -> list[Order]:
        """Orders in one of these states whose time is up."""

    def tried_on(self, day: date) -> list[Order]:
        """Orders of that day that were sent at least once, oldest first."""

    def save(
        self,
        order: Order,
        event: Event,
        *,
        actor: Actor | None = None,
        uses: int | None = None,
        vote: Vote | None = None,
        attempt: Attempt | None = None,
        receipt: Receipt | None = None,
        buttons: Sequence[ButtonToken] = (),
        notices: Sequence[Notice] = (),
    ) -> None: ...
    def votes(self, order_id: int) -> list[Vote]: ...
    def button(self, digest: str) -> KnownButton | None: ...
    def add_buttons(self, order_id: int | None, buttons: Sequence[ButtonToken]) -> None: ...
    def use(self, button_id: int, actor: Actor, action: str) -> None:
        """Use up a button that belongs to no single order."""

    def attempt(self, order_id: int) -> Attempt | None:
        """The newest attempt at the order itself, not at cancelling it."""

    def attempted(self, attempt: Attempt) -> None:
        """Record an attempt at cancelling, before it is sent."""

    def answered(self, order_id: int, receipt: Receipt) -> None:
        """Record the outcome of the newest attempt."""

    def linked(self, day: date, *, directly: bool = False) -> frozenset[str]:
        """Order numbers of that day that belong to our orders; `directly`: only those the broker itself gave us."""

    def channel(self) -> str:
        """The channel of our orders in the broker's list, as last learned; "" for never."""

    def keep_channel(self, channel: str) -> None: ...
    def external_mark(self, row: OrderReport) -> int:
        """Filled shares of an external order as last recorded; 0 if it is new."""

    def mark_external(self, row: OrderReport, notices: Sequence[Notice]) -> None: ...
    def days_seen(self) -> dict[date, bool]:
        """The last days whose list was handled by any run, and whether that was done when they were over."""

    def day_seen(self, day: date, *, over: bool) -> None: ...


class DayValues(Protocol):
    """What the account was worth when a day began, in won; `bot.store.runs.Runs` keeps it."""

    def worth(self, day: date) -> int | None: ...
    def begin_day(self, day: date, worth: int) -> None: ...
