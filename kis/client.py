"""The client of one account: quotations, the account, and orders.

A method turns its arguments into a payload, the session sends it, and a model reads the answer. What the answers
mean is in `kis.models`, what can go wrong in `kis.errors`.
"""

from __future__ import annotations

import asyncio
import json
import random
from calendar import monthrange
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from kis import endpoints as api
from kis.config import KisConfig, kst_now
from kis.error_codes import NO_ROWS, code_of
from kis.errors import BadAnswer, BadRequest, Refused
from kis.fields import code_or_blank, order_no_or_blank, printable
from kis.models import (
    Balance,
    BuyingPower,
    DailyBars,
    IndexBars,
    IndexQuote,
    MarketDay,
    MinuteBars,
    Mover,
    OpenOrder,
    OrderBook,
    OrderKind,
    OrderList,
    OrderReport,
    PeriodProfit,
    PlacedOrder,
    Quote,
    RankedStock,
    Sellable,
    Side,
    StockInfo,
    UnreadableRow,
)
from kis.order_transport import OrderTransport
from kis.payloads import Payloads
from kis.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime
    from types import TracebackType

    from kis.endpoints import Endpoint, Env
    from kis.payloads import Params
    from kis.receipts import Receipt, Written
    from kis.transport import Transport

_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)
_FIRST_DAY = date(1980, 1, 4)  # the KOSPI's first: no chart goes back further
_ONE_DAY = timedelta(days=1)
_ONE_WEEK = timedelta(days=7)
_RECENT_MONTHS = 3  # what the newer of the two order list calls covers
_MAX_CACHED_ROWS, _MAX_CACHED_ROW = 4_000, 4_000  # order list rows cached as values, and characters of one


