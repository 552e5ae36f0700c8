"""Reads what a send needs while the ticket is on the screen, so that a tap waits only for its turn.

Only figures requested at most three seconds ago are used; an older one is read again at the tap. What a tap waits for
goes right behind orders, and what a ticket waits for goes before what people ask.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from bot.orders.model.order import OrderRequest
from bot.orders.ports import Broker
from bot.orders.risk.context import PretradeData
from kis.callers import calling_for
from kis.endpoints import Lane
from kis.errors import BadAnswer, KisError
from kis.models import Balance, OrderBook, OrderKind, Side

log = structlog.get_logger(__name__)

MAX_AGE = timedelta(seconds=2.8)
"""A figure requested longer ago is read again, so that no order is sent upon one older than 3 s."""
RENEW_AFTER = timedelta(seconds=1.5)
"""Figures older than this are read again while a ticket stands."""
MAX_FRESH_TICKETS = 3
"""Tickets whose figures are kept fresh: the newest ones. The others are read at the tap."""
FORGET_AFTER = timedelta(seconds=30)
IDLE_INTERVAL = 0.25
_ACCOUNT_FIGURES = frozenset({"power", "balance"})


class _Key(NamedTuple):
    """One read of the broker."""

    what: str
    code: str = ""
    price: int | None = None
    kind: str = ""


class PretradeReader:
    """Reads quotes, account and lists for tickets; shared between them and kept fresh."""

    def __init__(
        self,
        broker: Broker,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._sleep = sleep
        self._known: dict[_Key, tuple[datetime, Any]] = {}
        self._spent_at: datetime | None = None
        self._tickets: dict[int, tuple[OrderRequest, datetime]] = {}
        self._work: asyncio.Task[None] | None = None

    async def for_ticket(self, request: OrderRequest) -> PretradeData:
        """What a ticket shows; `KisError` if something could not be read."""
        with calling_for(lane=Lane.TICKET):
            values, _ = await self._all(_of_ticket(request))
        expected = None if request.price is not None else expected_price(request, values["book"])
        return PretradeData(values["quote"], values.get("power"), _sellable(values, request), expected=expected)

    async def balance(self) -> Balance:
        """The account; raises as `for_ticket`."""
        with calling_for(lane=Lane.TICKET):
            values, _ = await self._all([_Key("balance")])
        balance: Balance = values["balance"]
        return balance

    async def held(self, code: str) -> int:
        """Shares of a stock in the account; raises as `for_ticket`."""
        return sum(one.quantity for one in (await self.balance()).holdings if one.code == code)

    async def for_send(self, request: OrderRequest, after: datetime | None = None) -> PretradeData:
        """What an order is checked against when it is sent: nothing requested over 3 s ago or before `after`."""
        with calling_for(lane=Lane.PRETRADE):
            values, fresh = await self._all(_of_send(request), after)
        return PretradeData(
            values["quote"], values.get("power"), _sellable(values, request), values["list"], fresh=fresh
        )

    async def _all(self, keys: list[_Key], after: datetime | None = None) -> tuple[dict[str, Any], bool]:
        now = self._clock()
        self._known = {key: one for key, one in self._known.items() if now - one[0] < FORGET_AFTER}
        lacking = [key for key in keys if not self._good(key, now, after)]
        values = {key.what: self._known[key][1] for key in keys if key not in lacking}
        read = await asyncio.gather(*(self._read(key) for key in lacking))
        values |= {key.what: value for key, value in zip(lacking, read, strict=True)}
        quote = next((key for key in keys if key.what == "quote"), None)
        if lacking and quote is not None and self._clock() - values["quote"].at > MAX_AGE:
            values["quote"] = await self._read(quote)  # it aged while another read was slow
        return values, not lacking

    def _good(self, key: _Key, now: datetime, after: datetime | None = None) -> bool:
        known = self._known.get(key)
        if known is None or now - known[0] > MAX_AGE or (after is not None and known[0] <= after):
            return False
        return key.what not in _ACCOUNT_FIGURES or self._spent_at is None or known[0] > self._spent_at

    def keep(self, order_id: int, request: OrderRequest, until: datetime) -> None:
        """A ticket is on the screen: keep its figures fresh until then."""
        self._tickets[order_id] = (request, until)
        if self._work is None or self._work.done():
            with calling_for("tickets", Lane.TICKET):
                self._work = asyncio.get_running_loop().create_task(self._refresh())

    def drop(self, order_id: int) -> None:
        """The ticket is closed."""
        self._tickets.pop(order_id, None)

    def spent(self) -> None:
        """An order was sent: buying power and sellable shares have changed."""
        self._spent_at = self._clock()

    async def close(self) -> None:
        """Stop reading."""
        self._tickets.clear()
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _refresh(self) -> None:
        while self._wanted():
            now = self._clock()
            stale = [key for key in self._wanted() if self._age(key, now) >= RENEW_AFTER or not self._good(key, now)]
            if not stale:
                await self._sleep(IDLE_INTERVAL)
                continue
            try:
                await self._read(max(stale, key=lambda key: self._age(key, now)))
            except KisError as error:
                log.info("pre-trade data could not be read", code=error.code)
                await self._sleep(1)

    def _wanted(self) -> list[_Key]:
        now = self._clock()
        self._tickets = {number: one for number, one in self._tickets.items() if now < one[1]}
        newest = [request for request, _ in list(self._tickets.values())[-MAX_FRESH_TICKETS:]]
        return list(dict.fromkeys(key for request in newest for key in _of_send(request)))

    def _age(self, key: _Key, now: datetime) -> timedelta:
        known = self._known.get(key)
        return timedelta.max if known is None else now - known[0]

    async def _read(self, key: _Key) -> Any:
        requested_at = self._clock()
        value = await self._fetch(key)
        known = self._known.get(key)
        if known is None or known[0] < requested_at:
            self._known[key] = (requested_at, value)
        return value

    async def _fetch(self, key: _Key) -> Any:
        match key.what:
            case "quote":
                return await self._broker.price(key.code)
            case "book":
                return await self._broker.order_book(key.code)
            case "power":
                power = await self._broker.buying_power(key.code, price=key.price, kind=OrderKind(key.kind))
                return power.amount
            case "balance":
                return await self._broker.balance()
            case _:
                orders = await self._broker.order_list(self._clock().date(), code=key.code)
                if any(not row.order_no for row in orders.unreadable):  # no list of the numbers there are
                    raise BadAnswer(orders.unreadable[0].reason)
                return orders


def _funds(request: OrderRequest) -> _Key:
    return (
        _Key("power", request.code, request.price, request.kind.value) if request.side is Side.BUY else _Key("balance")
    )


def _of_ticket(request: OrderRequest) -> list[_Key]:
    keys = [_Key("quote", request.code), _funds(request)]
    return keys if request.price is not None else [*keys, _Key("book", request.code)]


def _of_send(request: OrderRequest) -> list[_Key]:
    # the quote last: it ages fastest, and at KIS's slowest rate each read takes a second
    return [_Key("list", request.code), _funds(request), _Key("quote", request.code)]


def _sellable(values: dict[str, Any], request: OrderRequest) -> int | None:
    if request.side is Side.BUY:
        return None
    balance: Balance = values["balance"]
    return sum(one.sellable for one in balance.holdings if one.code == request.code)


def expected_price(request: OrderRequest, book: OrderBook) -> int | None:
    """Won per share at which a market order would fill against the book as it stands; None if the book is too thin."""
    left, amount = request.quantity, 0
    for level in book.asks if request.side is Side.BUY else book.bids:
        taken = min(left, level.quantity)
        left -= taken
        amount += taken * level.price
        if left == 0:
            return -(-amount // request.quantity)
    return None
