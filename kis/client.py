"""Questions about the account, and orders; what the answers mean is in the models, what can go wrong in the errors."""

from __future__ import annotations

import json
from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from kis import endpoints as api
from kis._base_client import all_of
from kis.config import KisConfig, kst_now
from kis.error_codes import NO_ROWS, code_of
from kis.models import Balance, BuyingPower, OpenOrder, OrderKind, OrderReport, PlacedOrder, Side
from kis.models.profits import PeriodProfit, Sellable
from kis.quotations import Quotations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kis.endpoints import Endpoint
    from kis.payloads import Params
    from kis.receipts import Receipt, Written

__all__ = ["KisClient", "KisConfig", "kst_now"]

_RECENT_MONTHS = 3
_MOST_ROWS = 4_000  # remembered as values, some 8 MB at worst


class KisClient(Quotations):
    """An account at KIS. Use it as `async with KisClient(config) as kis`, or close it.

    Every method raises `Refused` (or one of its kinds) where KIS said no. Reads raise `Unavailable` or
    `BadAnswer` where there is no answer to trust; orders raise `NotSent` where nothing left this machine, and
    `Unknown` where the order may be in. `send` alone raises nothing: its result is a receipt.
    """

    async def balance(self) -> Balance:
        """Cash and holdings, in won; after a trade KIS takes a while to show it."""
        pages = await self._session.pages(api.BALANCE, self._requests.balance(), "output1")
        return self._parsed(api.BALANCE, Balance.read, pages.rows, pages.last, pages.at)

    async def buying_power(self, code: str, *, price: int | None, kind: OrderKind) -> BuyingPower:
        """How many shares can be bought without debt; a market order is reckoned at the upper limit."""
        params = self._requests.buying_power(code, price, kind)
        answer = await self._session.read(api.BUYING_POWER, params)
        return self._parsed(api.BUYING_POWER, BuyingPower.read, code, answer.body)

    async def available_cash(self) -> int:
        """Won in cash that can be ordered with (주문가능현금).

        Proceeds of today's sales are not in it, though they can buy too: `BuyingPower.amount` counts them.
        """
        answer = await self._session.read(api.BUYING_POWER, self._requests.available_cash())
        return self._parsed(api.BUYING_POWER, BuyingPower.read, "-", answer.body).cash

    async def sellable(self, code: str) -> Sellable:
        """How many shares of a stock can be sold, 0 of one not held. Not offered on paper."""
        answer = await self._session.read(api.SELLABLE, self._requests.sellable(code))
        if code_of(answer.body) == NO_ROWS:
            return Sellable.nothing(code)
        return self._parsed(api.SELLABLE, Sellable.read, code, answer.body)

    async def period_profit(self, start: date, end: date, *, code: str = "") -> PeriodProfit:
        """Profit taken between two days, both included, in won. Not offered on paper.

        Args:
            start: first day.
            end: last day.
            code: one stock only.
        """
        self._must_have_begun(api.PERIOD_PROFIT, start)
        params = self._requests.period_profit(start, end, code)
        pages = await self._session.pages(api.PERIOD_PROFIT, params, "output1")
        found = self._parsed(api.PERIOD_PROFIT, PeriodProfit.read, pages.rows, pages.last)
        if not all(start <= one.day <= end for one in found.days):
            raise self._bad(api.PERIOD_PROFIT, "the list holds days not asked for")
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
        reports = self._parsed(endpoint, self._known_or_new, pages.rows)
        if not all(first <= report.day <= last for report in reports):
            raise self._bad(endpoint, "the list holds days not asked for")
        return reports

    def _known_or_new(self, rows: list[dict[str, Any]]) -> tuple[OrderReport, ...]:
        """Rows as values: a list that is read every few seconds is the same but for a row or two."""
        if len(self._read_rows) > _MOST_ROWS:
            self._read_rows.clear()
        found = []
        for row in rows:
            key = tuple(row.items())
            report = self._read_rows.get(key)
            if report is None:
                report = self._read_rows[key] = OrderReport.model_validate(row)
            found.append(report)
        return tuple(found)

    async def open_orders(self) -> tuple[OpenOrder, ...]:
        """The orders that can still be changed. Not offered on paper, where `executions` must do."""
        pages = await self._session.pages(api.OPEN_ORDERS, self._requests.open_orders(), "output")
        return self._parsed(api.OPEN_ORDERS, all_of, OpenOrder, {"output": pages.rows}, "output")

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
        receipt = await self._session.sending.write(endpoint, body)
        return PlacedOrder(order_no=receipt.order_no, branch=receipt.branch, time=receipt.time)

    def written(self, side: Side, code: str, quantity: int, *, price: int | None, kind: OrderKind) -> Written:
        """An order as the bytes `send` will send; nothing is sent yet. Arguments are those of `place`.

        Raises:
            BadRequest: KIS could not take it.
        """
        endpoint = api.BUY if side is Side.BUY else api.SELL
        return self._session.sending.written(endpoint, self._requests.order(endpoint, code, quantity, price, kind))

    def written_cancel(
        self,
        order_no: str,
        *,
        branch: str = "",
        quantity: int | None = None,
        kind: OrderKind = OrderKind.LIMIT,
        venue: str = "KRX",
    ) -> Written:
        """A cancel as the bytes `send` will send. Arguments are those of `cancel`, errors those of `written`."""
        body = self._requests.cancellation(order_no, branch, quantity, kind, venue)
        return self._session.sending.written(api.REVISE_CANCEL, body)

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
        """A revision as the bytes `send` will send. Arguments are those of `revise`, errors those of `written`."""
        body = self._requests.revision(order_no, branch, quantity, price, kind, venue)
        return self._session.sending.written(api.REVISE_CANCEL, body)

    async def send(self, written: Written) -> Receipt:
        """Sends what was written once, and tells what became of it; for a caller who decides on retries.

        There is at most one post, on a connection of its own. What stands in its way (no token to be had, a closed
        client, a body that another client wrote) is a receipt that says NOT_SENT. A token KIS refused is dropped, so
        that the next call has a new one, and a refusal for the rate slows all calls down.

        Raises:
            asyncio.CancelledError: the caller was cancelled. A write under way is sent to its end all the same, and
                its receipt is lost: what became of it is not known.
        """
        return await self._session.sending.send(written)

    async def hashkey(self, body: Mapping[str, str]) -> str:
        """KIS's hash of an order's body; KIS no longer asks for it."""
        return await self._session.hash(json.dumps(body, ensure_ascii=False).encode())


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
