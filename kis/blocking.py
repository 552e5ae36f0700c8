"""The client for scripts without asyncio: every method blocks until its answer is there.

    from kis import KisApi

    with KisApi.from_env() as api:
        print(api.get_stock_price("005930").price)
        api.buy_stock("005930", 10, price=85000, order_type="01")

Calls, rate limit, retries and errors are those of `KisClient`.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

import structlog
from anyio.from_thread import start_blocking_portal

from kis.client import KisClient
from kis.config import KisConfig, config_from_env, kst_now
from kis.endpoints import BUY, BUYING_POWER, EXECUTIONS, REVISE_CANCEL, SELL, Endpoint, Env
from kis.errors import BadRequest, KisError, NotSent, Unavailable
from kis.fields import OrderKind, Side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import date, datetime, time
    from types import TracebackType

    from kis.models import (
        Balance,
        BuyingPower,
        DailyBars,
        Holding,
        IndexBars,
        IndexQuote,
        MarketDay,
        MinuteBars,
        Mover,
        OpenOrder,
        OrderBook,
        OrderReport,
        PeriodProfit,
        PlacedOrder,
        Quote,
        RankedStock,
        Sellable,
        StockInfo,
    )

_P = ParamSpec("_P")
_T = TypeVar("_T")
_CLOSE_TIMEOUT = 20.0  # seconds: longer than an order can be under way, which closing waits for


class OrderType(StrEnum):
    """How an order is priced, by the strings that scripts for KIS use.

    These are not the codes that are sent: KIS calls limit "00" and market "01", and its "03" is another type
    (최유리지정가, at the best price of the other side). LIMIT and MARKET are translated.
    """

    LIMIT = "01"
    MARKET = "03"


_KINDS = {OrderType.LIMIT: OrderKind.LIMIT, OrderType.MARKET: OrderKind.MARKET}


class KisApi:
    """An account at KIS, for scripts. Use it as `with KisApi.from_env() as api`, or close it.

    It may be shared between threads. If left open, it is closed when it is collected or the program ends.

    Every method raises `Refused` (or a subclass) if KIS said no, and `BadRequest`, one of those, if the request is
    invalid; nothing was sent then. Reads raise `Unavailable` or `BadAnswer` if there is no answer to trust; orders
    raise `NotSent` if nothing left this machine, and `Unknown` if the order may be in: read `get_executions` before
    sending it again. The same holds after Ctrl-C during an order.

    Example:
        >>> api
        <KisApi paper …56-01>
        >>> with KisApi.from_env() as mine:
        ...     quote = mine.get_stock_price("005930")
        >>> quote.code, quote.price > 0
        ('005930', True)
    """

    def __init__(self, config: KisConfig, *, clock: Callable[[], datetime] = kst_now) -> None:
        """Starts a thread for the calls; connects to nothing yet. `clock` is the present moment in KST.

        Log lines go to `logging` unless structlog is set up.
        """
        _log_to_stdlib()
        self._config = config
        self._clock = clock
        self._client = client = KisClient(config, clock=clock)
        self._loop = loop = _LoopThread()
        self._closing = weakref.finalize(self, loop.close, client.close)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The account that the `KIS_*` variables of the environment, or of `environ`, name.

        `KIS_ENV` is paper unless it says real.

        Raises:
            Misconfigured: variables are missing, all of which are named, or one is invalid.

        Example:
            >>> KisApi.from_env({"KIS_APP_KEY": "PSkey"})
            Traceback (most recent call last):
            kis.errors.Misconfigured: not set: KIS_APP_SECRET, KIS_ACCOUNT (check KIS_APP_SECRET)
        """
        return cls(config_from_env(environ))

    def __repr__(self) -> str:
        closed = "" if self._closing.alive else " closed"
        return f"<{type(self).__name__} {self.env} {self._config.account_masked}{closed}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Waits for an order under way, then closes the connections and ends the thread."""
        self._closing()

    @property
    def env(self) -> Env:
        """The environment of the account."""
        return self._config.env

    def get_stock_price(self, code: str) -> Quote:
        """The price of a stock, in won.

        Example:
            >>> quote = api.get_stock_price("005930")
            >>> quote.lower_limit <= quote.price <= quote.upper_limit
            True
        """
        return self._read(self._client.price, code)

    def get_order_book(self, code: str) -> OrderBook:
        """The ten best prices of either side, in won and shares."""
        return self._read(self._client.order_book, code)

    def get_daily_price(self, code: str, count: int = 30, *, period: str = "D", adjusted: bool = True) -> DailyBars:
        """A stock's last bars, newest first; a hundred to a call, so that 250 take three.

        Args:
            code: the stock.
            count: how many, 1 to 10,000; fewer come back only where the stock has no older ones.
            period: "D" days, "W" weeks, "M" months or "Y" years.
            adjusted: whether older prices are adjusted for splits and the like.

        Example:
            >>> chart = api.get_daily_price("005930", count=30)
            >>> len(chart.bars), chart.bars[0].day > chart.bars[-1].day
            (30, True)
        """
        return self._read(self._client.recent_bars, code, count, period=period, adjusted=adjusted)

    def get_minute_price(self, code: str, *, until: time | None = None) -> MinuteBars:
        """A stock's last thirty minutes of today, newest first, at and before a time (KST)."""
        return self._read(self._client.minute_bars, code, until=until)

    def get_top_volume_stocks(self, count: int = 20) -> tuple[RankedStock, ...]:
        """The stocks traded most today; KIS ranks 30. Not offered on paper."""
        return self._read(self._client.volume_rank, count)

    def get_top_moving_stocks(self, count: int = 20, *, falling: bool = False) -> tuple[Mover, ...]:
        """The stocks that rose most since the last close, or fell most; KIS ranks 30. Not offered on paper."""
        return self._read(self._client.fluctuation_rank, count, falling=falling)

    def get_index(self, code: str = "0001") -> IndexQuote:
        """The level of an index: "0001" KOSPI, "1001" KOSDAQ, "2001" KOSPI200.

        On paper the counts of stocks that rose and fell are not known, and 0.
        """
        return self._read(self._client.index, code)

    def get_index_daily(self, code: str, start: date, end: date, *, period: str = "D") -> IndexBars:
        """An index's bars between two days, both included, newest first; KIS gives the newest 50 at most."""
        return self._read(self._client.index_bars, code, start, end, period=period)

    def get_holidays(self, start: date | None = None) -> tuple[MarketDay, ...]:
        """KIS's calendar of 24 days from a day on, today unless given. Not offered on paper."""
        return self._read(self._client.holidays, start)

    def get_stock_info(self, code: str) -> StockInfo:
        """The particulars of a stock. Not offered on paper."""
        return self._read(self._client.stock_info, code)

    def get_balance(self) -> Balance:
        """Cash and holdings, in won; after a trade KIS takes a while to show it."""
        return self._read(self._client.balance)

    def get_holding_stocks(self) -> tuple[Holding, ...]:
        """The stocks in the account."""
        return self.get_balance().holdings

    def get_available_cash(self) -> int:
        """Won in cash that can be ordered with (주문가능현금), proceeds of today's sales not counted."""
        return self._read(self._client.available_cash)

    def get_buying_power(
        self, code: str, *, price: int | None = None, order_type: OrderType | str = OrderType.LIMIT
    ) -> BuyingPower:
        """How many shares can be bought without debt; a market order is calculated at the upper price limit."""
        kind = self._kind(BUYING_POWER, price, order_type)
        return self._read(self._client.buying_power, code, price=price, kind=kind)

    def get_sellable(self, code: str) -> Sellable:
        """How many shares of a stock can be sold, 0 of one not held. Not offered on paper."""
        return self._read(self._client.sellable, code)

    def get_period_profit(self, start: date, end: date, *, code: str = "") -> PeriodProfit:
        """Profit taken between two days, both included, in won. Not offered on paper."""
        return self._read(self._client.period_profit, start, end, code=code)

    def get_executions(
        self,
        day: date | None = None,
        *,
        end: date | None = None,
        code: str = "",
        order_no: str = "",
        side: Side | None = None,
    ) -> tuple[OrderReport, ...]:
        """The order list, oldest first: every order of the days, filled or not; none on a day without trading.

        An order just sent may be missing for a while: its absence proves nothing. Arguments are those of
        `KisClient.executions`; `day` must not be later than today.

        Example:
            >>> order = api.buy_stock("005930", 1, order_type=OrderType.MARKET)
            >>> [(one.code, one.filled) for one in api.get_executions(order_no=order.order_no)]
            [('005930', 1)]
        """
        if day is not None and day > self._clock().date():
            raise self._bad_request(EXECUTIONS, "the first day is still to come")
        return self._read(self._client.executions, day, end=end, code=code, order_no=order_no, side=side)

    def get_open_orders(self) -> tuple[OpenOrder, ...]:
        """The orders that can still be changed. Not offered on paper: use `get_executions`."""
        return self._read(self._client.open_orders)

    def buy_stock(
        self, code: str, quantity: int, price: int | None = None, order_type: OrderType | str = OrderType.LIMIT
    ) -> PlacedOrder:
        """Sends one order to buy, once.

        Args:
            code: the stock.
            quantity: shares.
            price: won, on tick, for a limit order; left out for a market order.
            order_type: `OrderType.LIMIT` or "01" with a price, `OrderType.MARKET` or "03" without.

        Raises:
            BadRequest: the order contradicts itself; nothing was sent.
            Refused: KIS said no; nothing happened.
            NotSent: nothing left this machine.
            Unknown: the order may be in; read the order list.

        Example:
            >>> len(api.buy_stock("005930", 10, order_type="03").order_no)
            10
            >>> price = api.get_stock_price("005930").lower_limit
            >>> waiting = api.buy_stock("005930", 10, price=price, order_type="01")
            >>> api.buy_stock("005930", 10, price=price, order_type="03")
            Traceback (most recent call last):
            kis.errors.BadRequest: buy: order_type "03" is a market order, which bears no price
        """
        return self._place(Side.BUY, code, quantity, price, order_type)

    def sell_stock(
        self, code: str, quantity: int, price: int | None = None, order_type: OrderType | str = OrderType.LIMIT
    ) -> PlacedOrder:
        """Sends one order to sell, once; arguments and errors are those of `buy_stock`."""
        return self._place(Side.SELL, code, quantity, price, order_type)

    def cancel_order(self, order_no: str, *, branch: str = "", quantity: int | None = None) -> PlacedOrder:
        """Asks for an order to be cancelled, once; the number that comes back is the request's own.

        Args:
            order_no: the order.
            branch: the branch KIS answered with; it does without.
            quantity: shares, all that remain unless given.

        Example:
            >>> price = api.get_stock_price("005930").lower_limit
            >>> order = api.buy_stock("005930", 1, price=price)
            >>> api.cancel_order(order.order_no).order_no > order.order_no
            True
        """
        return self._send(REVISE_CANCEL, self._client.cancel, order_no, branch=branch, quantity=quantity)

    def revise_order(
        self,
        order_no: str,
        price: int | None = None,
        order_type: OrderType | str = OrderType.LIMIT,
        *,
        branch: str = "",
        quantity: int | None = None,
    ) -> PlacedOrder:
        """Asks for an order's price or type to be changed, once; it lives on under the number that comes back."""
        kind = self._kind(REVISE_CANCEL, price, order_type)
        revise = self._client.revise
        return self._send(REVISE_CANCEL, revise, order_no, branch=branch, quantity=quantity, price=price, kind=kind)

    def _place(
        self, side: Side, code: str, quantity: int, price: int | None, order_type: OrderType | str
    ) -> PlacedOrder:
        endpoint = BUY if side is Side.BUY else SELL
        kind = self._kind(endpoint, price, order_type)
        return self._send(endpoint, self._client.place, side, code, quantity, price=price, kind=kind)

    def _kind(self, endpoint: Endpoint, price: int | None, order_type: OrderType | str) -> OrderKind:
        try:
            wanted = OrderType(order_type)
        except ValueError:
            message = 'order_type is "01" (limit, with a price) or "03" (market, without one)'
            raise self._bad_request(endpoint, message) from None
        if wanted is OrderType.LIMIT and price is None:
            raise self._bad_request(endpoint, 'order_type "01" is a limit order, which needs a price')
        if wanted is OrderType.MARKET and price is not None:
            raise self._bad_request(endpoint, 'order_type "03" is a market order, which bears no price')
        return _KINDS[wanted]

    def _read(self, call: Callable[_P, Awaitable[_T]], *args: _P.args, **options: _P.kwargs) -> _T:
        self._require_open(Unavailable, "")
        return self._loop.run(call, *args, **options)

    def _send(self, endpoint: Endpoint, call: Callable[_P, Awaitable[_T]], *args: _P.args, **options: _P.kwargs) -> _T:
        self._require_open(NotSent, endpoint.name)
        return self._loop.run(call, *args, **options)

    def _require_open(self, kind: type[KisError], name: str) -> None:
        if not self._closing.alive:
            raise kind("this KisApi is closed", endpoint=name, env=self.env.value)
        if not self._loop.in_this_process:
            raise kind("this KisApi is of another process: make one here", endpoint=name, env=self.env.value)

    def _bad_request(self, endpoint: Endpoint, message: str) -> BadRequest:
        return BadRequest(message, endpoint=endpoint.name, env=self.env.value)


