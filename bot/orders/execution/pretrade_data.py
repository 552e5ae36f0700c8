"""What a send needs to know, read while the ticket is on the screen, so that a tap waits for nothing but its turn.

Only figures whose question left at most three seconds ago are used; an older one is asked anew at the tap. The reads
travel in the lanes of quotes and lists: an order never waits behind more than the one that is leaving.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from bot.orders.model.order import OrderRequest
from bot.orders.ports import Broker
from bot.orders.risk.context import PretradeData
from kis.errors import KisError
from kis.models import Balance, OrderBook, OrderKind, Side

log = structlog.get_logger(__name__)

FRESH = timedelta(seconds=2.8)
"""What was asked longer ago than this is asked again, so that nothing an order is sent upon is older than 3 s."""
RENEW = timedelta(seconds=1.5)
"""Figures older than this are read again while a ticket stands."""
MOST_TICKETS = 3
"""Tickets whose figures are kept fresh: the newest ones. The others are read at the tap."""
FORGET = timedelta(seconds=30)
IDLE = 0.25
_OF_THE_ACCOUNT = frozenset({"power", "balance"})


class _Key(NamedTuple):
    """A question to the broker."""

    what: str
    code: str = ""
    price: int | None = None
    kind: str = ""


class PretradeReader:
    """The reads behind tickets, shared and kept fresh."""

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

    async def for_ticket(self, ask: OrderRequest) -> PretradeData:
        """What a ticket shows.

        Raises:
            kis.errors.KisError: something could not be read.
        """
        values, _ = await self._all(_of_ticket(ask))
        expected = None if ask.price is not None else expected_price(ask, values["book"])
        return PretradeData(values["quote"], values.get("power"), _sellable(values, ask), expected=expected)

    async def balance(self) -> Balance:
        """The account; raises as `for_ticket`."""
        values, _ = await self._all([_Key("balance")])
        balance: Balance = values["balance"]
        return balance

    async def held(self, code: str) -> int:
        """Shares of a stock in the account; raises as `for_ticket`."""
        return sum(one.quantity for one in (await self.balance()).holdings if one.code == code)

    async def for_send(self, ask: OrderRequest, after: datetime | None = None) -> PretradeData:
        """What an order is sent upon: nothing of it left for KIS more than three seconds ago, or before `after`.

        Raises:
            kis.errors.KisError: something could not be read.
        """
        values, fresh = await self._all(_of_send(ask), after)
        return PretradeData(values["quote"], values.get("power"), _sellable(values, ask), values["list"], fresh=fresh)

    async def _all(self, keys: list[_Key], after: datetime | None = None) -> tuple[dict[str, Any], bool]:
        now = self._clock()
        self._known = {key: one for key, one in self._known.items() if now - one[0] < FORGET}
        lacking = [key for key in keys if not self._good(key, now, after)]
        values = {key.what: self._known[key][1] for key in keys if key not in lacking}
        read = await asyncio.gather(*(self._read(key) for key in lacking))
        values |= {key.what: value for key, value in zip(lacking, read, strict=True)}
        quote = next((key for key in keys if key.what == "quote"), None)
        if lacking and quote is not None and self._clock() - values["quote"].at > FRESH:
            values["quote"] = await self._read(quote)  # it grew old while another answer was slow in coming
        return values, not lacking

    def _good(self, key: _Key, now: datetime, after: datetime | None = None) -> bool:
        known = self._known.get(key)
        if known is None or now - known[0] > FRESH or (after is not None and known[0] <= after):
            return False
        return key.what not in _OF_THE_ACCOUNT or self._spent_at is None or known[0] > self._spent_at

    def keep(self, order_id: int, ask: OrderRequest, until: datetime) -> None:
        """A ticket is on the screen: keep its figures fresh until then."""
        self._tickets[order_id] = (ask, until)
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._refresh())

    def drop(self, order_id: int) -> None:
        """The ticket is gone."""
        self._tickets.pop(order_id, None)

    def spent(self) -> None:
        """An order was sent: what can be bought or sold is no longer what it was."""
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
            stale = [key for key in self._wanted() if self._age(key, now) >= RENEW or not self._good(key, now)]
            if not stale:
                await self._sleep(IDLE)
                continue
            try:
                await self._read(max(stale, key=lambda key: self._age(key, now)))
            except KisError as error:
                log.info("a figure behind a ticket could not be read", code=error.code)
                await self._sleep(1)

    def _wanted(self) -> list[_Key]:
        now = self._clock()
        self._tickets = {number: one for number, one in self._tickets.items() if now < one[1]}
        newest = [ask for ask, _ in list(self._tickets.values())[-MOST_TICKETS:]]
        return list(dict.fromkeys(key for ask in newest for key in _of_send(ask)))

    def _age(self, key: _Key, now: datetime) -> timedelta:
        known = self._known.get(key)
        return timedelta.max if known is None else now - known[0]

    async def _read(self, key: _Key) -> Any:
        asked_at = self._clock()
        value = await self._ask(key)
        known = self._known.get(key)
        if known is None or known[0] < asked_at:
            self._known[key] = (asked_at, value)
        return value

    async def _ask(self, key: _Key) -> Any:
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
                return await self._broker.executions(self._clock().date(), code=key.code)


def _means(ask: OrderRequest) -> _Key:
    return _Key("power", ask.code, ask.price, ask.kind.value) if ask.side is Side.BUY else _Key("balance")


def _of_ticket(ask: OrderRequest) -> list[_Key]:
    keys = [_Key("quote", ask.code), _means(ask)]
    return keys if ask.price is not None else [*keys, _Key("book", ask.code)]


def _of_send(ask: OrderRequest) -> list[_Key]:
    # the quote last: of the three it is the one that grows old, and at KIS's slowest pace each takes a second
    return [_Key("list", ask.code), _means(ask), _Key("quote", ask.code)]


def _sellable(values: dict[str, Any], ask: OrderRequest) -> int | None:
    if ask.side is Side.BUY:
        return None
    balance: Balance = values["balance"]
    return sum(one.sellable for one in balance.holdings if one.code == ask.code)


def expected_price(ask: OrderRequest, book: OrderBook) -> int | None:
    """Won per share at which a market order would fill against the book as it stands; None if the book is too thin."""
    left, amount = ask.quantity, 0
    for level in book.asks if ask.side is Side.BUY else book.bids:
        taken = min(left, level.quantity)
        left -= taken
        amount += taken * level.price
        if left == 0:
            return -(-amount // ask.quantity)
    return None
