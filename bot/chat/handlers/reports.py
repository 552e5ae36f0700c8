"""Looking back: /pnl, what trading came to, and /fills, what was filled on a day."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime

from bot.chat.i18n.frame import Frame
from bot.chat.messages.report_messages import fills_card, profit_card
from bot.chat.parsing.dates import parse_day
from bot.chat.ports import BrokerReads
from bot.chat.types import Reply, Request
from bot.reports.bookkeeper import Bookkeeper
from bot.reports.model import filled, month, week

WEEK = frozenset({"주", "주간", "이번주", "week"})
MONTH = frozenset({"월", "월간", "이번달", "month"})


@dataclass(frozen=True)
class ReportHandlers:
    """The handlers of /pnl and /fills."""

    bookkeeper: Bookkeeper
    broker: BrokerReads
    ours: Callable[[date], Collection[str]]
    """Numbers of this bot's orders of a day."""
    frame: Frame
    clock: Callable[[], datetime]

    async def pnl(self, request: Request) -> Reply | None:
        """/pnl [오늘|주|월|날짜]."""
        today = self.clock().date()
        first, last = _span(request.words, today)
        taken, wealth = await self.bookkeeper.period(first, last)
        return profit_card(taken, wealth, today, self.frame)

    async def fills(self, request: Request) -> Reply | None:
        """/fills [날짜]."""
        now = self.clock()
        day = parse_day(request.words, now.date())
        listed = await self.broker.order_list(day)
        return fills_card(day, filled(listed.rows), self.ours(day), now, self.frame, len(listed.unreadable))


def _span(words: str, today: date) -> tuple[date, date]:
    """The days that the words of /pnl mean."""
    word = words.lower().replace(" ", "")
    if word in WEEK:
        return week(today)
    if word in MONTH:
        return month(today)
    day = parse_day(words, today)
    return day, day
