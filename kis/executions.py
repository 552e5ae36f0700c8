"""Polls the order list for execution reports, sooner when woken.

A fill notice over the websocket has no fill number and no cumulative quantity, so it can only trigger a read: the
cumulative quantities of the list decide.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from kis.backoff import backoff
from kis.errors import KisError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")  # one snapshot: a list, or the lists of several days

_MAX_BACKOFF = 8  # intervals, while the broker is away


class ExecutionsPoll(Generic[_T]):
    """Reads the order list at an interval, or at once when woken."""

    def __init__(
        self,
        read: Callable[[], Awaitable[_T]],
        interval: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Reads nothing yet.

        `read` reads the whole list or raises a `KisError`; `interval` gives the seconds until the next read each time.
        """
        self._read = read
        self._interval = interval
        self._sleep = sleep
        self._woken = asyncio.Event()
        self._failures = 0

    def wake(self) -> None:
        """Has the list read at once; a read under way is followed by another."""
        self._woken.set()

    async def run(
        self,
        on_reports: Callable[[_T], Awaitable[None]],
        on_failure: Callable[[KisError], Awaitable[None]],
        on_recovery: Callable[[], Awaitable[None]],
    ) -> None:
        """Polls until it is cancelled; every complete list goes to `on_reports`, and what that raises ends the poll.

        `on_failure` is called once when the list cannot be read, `on_recovery` once when it can be read again.
        """
        while True:
            self._woken.clear()
            try:
                reports = await self._read()
            except KisError as failure:
                if not self._failures:
                    reason = {"error": type(failure).__name__, "code": failure.code, "reason": str(failure)}
                    _log.warning("executions_away", **reason)
                    await on_failure(failure)
                self._failures += 1
            else:
                if self._failures:
                    _log.info("executions_back", failures=self._failures)
                    await on_recovery()
                    self._failures = 0
                await on_reports(reports)
            await self._wait()

    async def _wait(self) -> None:
        interval = self._interval()
        seconds = backoff(self._failures, first=interval, most=interval * _MAX_BACKOFF)
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._woken.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
