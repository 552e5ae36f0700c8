"""A clock that goes on like any other and can be pushed forward, so that three minutes of patience pass at once."""

import time
from datetime import datetime, timedelta

from kis.krx import KST

MONDAY_MORNING = datetime(2026, 11, 23, 9, 0, tzinfo=KST)


class HandClock:
    """Called, it tells the time in KST. Broker, Telegram and bot share it."""

    def __init__(self, start: datetime = MONDAY_MORNING) -> None:
        self._start = start
        self._began = time.monotonic()
        self._pushed = timedelta()

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began) + self._pushed

    def push(self, seconds: float) -> None:
        """Let time pass without anything happening."""
        self._pushed += timedelta(seconds=seconds)