class _LoopThread:
    """An event loop in a thread of its own (anyio's blocking portal), for callers that have none."""

    def __init__(self) -> None:
        """Starts the thread; it is a daemon, so that a program which forgets to close still ends."""
        self._running = start_blocking_portal("asyncio", name="kis")
        self._portal = self._running.__enter__()
        self._thread = self._portal.call(threading.get_ident)
        self._process = os.getpid()

    @property
    def in_this_process(self) -> bool:
        """Whether the thread belongs to this process: a forked child has the object without the thread."""
        return os.getpid() == self._process

    def run(self, call: Callable[_P, Awaitable[_T]], *args: _P.args, **options: _P.kwargs) -> _T:
        """Waits for a coroutine; on Ctrl-C it is cancelled before the interruption goes on."""
        future = self._portal.start_task_soon(partial(call, *args, **options))
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Awaits a last coroutine, up to `_CLOSE_TIMEOUT`, then ends the loop and its thread.

        Called from the loop's own thread, as the garbage collector may, it hands the work to a new one.
        """
        if not self.in_this_process:
            # The thread is in the parent process: ending the portal would wait for it for ever.
            vars(self._portal)["call"] = _nothing
            return
        if threading.get_ident() == self._thread:
            threading.Thread(target=self._end, args=(last,), name="kis-closing", daemon=True).start()
        else:
            self._end(last)

    def _end(self, last: Callable[[], Awaitable[None]]) -> None:
        failure: BaseException | None = None
        try:
            self._portal.start_task_soon(last).result(_CLOSE_TIMEOUT)
        except BaseException as error:  # noqa: BLE001 - whatever failed, the thread must end
            failure = error
        # Given a failure, the portal cancels what still runs instead of waiting for it.
        with suppress(BaseException):
            self._running.__exit__(type(failure) if failure else None, failure, None)
        if isinstance(failure, KeyboardInterrupt):
            raise failure


def _nothing(*_: object) -> None:
    """Stands in for a call into a thread that does not exist here."""


def _log_to_stdlib() -> None:
    """Sends log lines to `logging`, under "kis", unless the program has configured structlog itself.

    structlog prints to stdout by default, between a script's own output. With `logging`, warnings go to stderr, and
    `logging.basicConfig(level=logging.INFO)` shows the rest.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
