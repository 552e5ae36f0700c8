"""One method per question to KIS; what the answers mean is in the models, what can go wrong in the errors."""

from __future__ import annotations

import asyncio
import json
import random
from calendar import monthrange
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from kis import endpoints as api
from kis.codes import order_no_of
from kis.config import KisConfig, kst_now
from kis.errors import BadAnswer, Unknown
from kis.models import (
    Balance,
    BuyingPower,
    DailyBars,
    IndexQuote,
    OpenOrder,
    OrderBook,
    OrderKind,
    OrderReport,
    PlacedOrder,
    Quote,
    RankedStock,
    Side,
)
from kis.requests import Params, Requests
from kis.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from kis.endpoints import Endpoint, Env
    from kis.session import Transport

__all__ = ["KisClient", "KisConfig", "kst_now"]

_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)
_RECENT_MONTHS = 3


class KisClient:
    """An account at KIS. Use it as `async with KisClient(config) as kis`, or close it.

    Every method raises `Refused` (or one of its kinds) where KIS said no. Reads raise `Unavailable` or
    `BadAnswer` where there is no answer to trust; orders raise `NotSent` where nothing left this machine, and
    `Unknown` where the order may be in.
    """

    def __init__(
        self,
        config: KisConfig,
        *,
        clock: Callable[[], datetime] = kst_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            config: whose account, and where.
            clock: the present moment in KST.
            sleep: waits between attempts.
            rng: the chance in those waits.
            transport: stands in for the network.
        """
        chance = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._config = config
        self._clock = clock
        self._requests = Requests(config)
        self._session = Session(config, clock=clock, sleep=sleep, rng=chance, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Waits for an order under way, then closes the connections."""
        await self._session.close()

    @property
    def env(self) -> Env:
        """The environment spoken to."""
        return self._config.env

    @property
    def account_masked(self) -> str:
        """The account number as it may be shown: "…78-01"."""
        return self._config.account_masked

    @property
    def clock_offset(self) -> float:
        """Seconds KIS's clock is ahead of ours: median of 20 answers, whose times are whole seconds; 0 before any."""
        return self._session.clock_offset

    async def price(self, code: str) -> Quote:
        """The price of a stock, in won."""
        answer = await self._session.read(api.PRICE, self._requests.stock(api.PRICE, code))
        return self._parsed(api.PRICE, Quote.read, code, answer.body, answer.at)

    async def order_book(self, code: str) -> OrderBook:
        """The ten best prices of either side, in won and shares."""
        answer = await self._session.read(api.ORDER_BOOK, self._requests.stock(api.ORDER_BOOK, code))
        return self._parsed(api.ORDER_BOOK, OrderBook.read, code, answer.body, answer.at)

    async def daily_bars(
        self, code: str, start: date, end: date, *, period: str = "D", adjusted: bool = True
    ) -> DailyBars:
        """A stock's bars between two days, both included, newest first; KIS gives the newest 100 at most.

        Args:
            code: the stock.
            start: first day.
            end: last day.
            period: "D", "W", "M" or "Y".
            adjusted: whether splits and the like are reckoned into older prices.
        """
        params = self._requests.daily_bars(code, start, end, period, adjusted=adjusted)
        answer = await self._session.read(api.DAILY_BARS, params)
        return self._parsed(api.DAILY_BARS, DailyBars.read, code, answer.body)

    async def volume_rank(self, count: int = 30) -> tuple[RankedStock, ...]:
        """The stocks traded most today; KIS ranks 30. Not offered on paper."""
        answer = await self._session.read(api.VOLUME_RANK, self._requests.volume_rank())
        return self._parsed(api.VOLUME_RANK, _all, RankedStock, answer.body, "output")[:count]

    async def index(self, code: str = "0001") -> IndexQuote:
        """The level of an index: "0001" KOSPI, "1001" KOSDAQ, "2001" KOSPI200. Not offered on paper."""
        answer = await self._session.read(api.INDEX, self._requests.index(code))
        return self._parsed(api.INDEX, IndexQuote.read, code, answer.body, answer.at)

    async def balance(self) -> Balance:
        """Cash and holdings, in won; after a trade KIS takes a while to show it."""
        pages = await self._session.pages(api.BALANCE, self._requests.balance(), "output1")
        return self._parsed(api.BALANCE, Balance.read, pages.rows, pages.last, pages.at)

    async def buying_power(self, code: str, *, price: int | None, kind: OrderKind) -> BuyingPower:
        """How many shares can be bought without debt; a market order is reckoned at the upper limit."""
        params = self._requests.buying_power(code, price, kind)
        answer = await self._session.read(api.BUYING_POWER, params)
        return self._parsed(api.BUYING_POWER, BuyingPower.read, code, answer.body)

    async def executions(
        self,
        day: date | None = None,
        *,
        end: date | None = None,
        code: str = "",
        order_no: str = "",
        side: Side | None = None,
    ) -> tuple[OrderReport, ...]:
        """The order list, oldest first: every order of the days, filled or not, to the last page or an error.

        An order just sent may be missing for a while, so that its absence proves nothing.

        Args:
            day: first day; today unless given.
            end: last day, included; the first unless given.
            code: one stock only.
            order_no: one order only.
            side: one side only.
        """
        today = self._clock().date()
        first = day or today
        last = end or first
        recent = _months_before(today, _RECENT_MONTHS)
        spans = [(api.EXECUTIONS, first, last)]
        if first < recent:
            spans = [(api.EXECUTIONS_OLDER, first, min(last, recent - timedelta(days=1)))]
            if last >= recent:
                spans.append((api.EXECUTIONS, recent, last))
        reports: list[OrderReport] = []
        for endpoint, begin, stop in spans:
            params = self._requests.executions(begin, stop, code, order_no, side)
            reports += await self._reports(endpoint, params, begin, stop)
        return tuple(reports)

    async def _reports(self, endpoint: Endpoint, params: Params, first: date, last: date) -> tuple[OrderReport, ...]:
        pages = await self._session.pages(endpoint, params, "output1")
        reports = self._parsed(endpoint, _all, OrderReport, {"output1": pages.rows}, "output1")
        if not all(first <= report.day <= last for report in reports):
            raise BadAnswer("the list holds days not asked for", endpoint=endpoint.name, env=self.env.value)
        return reports

    async def open_orders(self) -> tuple[OpenOrder, ...]:
        """The orders that can still be changed. Not offered on paper, where `executions` must do."""
        pages = await self._session.pages(api.OPEN_ORDERS, self._requests.open_orders(), "output")
        return self._parsed(api.OPEN_ORDERS, _all, OpenOrder, {"output": pages.rows}, "output")

    async def place(self, side: Side, code: str, quantity: int, *, price: int | None, kind: OrderKind) -> PlacedOrder:
        """Sends one order to the exchange (KRX), once.

        Args:
            side: buy or sell.
            code: the stock.
            quantity: shares.
            price: won, on tick, for a limit order; None for a market order.
            kind: limit or market.

        Raises:
            Refused: KIS said no; nothing happened.
            NotSent: nothing left this machine.
            Unknown: the order may be in; read the order list.
        """
        endpoint = api.BUY if side is Side.BUY else api.SELL
        return await self._order(endpoint, self._requests.order(endpoint, code, quantity, price, kind))

    async def buy(self, code: str, quantity: int, *, price: int | None, kind: OrderKind) -> PlacedOrder:
        """`place` on the buying side."""
        return await self.place(Side.BUY, code, quantity, price=price, kind=kind)

    async def sell(self, code: str, quantity: int, *, price: int | None, kind: OrderKind) -> PlacedOrder:
        """`place` on the selling side."""
        return await self.place(Side.SELL, code, quantity, price=price, kind=kind)

    async def cancel(
        self,
        order_no: str,
        *,
        branch: str = "",
        quantity: int | None = None,
        kind: OrderKind = OrderKind.LIMIT,
        venue: str = "KRX",
    ) -> PlacedOrder:
        """Asks for an order to be cancelled, once; the number that comes back is the request's own.

        Args:
            order_no: the order.
            branch: the branch KIS answered with; it does without.
            quantity: shares, None for all that remain.
            kind: the order's type.
            venue: where the order is, as `OrderReport.venue` tells.

        Raises:
            Refused: KIS said no, for instance as nothing is left to cancel.
            NotSent: nothing left this machine.
            Unknown: the order may be cancelled; read the order list.
        """
        body = self._requests.cancellation(order_no, branch, quantity, kind, venue)
        return await self._order(api.REVISE_CANCEL, body)

    async def revise(
        self,
        order_no: str,
        *,
        branch: str = "",
        quantity: int | None = None,
        price: int | None,
        kind: OrderKind = OrderKind.LIMIT,
        venue: str = "KRX",
    ) -> PlacedOrder:
        """Asks for an order's price, quantity or type to be changed, once.

        The order lives on under the number that comes back: a second request would change another order.
        Arguments and errors are those of `cancel`; `price` is won, None for a market order.
        """
        body = self._requests.revision(order_no, branch, quantity, price, kind, venue)
        return await self._order(api.REVISE_CANCEL, body)

    async def _order(self, endpoint: Endpoint, body: Params) -> PlacedOrder:
        answer = await self._session.write(endpoint, body)
        if order_no_of(answer.body):
            with suppress(ValidationError):
                return PlacedOrder.model_validate(answer.body["output"])
        raise Unknown("taken, but without an order number", endpoint=endpoint.name, env=self.env.value)

    async def hashkey(self, body: Mapping[str, str]) -> str:
        """KIS's hash of an order's body; KIS no longer asks for it."""
        return await self._session.hash(json.dumps(body, ensure_ascii=False).encode())

    def _parsed(self, endpoint: Endpoint, build: Callable[..., _T], *args: Any) -> _T:
        try:
            return build(*args)
        except ValidationError as failure:
            what = failure.errors(include_input=False, include_url=False)[0]
            words = f"{what['loc'][0] if what['loc'] else 'answer'}: {what['msg']}"
        except (LookupError, TypeError, ValueError, AttributeError) as failure:
            words = f"{type(failure).__name__}: {failure}"
        raise BadAnswer(words, endpoint=endpoint.name, env=self.env.value)


def _all(model: type[_M], body: Mapping[str, Any], name: str) -> tuple[_M, ...]:
    rows = body[name]
    if not isinstance(rows, list):
        msg = f"{name} is no list"
        raise TypeError(msg)
    return tuple(model.model_validate(row) for row in rows)


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
