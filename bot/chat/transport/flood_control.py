"""Limits how many updates of one person are taken, before anything of them is stored or answered."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import structlog
from telegram import Update

from bot.chat.transport.access import AccessGuard, Visitor
from bot.chat.transport.command_handler import read_line, text_of
from bot.chat.types import TICKET
from bot.orders.access.roles import Actor

log = structlog.get_logger(__name__)

BURST, PER_SECOND = 60, 1.0
"""Updates a person may send at once, and how many more each second."""
CALM_SECONDS = 10.0
"""Whoever sent more is heard again after so long without a word."""
MAX_A_DAY = 3_000
"""Updates of one person stored on one day: what a person can make the database grow by."""
MAX_REMEMBERED = 10_000
"""Senders whose pace is remembered; the longest silent is forgotten first."""


class _PaceKey(NamedTuple):
    sender: int
    urgent: bool


@dataclass
class _Pace:
    """A token bucket, and how many updates it let through today."""

    at: float
    day: date
    tokens: float = BURST
    today: int = 0
    flooding: bool = False


class FloodControl:
    """Admits updates by the pace of their sender. Halts, cancels and taps on order tickets have a pace of their own."""

    def __init__(
        self,
        guard: AccessGuard,
        urgent_words: frozenset[str],
        *,
        ticks: Callable[[], float],
        clock: Callable[[], datetime],
        report: Callable[[Actor, bool], None],
    ) -> None:
        """`urgent_words`: commands that go first; `report`: a person's flood began, and whether it takes a new day."""
        self._guard = guard
        self._urgent_words = urgent_words
        self._ticks = ticks
        self._clock = clock
        self._report = report
        self._paces: OrderedDict[_PaceKey, _Pace] = OrderedDict()

    def rank(self, update: Update) -> int:
        """The place of an update in its batch: the urgent go first."""
        return 0 if self.urgent(update) else 1

    def urgent(self, update: Update) -> bool:
        """Whether it halts, cancels or decides about an order."""
        if update.callback_query is not None:
            data = update.callback_query.data or ""
            return data.startswith(TICKET) or self._is_urgent(data)
        return update.message is not None and self._is_urgent(text_of(update.message))

    def _is_urgent(self, text: str) -> bool:
        return read_line(text)[1] in self._urgent_words

    def admits(self, update: Update) -> bool:
        """Whether an update is taken; the first of a flood that is not is reported."""
        sender = update.effective_user
        if sender is None:
            return True
        key, now, day = _PaceKey(sender.id, self.urgent(update)), self._ticks(), self._clock().date()
        pace = self._paces.setdefault(key, _Pace(now, day))
        self._paces.move_to_end(key)
        if len(self._paces) > MAX_REMEMBERED:
            self._paces.popitem(last=False)
        quiet, pace.at = now - pace.at, now
        if pace.day != day:
            pace.day, pace.today = day, 0
        if pace.flooding and quiet >= CALM_SECONDS and pace.today < MAX_A_DAY:
            pace.flooding = False
        pace.tokens = min(BURST, pace.tokens + quiet * PER_SECOND)
        if not pace.flooding and pace.tokens >= 1 and pace.today < MAX_A_DAY:
            pace.tokens, pace.today = pace.tokens - 1, pace.today + 1
            return True
        if not pace.flooding:
            pace.flooding = True
            self._tell(update, day_is_full=pace.today >= MAX_A_DAY)
        return False

    def _tell(self, update: Update, *, day_is_full: bool) -> None:
        visitor = self._guard.admit(update)
        if isinstance(visitor, Visitor):
            log.warning("updates of a person are dropped: too many", user=visitor.actor.user_id)
            self._report(visitor.actor, day_is_full)
