"""Counts the attempts of those who are not let in."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.chat.types import Stranger

PERSISTENT = 10
"""Attempts of one stranger within `WINDOW` after which the admins hear of it."""


WINDOW = timedelta(minutes=5)


ONE_LINE_EVERY = timedelta(minutes=1)


REMEMBERED = 1_000
"""Strangers that are counted at the same time."""


log = structlog.get_logger(__name__)


@dataclass
class _Tally:
    """What is remembered of one stranger."""

    times: deque[datetime] = field(default_factory=lambda: deque(maxlen=PERSISTENT))
    logged_at: datetime | None = None


class Strangers:
    """Counts the attempts of those who are not let in; in memory, for a bounded number of them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._tallies: OrderedDict[int, _Tally] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tallies)

    def count(self, stranger: Stranger) -> bool:
        """Count an attempt; one line in the log a minute. True: this is somebody the admins should hear of."""
        now = self._clock()
        tally = self._tallies.setdefault(stranger.user_id, _Tally())
        self._tallies.move_to_end(stranger.user_id)
        if len(self._tallies) > REMEMBERED:
            self._tallies.popitem(last=False)
        tally.times.append(now)
        if tally.logged_at is None or now - tally.logged_at >= ONE_LINE_EVERY:
            tally.logged_at = now
            log.info("stranger", user=stranger.user_id)
        return len(tally.times) == PERSISTENT and now - tally.times[0] <= WINDOW
