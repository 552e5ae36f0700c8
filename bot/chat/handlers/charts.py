"""/chart: what a picture of a stock's days, weeks, months or minutes is drawn from."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from bot.chat.handlers.market import MarketHandlers
from bot.chat.i18n.catalogue import msgid
from bot.chat.i18n.frame import Frame
from bot.chat.ports import BrokerReads
from bot.chat.types import Chart, Reply, Request
from kis.callers import calling_for
from kis.endpoints import Lane
from kis.errors import KisError
from kis.models import Bar, Holding
from kis.models.charts import MinuteBar
from kis.symbols import Stock

SHOWN = 60
"""Days, weeks or months in one picture."""
FOR_AVERAGES = 19
"""Bars before those, so that the average of twenty begins at the left edge."""
MINUTE_CALLS = 4
"""At thirty minutes a call: two hours."""
MINUTES_A_CALL = 30
WORDS = {
    "일": "day", "일봉": "day", "d": "day", "day": "day", "days": "day", "daily": "day",
    "주": "week", "주봉": "week", "w": "week", "week": "week", "weeks": "week", "weekly": "week",
    "월": "month", "월봉": "month", "month": "month", "months": "month", "monthly": "month",
    "분": "minute", "분봉": "minute", "min": "minute", "minute": "minute", "minutes": "minute",
}  # fmt: skip
"""How a period may be written. A lone m is not among them: it could be either."""
KIS_PERIOD = {"day": "D", "week": "W", "month": "M"}


@dataclass(frozen=True)
class ChartHandlers:
    """The handler of /chart."""

    broker: BrokerReads
    market: MarketHandlers
    frame: Frame

    async def chart(self, request: Request) -> Reply | Chart | None:
        """/chart 종목 [일|주|월|분]."""
        stock, rest, question = self.market.which(request.words, "/chart", ends=WORDS)
        if stock is None:
            return question
        period = WORDS.get(" ".join(rest).lower()) if rest else "day"
        if period is None:
            words = msgid("🚫 The period is one of day, week, month, minute: {word}")
            return Reply(self.frame.text(words, word=" ".join(rest)[:20]))
        with calling_for(lane=Lane.REPORT):  # a picture takes several calls: no price waits for it
            bars = await self._bars(stock.code, period)
            if bars:
                return Chart(await self._facts(stock, period, bars))
        words = msgid("{name}: there is nothing to draw yet.")
        if period == "minute":
            words = msgid("{name}: not traded yet today, so there are no minutes. Its days: /chart {code}")
        return Reply(self.frame.text(words, name=stock.name, code=stock.code))

    async def _bars(self, code: str, period: str) -> list[list[Any]]:
        """Oldest first, each [when, open, high, low, close, volume]."""
        if period == "minute":
            return [[f"{bar.at:%H:%M}", *figures(bar)] for bar in reversed(await self._minutes(code)) if bar.close]
        found = await self.broker.recent_bars(code, SHOWN + FOR_AVERAGES, period=KIS_PERIOD[period])
        return [[bar.day.isoformat(), *figures(bar)] for bar in reversed(found.bars) if bar.close]

    async def _minutes(self, code: str) -> list[MinuteBar]:
        """Today's last minutes in which the stock was traded, newest first."""
        found: list[MinuteBar] = []
        until: time | None = None
        for _ in range(MINUTE_CALLS):
            page = older((await self.broker.minute_bars(code, until=until)).bars, found)
            found += page
            if len(page) < MINUTES_A_CALL:
                break
            until = (found[-1].at - timedelta(minutes=1)).time()
        return found

    async def _facts(self, stock: Stock, period: str, bars: Sequence[list[Any]]) -> dict[str, Any]:
        quote = await self.broker.price(stock.code)
        holdings: Sequence[Holding] | None = None
        with contextlib.suppress(KisError):  # what the market says is worth a picture also without the account
            holdings = (await self.broker.balance()).holdings
        held = next((one for one in holdings or () if one.code == stock.code), None)
        return {
            "code": stock.code,
            "name": stock.name,
            "period": period,
            "bars": bars,
            "shown": min(len(bars), SHOWN if period != "minute" else MINUTE_CALLS * MINUTES_A_CALL),
            "price": quote.price,
            "change": quote.change,
            "rate": str(quote.change_rate),
            "at": quote.at.isoformat(),
            "average": str(held.average_price) if held and held.average_price > 0 else None,
            "held": held.quantity if held else 0,
            "account_read": holdings is not None,
        }


def older(page: Sequence[MinuteBar], found: Sequence[MinuteBar]) -> list[MinuteBar]:
    """What a page adds to the minutes found, newest first: KIS may answer a time before the open with what is newest."""
    return [bar for bar in page if not found or (bar.day == found[-1].day and bar.at < found[-1].at)]


def figures(bar: Bar | MinuteBar) -> tuple[int, int, int, int, int]:
    """Open, high, low, close, volume. The prices KIS gives as 0, of a day on which nothing traded, become the close."""
    if not (bar.open and bar.high and bar.low):
        return bar.close, bar.close, bar.close, bar.close, bar.volume
    return bar.open, bar.high, bar.low, bar.close, bar.volume
