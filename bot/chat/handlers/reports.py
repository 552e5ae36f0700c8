"""Looking back: /pnl, what trading came to, and /fills, what was filled on a day."""

from collections.abc import Callable, Collection
from datetime import date, datetime

from bot.chat.i18n.catalogue import reason
from bot.chat.i18n.frame import Frame
from bot.chat.messages.report_messages import fills_card, profit_card
from bot.chat.parsing.dates import parse_day
from bot.chat.parsing.order_args import BadArguments
from bot.chat.ports import BrokerReads
from bot.chat.types import Reply, Request
from bot.reports.bookkeeper import Bookkeeper
from bot.reports.model import filled, month, week

WEEK = frozenset({"주", "주간", "이번주", "week"})
MONTH = frozenset({"월", "월간", "이번달", "month"})


class ReportHandlers:
    """The handlers of /pnl and /fills."""

    def __init__(
        self,
        bookkeeper: Bookkeeper,
        broker: BrokerReads,
        ours: Callable[[date], Collection[str]],
        frame: Frame,
        clock: Callable[[], datetime],
    ) -> None:
        """`ours`: numbers of this bot's orders of a day."""
        self._bookkeeper = bookkeeper
        self._broker = broker
        self._ours = ours
        self._frame = frame
        self._clock = clock

    async def pnl(self, request: Request) -> Reply | None:
        """/pnl [오늘|주|월|날짜]."""
        today = self._clock().date()
        try:
            first, last = _span(request.words, today)
        except BadArguments as bad:
            return self._say_no(bad)
        taken, wealth = await self._bookkeeper.period(first, last)
        return profit_card(taken, wealth, today, self._frame)

    async def fills(self, request: Request) -> Reply | None:
        """/fills [날짜]."""
        now = self._clock()
        try:
            day = parse_day(request.words, now.date())
        except BadArguments as bad:
            return self._say_no(bad)
        rows = await self._broker.executions(day)
        return fills_card(day, filled(rows), self._ours(day), now, self._frame)

    def _say_no(self, bad: BadArguments) -> Reply:
        return Reply(f"🚫 {reason(bad.reason.code, bad.reason.values, self._frame.lang)}")


def _span(words: str, today: date) -> tuple[date, date]:
    """The days that the words of /pnl mean.

    Raises:
        BadArguments: as `parse_day`.
    """
    word = words.lower().replace(" ", "")
    if word in WEEK:
        return week(today)
    if word in MONTH:
        return month(today)
    day = parse_day(words, today)
    return day, day