class KisClient:
    """An account at KIS. Use it as `async with KisClient(config) as kis`, or close it.

    Every method raises `Refused` (or a subclass) if KIS said no. Reads raise `Unavailable` or `BadAnswer` if there is
    no answer to trust; orders raise `NotSent` if nothing left this machine, and `Unknown` if the order may be in.
    `send` alone raises nothing: its result is a receipt.
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

        `clock` is the present moment in KST, `sleep` waits between attempts with the jitter of `rng`, and `transport`
        stands in for the network.
        """
        rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._config = config
        self._clock = clock
        self._payloads = Payloads(config)
        self._session = Session(config, clock=clock, sleep=sleep, rng=rng, transport=transport)
        self._orders = OrderTransport(config, self._session)
        self._reports_by_row: dict[tuple[Any, ...], OrderReport] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.env} {self.account_masked}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Waits for orders under way, then closes the connections."""
        self._session.closed = True
        await self._orders.drain()
        await self._session.close()

    @property
    def env(self) -> Env:
        """The environment of the account."""
        return self._config.env

    @property
    def account_masked(self) -> str:
        """The account number as it may be shown: "…78-01"."""
        return self._config.account_masked

    @property
    def clock_offset(self) -> float:
        """Seconds KIS's clock is ahead of ours: median of 20 answers, whose times are whole seconds; 0 before any."""
        return self._session.clock_offset

    # --- market -------------------------------------------------------------------------------------------------

    async def price(self, code: str, *, max_age: float = 0.0) -> Quote:
        """The price of a stock, in won.

        `max_age` is for how many seconds, one at most, an answer already received will do; `Quote.at` tells its time.
        """
        params = self._payloads.stock(api.PRICE, code)
        answer = await self._session.read(api.PRICE, params, max_age=max_age)
        return self._parse(api.PRICE, Quote.read, code, answer.body, answer.at)

    async def order_book(self, code: str, *, max_age: float = 0.0) -> OrderBook:
        """The ten best prices of either side, in won and shares; `max_age` as in `price`."""
        params = self._payloads.stock(api.ORDER_BOOK, code)
        answer = await self._session.read(api.ORDER_BOOK, params, max_age=max_age)
        return self._parse(api.ORDER_BOOK, OrderBook.read, code, answer.body, answer.at)

    async def daily_bars(
        self, code: str, start: date, end: date, *, period: str = "D", adjusted: bool = True
    ) -> DailyBars:
        """A stock's bars between two days, both included, newest first; KIS gives the newest 100 at most.

        Args:
            code: the stock.
            start: first day.
            end: last day.
            period: "D" days, "W" weeks, "M" months or "Y" years.
            adjusted: whether older prices are adjusted for splits and the like.
        """
        self._require_begun(api.DAILY_BARS, start)
        params = self._payloads.daily_bars(code, start, end, period, adjusted=adjusted)
        return await self._read(api.DAILY_BARS, params, DailyBars.read, code)

    async def recent_bars(self, code: str, count: int = 30, *, period: str = "D", adjusted: bool = True) -> DailyBars:
        """A stock's last `count` (up to 10,000) bars, newest first, in as many calls of a hundred bars as needed.

        Fewer come back only if the stock has no older ones. `period` and `adjusted` are those of `daily_bars`.
        """
        wanted = self._payloads.bar_count(count)
        end = self._clock().date()
        page = first = await self.daily_bars(code, _FIRST_DAY, end, period=period, adjusted=adjusted)
        bars = list(page.bars)
        while page.bars and len(bars) < wanted and end > _FIRST_DAY:
            oldest = bars[-1].day
            end = max(_day_before(oldest, period), _FIRST_DAY)
            page = await self.daily_bars(code, _FIRST_DAY, end, period=period, adjusted=adjusted)
            if page.bars and page.bars[0].day >= oldest:
                raise self._bad_answer(api.DAILY_BARS, "older bars were asked for, and the same came back")
            bars += page.bars
        return DailyBars(code=code, name=first.name, bars=tuple(bars[:wanted]))

    async def minute_bars(self, code: str, *, until: time | None = None) -> MinuteBars:
        """A stock's last thirty minute bars of today, newest first; none on a day without trading.

        `until` is the last minute wanted (KST), now unless given; a future time means now.
        """
        moment = until or self._clock().time()
        return await self._read(api.MINUTE_BARS, self._payloads.minute_bars(code, moment), MinuteBars.read, code)

    async def volume_rank(self, count: int = 30) -> tuple[RankedStock, ...]:
        """The stocks traded most today; KIS ranks 30. Not offered on paper."""
        wanted = self._payloads.rank_count(api.VOLUME_RANK, count)
        return (await self._read(api.VOLUME_RANK, self._payloads.volume_rank(), _rows_of, RankedStock))[:wanted]

    async def fluctuation_rank(self, count: int = 30, *, falling: bool = False) -> tuple[Mover, ...]:
        """The stocks that rose most since the last close, or fell most; KIS ranks 30. Not offered on paper."""
        wanted = self._payloads.rank_count(api.FLUCTUATION_RANK, count)
        params = self._payloads.fluctuation_rank(falling=falling)
        return (await self._read(api.FLUCTUATION_RANK, params, _rows_of, Mover))[:wanted]

    async def index(self, code: str = "0001") -> IndexQuote:
        """The level of an index: "0001" KOSPI, "1001" KOSDAQ, "2001" KOSPI200.

        Paper does not offer the call; there the answer comes from the head of the index's daily chart, which has
        level, change and volume, but not the numbers of stocks that rose and fell: these are 0.
        """
        if api.INDEX.tr_id(self.env, self._config.generation) is None:
            return await self._index_from_chart(code)
        answer = await self._session.read(api.INDEX, self._payloads.index(code))
        return self._parse(api.INDEX, IndexQuote.read, code, answer.body, answer.at)

    async def _index_from_chart(self, code: str) -> IndexQuote:
        today = self._clock().date()
        params = self._payloads.index_bars(code, today - _ONE_WEEK, today, "D")
        answer = await self._session.read(api.INDEX_BARS, params)
        return self._parse(api.INDEX_BARS, IndexQuote.from_chart, code, answer.body, answer.at)

    async def index_bars(self, code: str, start: date, end: date, *, period: str = "D") -> IndexBars:
        """An index's bars between two days, both included, newest first; KIS gives the newest 50 at most.

        `code` is that of `index`, `period` that of `daily_bars`.
        """
        self._require_begun(api.INDEX_BARS, start)
        params = self._payloads.index_bars(code, start, end, period)
        return await self._read(api.INDEX_BARS, params, IndexBars.read, code)

    async def holidays(self, start: date | None = None) -> tuple[MarketDay, ...]:
        """KIS's calendar of 24 days, weekends included, from a day on, today unless given. Not offered on paper.

        KIS wants this called once a day at most: store the answer. A later `start` gives later days.
        """
        first = start or self._clock().date()
        return await self._read(api.HOLIDAYS, self._payloads.holidays(first), MarketDay.read, first)

    async def stock_info(self, code: str) -> StockInfo:
        """Master data of a stock: names, ISIN, market, shares listed. Not offered on paper.

        Raises:
            Refused: KIS does not know the stock.
        """
        answer = await self._session.read(api.STOCK_INFO, self._payloads.stock_info(code))
        if code_of(answer.body) == NO_ROWS:
            raise Refused("no such stock", code=NO_ROWS, endpoint=api.STOCK_INFO.name, env=self.env.value)
        return self._parse(api.STOCK_INFO, StockInfo.read, code, answer.body)

    # --- account and orders -------------------------------------------------------------------------------------

    async def balance(self) -> Balance:
        """Cash and holdings, in won; after a trade KIS takes a while to show it."""
        pages = await self._session.pages(api.BALANCE, self._payloads.balance(), "output1")
        return self._parse(api.BALANCE, Balance.read, pages.rows, pages.last, pages.at)

    async def buying_power(self, code: str, *, price: int | None, kind: OrderKind) -> BuyingPower:
        """How many shares can be bought without debt; a market order is calculated at the upper price limit."""
        params = self._payloads.buying_power(code, price, kind)
        return await self._read(api.BUYING_POWER, params, BuyingPower.read, code)

    async def available_cash(self) -> int:
        """Cash available for orders (주문가능현금), in won.

        Proceeds of today's sales are not included, although they can be used: `BuyingPower.amount` includes them.
        """
        return (await self._read(api.BUYING_POWER, self._payloads.available_cash(), BuyingPower.read, "-")).cash

    async def sellable(self, code: str) -> Sellable:
        """How many shares of a stock can be sold, 0 of one not held. Not offered on paper."""
        answer = await self._session.read(api.SELLABLE, self._payloads.sellable(code))
        if code_of(answer.body) == NO_ROWS:
            return Sellable.nothing(code)
        return self._parse(api.SELLABLE, Sellable.read, code, answer.body)

    async def period_profit(self, start: date, end: date, *, code: str = "") -> PeriodProfit:
        """Realised profit between two days, both included, in won, of one stock only if given. Not offered on paper."""
        self._require_begun(api.PERIOD_PROFIT, start)
        params = self._payloads.period_profit(start, end, code)
        pages = await self._session.pages(api.PERIOD_PROFIT, params, "output1")
        found = self._parse(api.PERIOD_PROFIT, PeriodProfit.read, pages.rows, pages.last)
        if not all(start <= one.day <= end for one in found.days):
            raise self._bad_answer(api.PERIOD_PROFIT, "the list holds days not asked for")
        return found

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

        An order just sent may be missing for a while: its absence proves nothing. A row that cannot be read makes it a
        `BadAnswer`; `order_list` reads the others.

        Args:
            day: first day; today unless given.
            end: last day, included; the first unless given.
            code: one stock only.
            order_no: one order only.
            side: one side only.
        """
        found = await self.order_list(day, end=end, code=code, order_no=order_no, side=side)
        if found.unreadable:
            raise self._bad_answer(api.EXECUTIONS, found.unreadable[0].reason)
        return found.rows

    async def order_list(
        self,
        day: date | None = None,
        *,
        end: date | None = None,
        code: str = "",
        order_no: str = "",
        side: Side | None = None,
    ) -> OrderList:
        """The order list as in `executions`, with the rows that cannot be read beside the others."""
        today = self._clock().date()
        first = day or today
        last = end or first
        recent = _months_before(today, _RECENT_MONTHS)
        spans = [(api.EXECUTIONS, first, last)]
        if first < recent:
            spans = [(api.EXECUTIONS_OLDER, first, min(last, recent - timedelta(days=1)))]
            if last >= recent:
                spans.append((api.EXECUTIONS, recent, last))
        rows: list[OrderReport | UnreadableRow] = []
        for endpoint, begin, stop in spans:
            params = self._payloads.executions(begin, stop, code, order_no, side)
            pages = await self._session.pages(endpoint, params, "output1")
            found = [self._report(row) for row in pages.rows]
            if any(isinstance(row, OrderReport) and not begin <= row.day <= stop for row in found):
                raise self._bad_answer(endpoint, "the list holds days not asked for")
            rows += found
        return OrderList(
            tuple(row for row in rows if isinstance(row, OrderReport)),
            tuple(row for row in rows if isinstance(row, UnreadableRow)),
        )

    def _report(self, row: dict[str, Any]) -> OrderReport | UnreadableRow:
        """One row as a value, cached: a list that is polled every few seconds differs in a row or two."""
        key = tuple(row.items())
        try:
            report = self._reports_by_row.get(key)
            if report is None:
                report = OrderReport.model_validate(row)
                if len(self._reports_by_row) >= _MAX_CACHED_ROWS:
                    self._reports_by_row.clear()
                if len(str(key)) <= _MAX_CACHED_ROW:
                    self._reports_by_row[key] = report
            if not report.order_no:
                raise ValueError("no order number")  # noqa: TRY301 - as any defect of a row
        except (TypeError, ValueError) as failure:
            return UnreadableRow(order_no_or_blank(row.get("odno")), code_or_blank(row.get("pdno")), _reason(failure))
        return report

    async def open_orders(self) -> tuple[OpenOrder, ...]:
        """Orders that can still be revised or cancelled. Not offered on paper: use `executions`."""
        pages = await self._session.pages(api.OPEN_ORDERS, self._payloads.open_orders(), "output")
        return self._parse(api.OPEN_ORDERS, _rows_of, OpenOrder, {"output": pages.rows})

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
        return await self._send_order(endpoint, self._payloads.order(endpoint, code, quantity, price, kind))

    async def buy(self, code: str, quantity: int, *, price: int | None, kind: OrderKind) -> PlacedOrder:
        """`place` with side BUY."""
        return await self.place(Side.BUY, code, quantity, price=price, kind=kind)

    async def sell(self, code: str, quantity: int, *, price: int | None, kind: OrderKind) -> PlacedOrder:
        """`place` with side SELL."""
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
        """Requests a cancel, once; the number that comes back is that of the request.

        Args:
            order_no: the order.
            branch: the branch KIS answered with; optional.
            quantity: shares, None for all that remain.
            kind: the order's type.
            venue: the order's venue, as in `OrderReport.venue`.

        Raises:
            Refused: KIS said no, for instance because nothing is left to cancel.
            NotSent: nothing left this machine.
            Unknown: the order may be cancelled; read the order list.
        """
        body = self._payloads.cancellation(order_no, branch, quantity, kind, venue)
        return await self._send_order(api.REVISE_CANCEL, body)

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
        """Requests a change of an order's price, quantity or type, once.

        The order lives on under the number that comes back.
        Arguments and errors are those of `cancel`; `price` is won, None for a market order.
        """
        body = self._payloads.revision(order_no, branch, quantity, price, kind, venue)
        return await self._send_order(api.REVISE_CANCEL, body)

    async def _send_order(self, endpoint: Endpoint, body: Params) -> PlacedOrder:
        receipt = await self._orders.submit(endpoint, body)
        return PlacedOrder(order_no=receipt.order_no, branch=receipt.branch, time=receipt.time)

    def written(self, side: Side, code: str, quantity: int, *, price: int | None, kind: OrderKind) -> Written:
        """An order as the bytes that `send` posts; nothing is sent yet. Arguments are those of `place`.

        Raises:
            BadRequest: KIS could not take it.
        """
        endpoint = api.BUY if side is Side.BUY else api.SELL
        return self._orders.prepare(endpoint, self._payloads.order(endpoint, code, quantity, price, kind))

    def written_cancel(
        self,
        order_no: str,
        *,
        branch: str = "",
        quantity: int | None = None,
        kind: OrderKind = OrderKind.LIMIT,
        venue: str = "KRX",
    ) -> Written:
        """A cancel as the bytes that `send` posts. Arguments are those of `cancel`, errors those of `written`."""
        body = self._payloads.cancellation(order_no, branch, quantity, kind, venue)
        return self._orders.prepare(api.REVISE_CANCEL, body)

    def written_revision(
        self,
        order_no: str,
        *,
        branch: str = "",
        quantity: int | None = None,
        price: int | None,
        kind: OrderKind = OrderKind.LIMIT,
        venue: str = "KRX",
    ) -> Written:
        """A revision as the bytes that `send` posts. Arguments are those of `revise`, errors those of `written`."""
        body = self._payloads.revision(order_no, branch, quantity, price, kind, venue)
        return self._orders.prepare(api.REVISE_CANCEL, body)

    async def send(self, written: Written) -> Receipt:
        """Posts a write once and returns its receipt; the caller decides on retries.

        There is at most one POST, on a connection of its own. If it cannot be made (no token, closed client, a body
        written by another client), the receipt says NOT_SENT. A token KIS refused is dropped, so that the next call
        gets a new one, and a rate refusal slows all calls down.

        Raises:
            asyncio.CancelledError: the caller was cancelled. A write under way is still sent, and its receipt is
                lost: its outcome is unknown.
        """
        return await self._orders.send(written)

    async def hashkey(self, body: Mapping[str, str]) -> str:
        """KIS's hash of an order's body; KIS no longer requires it."""
        return await self._session.hash(json.dumps(body, ensure_ascii=False).encode())

    def _require_begun(self, endpoint: Endpoint, start: date) -> None:
        if start > self._clock().date():
            raise BadRequest("the first day is still to come", endpoint=endpoint.name, env=self.env.value)

    async def _read(self, endpoint: Endpoint, params: Params, build: Callable[..., _T], *args: Any) -> _T:
        answer = await self._session.read(endpoint, params)
        return self._parse(endpoint, build, *args, answer.body)

    def _parse(self, endpoint: Endpoint, build: Callable[..., _T], *args: Any) -> _T:
        try:
            return build(*args)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as failure:
            raise self._bad_answer(endpoint, _reason(failure)) from None

    def _bad_answer(self, endpoint: Endpoint, message: str) -> BadAnswer:
        return BadAnswer(printable(message), endpoint=endpoint.name, env=self.env.value)


def _reason(failure: Exception) -> str:
    """What is wrong with an answer; of a value that does not fit, no more than its name."""
    if not isinstance(failure, ValidationError):
        return f"{type(failure).__name__}: {failure}"
    first = failure.errors(include_input=False, include_url=False)[0]
    return f"{first['loc'][0] if first['loc'] else 'answer'}: {first['msg']}"


def _rows_of(model: type[_M], body: Mapping[str, Any]) -> tuple[_M, ...]:
    rows = body["output"]
    if not isinstance(rows, list):
        raise TypeError("output is no list")
    return tuple(model.model_validate(row) for row in rows)


def _day_before(day: date, period: str) -> date:
    """The last day of the period before the one `day` lies in; KIS may date a bar by any day of its period."""
    first = {
        "D": day,
        "W": day - timedelta(days=day.weekday()),
        "M": day.replace(day=1),
        "Y": day.replace(month=1, day=1),
    }
    return first[period] - _ONE_DAY


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
