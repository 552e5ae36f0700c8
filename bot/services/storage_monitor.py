"""Notices that the database refuses, wherever that happens, and has everything go on by itself once it no longer does.

Meanwhile nothing new is sent, those in charge are told directly (the outbox is on the same disk), and what failed is
tried again. Another process that holds the database for a moment is waited out without a word.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping

import structlog

from bot.orders.risk.trading_halt import HaltLevel, TradingHalt
from bot.store.database import WriteFirstDatabase, is_locked, is_storage_fault
from kis.backoff import backoff

log = structlog.get_logger(__name__)

FIRST_BACKOFF, MAX_BACKOFF = 0.2, 5.0
LOCK_GRACE = 2.0
"""Seconds another process may hold the database before that counts as a fault; anything else counts at once."""
PROBE_INTERVAL = 0.2
CALM = 10.0
"""Seconds without a refusal after which a fault is over: on a disk that is nearly full small writes still succeed."""


def _nobody() -> None:
    """Nobody waits for an answer."""


class StorageMonitor:
    """Holds orders and tells people while the database refuses, and tries again what it refused."""

    def __init__(
        self,
        db: WriteFirstDatabase,
        trading_halt: TradingHalt,
        conflicts: MutableMapping[str, None],
        *,
        record: Callable[..., object],
        tell: Callable[[str, Mapping[str, object]], object],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Subscribes to the database's refusals.

        `conflicts`: passing reasons why nothing new may go out, see `RiskContext`; `record`: writes the audit log;
        `tell(code, values)`: tells those in charge past the outbox, and never raises.
        """
        self._db = db
        self._trading_halt = trading_halt
        self._conflicts = conflicts
        self._record = record
        self._tell = tell
        self._sleep = sleep
        self._time = asyncio.get_running_loop().time
        self.failing = False
        """The database has refused for longer than another process's lock may last."""
        self._refused_at = 0.0
        self._watch: asyncio.Task[None] | None = None
        db.subscribe(self.refused)

    def refused(self, error: Exception) -> None:
        """The database or the disk refused: nothing new goes out from now on. Uses neither."""
        self._refused_at = self._time()
        self._conflicts["DISK"] = None
        if self.failing:
            self._trading_halt.hold(HaltLevel.NEW, "DISK")
        elif not is_locked(error):
            self._declare()
        if self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._until_calm(error))

    async def retry(self, act: Callable[[], Awaitable[None]], refused: Callable[[], object] = _nobody) -> None:
        """Run `act` to its end, again after each refusal, later each time; `refused` is called once if it lasts.

        Raises:
            Exception: what `act` raises otherwise.
        """
        failures, told = 0, False
        while True:
            began = self._time()
            try:
                await act()
            except Exception as error:
                if not is_storage_fault(error):
                    raise
                self.refused(error)
            else:
                return
            if self.failing and not told:
                told = True
                refused()
            failures = 0 if self._time() - began > MAX_BACKOFF else failures
            await self._sleep(backoff(failures, first=FIRST_BACKOFF, most=MAX_BACKOFF))
            failures += 1

    async def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])

    def _declare(self) -> None:
        self.failing = True
        self._trading_halt.hold(HaltLevel.NEW, "DISK")

    async def _until_calm(self, error: Exception) -> None:
        began, told = self._time(), False
        while not self._over(began):
            if not self.failing and self._time() - began >= LOCK_GRACE:
                self._declare()
            if self.failing and not told:
                told = True
                log.error("the database cannot be written: nothing is sent until it can", why=str(error))
                self._tell("DISK", {})
            await self._sleep(PROBE_INTERVAL)
        self._watch = None
        self._conflicts.pop("DISK", None)
        if self.failing:
            self.failing = False
            seconds = round(self._time() - began)
            log.warning("the database can be written again", seconds=seconds)
            self._tell("DISK_OVER", {"seconds": seconds})

    def _over(self, began: float) -> bool:
        try:
            self._db.probe()
            if not self.failing:
                return True
            self._trading_halt.keep()
            if self._time() - self._refused_at < CALM:
                return False
            self._record("storage.refused", seconds=round(self._time() - began))
        except Exception as error:
            if not is_storage_fault(error):
                log.exception("it cannot be seen whether the database is well")
            self._refused_at = self._time()
            return False
        return True
