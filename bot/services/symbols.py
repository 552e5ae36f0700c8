"""The table of stocks as the bot uses it: fetched in the background, renewed every day, never in anybody's way."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime

import structlog

from kis.errors import KisError
from kis.symbols import Stock, Symbols

log = structlog.get_logger(__name__)

TRY_AGAIN = 30.0
"""Seconds between tries while there is no table at all."""
LOOK = 600.0
"""Seconds between looks whether a new day has begun."""


class LiveSymbols:
    """Answers from the newest table; before the first one arrives it knows no stock."""

    def __init__(self, load: Callable[[date], Awaitable[Symbols]], clock: Callable[[], datetime]) -> None:
        self._load = load
        self._clock = clock
        self._now = Symbols(())
        self._day: date | None = None

    def get(self, code: str) -> Stock | None:
        """The stock of this code."""
        return self._now.get(code)

    def named(self, text: str) -> Stock | None:
        """The stock of exactly this name."""
        return self._now.named(text)

    def search(self, text: str, limit: int = 10) -> list[Stock]:
        """Stocks whose name begins with the text, then those that hold it."""
        return self._now.search(text, limit)

    def etf(self, code: str) -> bool:
        """Whether a code is an ETF's or ETN's, also where KIS writes the latter without its Q; no for one not known."""
        stock = self.get(code) or self.get(f"Q{code}")
        return stock is not None and stock.etf

    def __len__(self) -> int:
        return len(self._now)

    async def refresh(self) -> None:
        """Bring the table up to today; an old table stays in use when that fails."""
        today = self._clock().date()
        if self._day == today:
            return
        try:
            self._now = await self._load(today)
        except (KisError, OSError) as error:
            log.warning("the table of stocks could not be fetched", why=str(error))
        else:
            self._day = today
            log.info("table of stocks", day=today.isoformat(), stocks=len(self._now))

    async def run(self) -> None:
        """Keep the table fresh until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(LOOK if len(self._now) else TRY_AGAIN)
