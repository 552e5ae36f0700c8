"""The table of stocks, fetched in the background and renewed every day."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime

import structlog

from kis.errors import KisError
from kis.symbols import Stock, Symbols

log = structlog.get_logger(__name__)

RETRY_INTERVAL = 30.0
"""Seconds between tries while there is no table at all."""
REFRESH_INTERVAL = 600.0
"""Seconds between checks whether a new day has begun."""


class LiveSymbols:
    """Looks stocks up in the newest table; before the first one arrives it knows none."""

    def __init__(self, load: Callable[[date], Awaitable[Symbols]], clock: Callable[[], datetime]) -> None:
        self._load = load
        self._clock = clock
        self._symbols = Symbols(())
        self._day: date | None = None

    def get(self, code: str) -> Stock | None:
        """The stock of this code."""
        return self._symbols.get(code)

    def named(self, text: str) -> Stock | None:
        """The stock of exactly this name."""
        return self._symbols.named(text)

    def search(self, text: str, limit: int = 10) -> list[Stock]:
        """Stocks whose name begins with the text, then those that hold it."""
        return self._symbols.search(text, limit)

    def etf(self, code: str) -> bool:
        """Whether a code is an ETF's or ETN's, also without the ETN's leading Q; False for an unknown one."""
        stock = self.get(code) or self.get(f"Q{code}")
        return stock is not None and stock.etf

    def __len__(self) -> int:
        return len(self._symbols)

    async def refresh(self) -> None:
        """Fetch today's table; the old one stays in use when that fails."""
        today = self._clock().date()
        if self._day == today:
            return
        try:
            self._symbols = await self._load(today)
        except (KisError, OSError) as error:
            log.warning("the table of stocks could not be fetched", why=str(error))
        else:
            self._day = today
            log.info("table of stocks", day=today.isoformat(), stocks=len(self._symbols))

    async def run(self) -> None:
        """Keep the table fresh until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_INTERVAL if len(self._symbols) else RETRY_INTERVAL)
