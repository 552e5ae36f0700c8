"""Questions about the market: prices, books, charts, rankings, indices, the calendar."""

from __future__ import annotations

from datetime import date, time, timedelta

from kis import endpoints as api
from kis._base_client import BaseClient, all_of
from kis.error_codes import NO_ROWS, code_of
from kis.errors import Refused
from kis.models import DailyBars, IndexQuote, OrderBook, Quote, RankedStock
from kis.models.charts import IndexBars, MinuteBars
from kis.models.listings import MarketDay, Mover, StockInfo

_FIRST_DAY = date(1980, 1, 4)  # the KOSPI's own first: no chart goes back further
_A_WEEK = timedelta(days=7)
_ONE_DAY = timedelta(days=1)


class Quotations(BaseClient):
    """What can be asked of the market without regard to the account."""

    async def price(self, code: str, *, max_age: float = 0.0) -> Quote:
        """The price of a stock, in won.

        Args:
            code: the stock.
            max_age: seconds, one at most, for which an answer already received will do; `at` tells when that was.
        """
        params = self._requests.stock(api.PRICE, code)
        answer = await self._session.read(api.PRICE, params, max_age=max_age)
        return self._parsed(api.PRICE, Quote.read, code, answer.body, answer.at)

    async def order_book(self, code: str, *, max_age: float = 0.0) -> OrderBook:
        """The ten best prices of either side, in won and shares; `max_age` as in `price`."""
        params = self._requests.stock(api.ORDER_BOOK, code)
        answer = await self._session.read(api.ORDER_BOOK, params, max_age=max_age)
        return self._parsed(api.ORDER_BOOK, OrderBook.read, code, answer.body, answer.at)

    async def daily_bars(
        self,
        code: str,
        start: date,
        end: date,
        *,
        period: str = "D",
        adjusted: bool = True,
    ) -> DailyBars:
        """A stock's bars between two days, both included, newest first; KIS gives the newest 100 at most.

        Args:
            code: the stock.
            start: first day.
            end: last day.
            period: "D", "W", "M" or "Y".
            adjusted: whether splits and the like are reckoned into older prices.
        """
        self._must_have_begun(api.DAILY_BARS, start)
        params = self._requests.daily_bars(code, start, end, period, adjusted=adjusted)
        answer = await self._session.read(api.DAILY_BARS, params)
        return self._parsed(api.DAILY_BARS, DailyBars.read, code, answer.body)

    async def recent_bars(self, code: str, count: int = 30, *, period: str = "D", adjusted: bool = True) -> DailyBars:
        """A stock's last bars, newest first, in as many calls as that takes, a hundred bars each.

        Fewer come back only where the stock has no older ones.

        Args:
            code: the stock.
            count: how many, up to 10,000.
            period: "D", "W", "M" or "Y".
            adjusted: whether splits and the like are reckoned into older prices.
        """
        wanted = self._requests.bar_count(count)
        end = self._clock().date()
        page = first = await self.daily_bars(code, _FIRST_DAY, end, period=period, adjusted=adjusted)
        bars = list(page.bars)
        while page.bars and len(bars) < wanted and end > _FIRST_DAY:
            oldest = bars[-1].day
            end = max(_before(oldest, period), _FIRST_DAY)
            page = await self.daily_bars(code, _FIRST_DAY, end, period=period, adjusted=adjusted)
            if page.bars and page.bars[0].day >= oldest:
                raise self._bad(api.DAILY_BARS, "older bars were asked for, and the same came back")
            bars += page.bars
        return DailyBars(code=code, name=first.name, bars=tuple(bars[:wanted]))

    async def minute_bars(self, code: str, *, until: time | None = None) -> MinuteBars:
        """A stock's last thirty minutes of today, newest first; none on a day without trading.

        Args:
            code: the stock.
            until: the last minute wanted (KST); now unless given. A time still to come means now.
        """
        moment = until or self._clock().time()
        answer = await self._session.read(api.MINUTE_BARS, self._requests.minute_bars(code, moment))
        return self._parsed(api.MINUTE_BARS, MinuteBars.read, code, answer.body)

    async def volume_rank(self, count: int = 30) -> tuple[RankedStock, ...]:
        """The stocks traded most today; KIS ranks 30. Not offered on paper."""
        wanted = self._requests.rank_count(api.VOLUME_RANK, count)
        answer = await self._session.read(api.VOLUME_RANK, self._requests.volume_rank())
        return self._parsed(api.VOLUME_RANK, all_of, RankedStock, answer.body, "output")[:wanted]

    async def fluctuation_rank(self, count: int = 30, *, falling: bool = False) -> tuple[Mover, ...]:
        """The stocks that rose most since the last close, or fell most; KIS ranks 30. Not offered on paper."""
        wanted = self._requests.rank_count(api.FLUCTUATION_RANK, count)
        answer = await self._session.read(api.FLUCTUATION_RANK, self._requests.fluctuation_rank(falling=falling))
        return self._parsed(api.FLUCTUATION_RANK, all_of, Mover, answer.body, "output")[:wanted]

    async def index(self, code: str = "0001") -> IndexQuote:
        """The level of an index: "0001" KOSPI, "1001" KOSDAQ, "2001" KOSPI200.

        Paper does not offer the call, and its answer is taken from what stands above the index's daily chart:
        level, change and volume are there, but not how many stocks rose and fell. Those counts are then 0.
        """
        if api.INDEX.tr_id(self.env, self._config.generation) is None:
            return await self._index_from_chart(code)
        answer = await self._session.read(api.INDEX, self._requests.index(code))
        return self._parsed(api.INDEX, IndexQuote.read, code, answer.body, answer.at)

    async def _index_from_chart(self, code: str) -> IndexQuote:
        today = self._clock().date()
        params = self._requests.index_bars(code, today - _A_WEEK, today, "D")
        answer = await self._session.read(api.INDEX_BARS, params)
        return self._parsed(api.INDEX_BARS, IndexQuote.from_chart, code, answer.body, answer.at)

    async def index_bars(self, code: str, start: date, end: date, *, period: str = "D") -> IndexBars:
        """An index's bars between two days, both included, newest first; KIS gives the newest 50 at most.

        Args:
            code: "0001" KOSPI, "1001" KOSDAQ, "2001" KOSPI200, or another of KIS's.
            start: first day.
            end: last day.
            period: "D", "W", "M" or "Y".
        """
        self._must_have_begun(api.INDEX_BARS, start)
        answer = await self._session.read(api.INDEX_BARS, self._requests.index_bars(code, start, end, period))
        return self._parsed(api.INDEX_BARS, IndexBars.read, code, answer.body)

    async def holidays(self, start: date | None = None) -> tuple[MarketDay, ...]:
        """The calendar of 24 days, weekends and working days among them, from a day on; not offered on paper.

        KIS asks to be asked once a day at most: keep the answer. Later days are had by a later `start`.

        Args:
            start: first day; today unless given.
        """
        first = start or self._clock().date()
        answer = await self._session.read(api.HOLIDAYS, self._requests.holidays(first))
        return self._parsed(api.HOLIDAYS, MarketDay.read, first, answer.body)

    async def stock_info(self, code: str) -> StockInfo:
        """The particulars of a stock: names, ISIN, market, shares listed. Not offered on paper.

        Raises:
            Refused: KIS does not know the stock.
        """
        answer = await self._session.read(api.STOCK_INFO, self._requests.stock_info(code))
        if code_of(answer.body) == NO_ROWS:
            raise Refused("no such stock", code=NO_ROWS, endpoint=api.STOCK_INFO.name, env=self.env.value)
        return self._parsed(api.STOCK_INFO, StockInfo.read, code, answer.body)


def _before(day: date, period: str) -> date:
    """The last day of the period before the one a day lies in, whichever of its days KIS names a bar after."""
    first = {
        "D": day,
        "W": day - timedelta(days=day.weekday()),
        "M": day.replace(day=1),
        "Y": day.replace(month=1, day=1),
    }
    return first[period] - _ONE_DAY
